import { expect, test } from "bun:test";
import { Chunk } from "../../core/model/chunk.ts";
import { columnIndex } from "../../core/model/columns.ts";
import { Utf8Vector } from "../../core/model/vector.ts";
import type { RowsListener } from "../../core/store/followers.ts";
import { eventStream } from "./tail.ts";

/** A chunk of rows whose bodies are `width` letters. */
function rowsOf(count: number, width = 10): Chunk {
  const chunk = new Chunk("logs");
  const body = columnIndex("logs", "body");
  for (let row = 0; row < count; row++) {
    for (const [at, vector] of chunk.vectors.entries()) {
      if (at === body) (vector as Utf8Vector).pushText(`${row}`.padEnd(width, "x"));
      else if (vector.kind === "fixed") vector.pushNull();
      else if (vector.kind === "map") vector.endRow();
      else if (vector.kind === "dictionary" || vector.kind === "utf8") vector.pushText("");
    }
    chunk.rows++;
  }
  return chunk;
}

function open(stopping = new AbortController()) {
  let listener: RowsListener | undefined;
  let ended = 0;
  const stream = eventStream(
    () => true,
    (given) => {
      listener = given;
      return () => listener = undefined;
    },
    stopping.signal,
    () => ended++,
  );
  const reader = stream.getReader();
  const read = async () => new TextDecoder().decode((await reader.read()).value);
  return {
    reader,
    read,
    stopping,
    push: (chunk: Chunk) => listener?.(chunk, 0, chunk.rows),
    isSubscribed: () => listener !== undefined,
    ended: () => ended,
  };
}

const countOf = (text: string) => text.split("event: row\n").length - 1;

test("rows come as they are pushed, in order", async () => {
  const tail = open();
  expect(await tail.read()).toBe(": tailing\n\n");
  tail.push(rowsOf(3));
  const events = await tail.read();
  expect([...events.matchAll(/"body":"(\d)x+"/g)].map(([, digit]) => digit)).toEqual(["0", "1", "2"]);
  await tail.reader.cancel();
});

test("what a slow reader misses is counted and told where it would have stood, and little is kept for him", async () => {
  const tail = open();
  await tail.read();
  await Bun.sleep(0);
  tail.push(rowsOf(25_000));
  tail.push(rowsOf(5_000));
  let events = "";
  while (!events.includes("event: dropped")) events += await tail.read();
  const dropped = Number(/event: dropped\ndata: \{"rows":(\d+)\}/.exec(events)![1]);
  expect(countOf(events) + dropped).toBe(30_000);
  expect(countOf(events)).toBeLessThanOrEqual(20_000); // those that wait, and those that the stream has taken already
  expect(events.trimEnd()).toEndWith(`data: {"rows":${dropped}}`);
  tail.push(rowsOf(1));
  expect(countOf(await tail.read())).toBe(1); // and it goes on
  await tail.reader.cancel();
});

test("large rows are bounded by their bytes", async () => {
  const tail = open();
  await tail.read();
  await Bun.sleep(0);
  for (let round = 0; round < 40; round++) tail.push(rowsOf(10, 100_000));
  let events = "";
  while (!events.includes("event: dropped")) events += await tail.read();
  expect(events.length).toBeLessThan(20 * 1024 * 1024);
  expect(countOf(events) + Number(/"rows":(\d+)/.exec(events)![1])).toBe(400);
  await tail.reader.cancel();
});

test("a reader that goes away, or a node that stops, ends it once", async () => {
  const left = open();
  await left.read();
  await left.reader.cancel();
  expect([left.isSubscribed(), left.ended()]).toEqual([false, 1]);
  const stopped = open();
  await stopped.read();
  const next = stopped.reader.read();
  stopped.stopping.abort();
  expect((await next).done).toBe(true);
  expect([stopped.isSubscribed(), stopped.ended()]).toEqual([false, 1]);
});
