import { expect, test } from "bun:test";
import { columnIndex } from "../model/columns.ts";
import type { Utf8Vector } from "../model/vector.ts";
import { Memtable, type MemtableChunk, unpin } from "./memtable.ts";
import { SpareChunks } from "./spares.ts";

test("a chunk that readers hold when a segment has its rows is filled again once the last has let go", () => {
  const { memtable, spares, opened } = withRows();
  opened.pins = 2;
  memtable.drop(memtable.freeze(), 1);
  expect(memtable.rows).toBe(0);
  unpin(opened);
  expect(spares.bytes).toBe(0);
  expect(opened.chunk.rows).toBe(3);
  unpin(opened);
  expect(memtable.open().chunk).toBe(opened.chunk);
  expect(opened.chunk.rows).toBe(0);
});

test("a chunk that no reader holds is filled again at once, and none that is still in its memtable", () => {
  const { memtable, spares, opened } = withRows();
  opened.pins = 1;
  unpin(opened);
  expect(spares.bytes).toBe(0);
  memtable.drop(memtable.freeze(), 1);
  expect(spares.bytes).toBeGreaterThan(0);
});

test("a chunk has room from the start for what the stream's last flush held, and for that of no other stream", () => {
  const { memtable, spares, opened } = withRows(0);
  for (let row = 0; row < 3; row++) bodyOf(opened).pushText("x".repeat(100_000));
  memtable.drop(memtable.freeze(), 1);
  expect(bodyOf(memtable.open()).bytes.length).toBe(300_000);
  expect(bodyOf(new Memtable("other", "logs", spares).open()).bytes.length).toBeLessThan(10_000);
});

test("texts that were searched are folded as they come, in the next chunk as well, and not when nobody searched that", () => {
  const { memtable, opened } = withRows(0);
  bodyOf(opened).folded(3);
  for (const isFolded of [true, false]) {
    memtable.drop(memtable.freeze(), 1);
    const next = memtable.open();
    const pending = memtable.begin(next, 0);
    for (const text of ["Payment FAILED", "ok", ""]) bodyOf(next).pushText(text);
    next.chunk.rows = 3;
    memtable.settle({ ...pending, endRow: 3 }, 2, 1);
    expect(bodyOf(next).foldedBytes > 0).toBe(isFolded);
  }
});

function bodyOf({ chunk }: MemtableChunk): Utf8Vector {
  return chunk.vectors[columnIndex("logs", "body")] as Utf8Vector;
}

/** @param spareBytes what is kept of chunks to be filled again */
function withRows(spareBytes = 1 << 30): { memtable: Memtable; spares: SpareChunks; opened: MemtableChunk } {
  const spares = new SpareChunks(spareBytes);
  const memtable = new Memtable("acme", "logs", spares);
  const opened = memtable.open();
  const pending = memtable.begin(opened, 0);
  opened.chunk.rows = 3;
  memtable.settle({ ...pending, endRow: 3 }, 1, 0);
  return { memtable, spares, opened };
}
