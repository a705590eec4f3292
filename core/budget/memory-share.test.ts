/** Who waits for memory, who does not, and in what order. */
import { expect, test } from "bun:test";
import { MemoryShare } from "./memory-share.ts";

const never = new AbortController().signal;

/** Takes bytes, and notes when it has them. */
function asker(share: MemoryShare, got: string[]) {
  return async (name: string, bytes: number, signal = never) => {
    const give = await share.take(bytes, signal);
    got.push(name);
    return give;
  };
}

test("what fits is had at once, what does not waits until enough was given back", async () => {
  const share = new MemoryShare(100);
  const got: string[] = [];
  const ask = asker(share, got);
  const giveA = await ask("a", 60);
  const giveB = await ask("b", 40);
  const waiting = ask("c", 50);
  giveB();
  await Bun.sleep(0);
  expect(got).toEqual(["a", "b"]);
  expect(share.stats).toEqual({ heldBytes: 60, waiting: 1 });
  giveA();
  await waiting;
  expect(share.stats).toEqual({ heldBytes: 50, waiting: 0 });
});

test("a small one does not overtake a large one that waits, or the large one would never have its turn", async () => {
  const share = new MemoryShare(100);
  const got: string[] = [];
  const ask = asker(share, got);
  const give = await ask("statement", 30);
  const merge = ask("merge", 90);
  const next = ask("next statement", 30);
  await Bun.sleep(0);
  expect(got).toEqual(["statement"]);
  give();
  (await merge)();
  await next;
  expect(got).toEqual(["statement", "merge", "next statement"]);
});

test("who asks for more than there is gets all of it, alone", async () => {
  const share = new MemoryShare(100);
  const give = await share.take(1_000, never);
  expect(share.stats.heldBytes).toBe(100);
  give();
  give(); // a second time is nothing
  expect(share.stats.heldBytes).toBe(0);
});

test("who gives up waiting lets those behind it pass", async () => {
  const share = new MemoryShare(100);
  const got: string[] = [];
  const ask = asker(share, got);
  await ask("first", 60);
  const abort = new AbortController();
  const large = ask("large", 90, abort.signal);
  const small = ask("small", 40);
  abort.abort(new Error("enough"));
  await expect(large).rejects.toThrow("enough");
  await small;
  expect(got).toEqual(["first", "small"]);
  expect(share.stats).toEqual({ heldBytes: 100, waiting: 0 });
});

test("beyond the bound one is refused, retryable", async () => {
  const share = new MemoryShare(10, 1);
  await share.take(10, never);
  const waiting = share.take(10, never);
  await expect(share.take(1, never)).rejects.toMatchObject({ code: "overloaded", retryable: true });
  waiting.catch(() => {});
});

/** What holders of one kind have, as a test sets it. */
function meterOf() {
  const has = { used: 0, resident: 0 };
  return { has, meter: { usedBytes: () => has.used, residentBytes: () => has.resident } };
}

test("what was promised and taken is owed no more", async () => {
  const share = new MemoryShare(100);
  const { has, meter } = meterOf();
  const give = await share.take(80, never, meter);
  expect(share.owedBytes).toBe(80);
  has.used = has.resident = 50;
  expect(share.owedBytes).toBe(30);
  has.resident = 90; // more than was promised is nobody else's
  expect(share.owedBytes).toBe(0);
  expect(share.stats.heldBytes).toBe(80);
  has.used = has.resident = 20;
  expect(share.owedBytes).toBe(60);
  give();
  expect(share.owedBytes).toBe(0);
});

test("what the kind used before is not of the promise, and what it had freed and kept is", async () => {
  const share = new MemoryShare(100);
  const { has, meter } = meterOf();
  has.used = 30;
  has.resident = 45;
  const give = await share.take(80, never, meter);
  expect(share.owedBytes).toBe(65);
  give();
  has.used = has.resident = 10;
  await share.take(80, never, meter);
  expect(share.owedBytes).toBe(80);
});

test("growth of one kind counts once for all who share its meter, and for nobody else", async () => {
  const share = new MemoryShare(200);
  const { has, meter } = meterOf();
  const giveA = await share.take(60, never, meter);
  await share.take(60, never, meter);
  await share.take(50, never); // without a meter
  await share.take(30, never, meterOf().meter);
  has.used = has.resident = 70;
  expect(share.owedBytes).toBe(50 + 50 + 30);
  has.used = has.resident = 10;
  giveA();
  expect(share.owedBytes).toBe(50 + 50 + 30);
});

test("who waited is measured from when it began", async () => {
  const share = new MemoryShare(100);
  const { has, meter } = meterOf();
  const give = await share.take(100, never);
  const waiting = share.take(40, never, meter);
  has.used = has.resident = 25;
  give();
  await waiting;
  expect(share.owedBytes).toBe(40);
});
