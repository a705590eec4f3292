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

test("what was promised and taken is owed no more", async () => {
  const share = new MemoryShare(100);
  let taken = 0;
  const give = await share.take(80, never, () => taken);
  const owed = [0, 50, 80, 90, 20].map((bytes) => {
    taken = bytes;
    return share.owedBytes;
  });
  expect(owed).toEqual([80, 30, 0, 0, 60]);
  expect(share.stats.heldBytes).toBe(80);
  give();
  expect(share.owedBytes).toBe(0);
});

test("more than was promised is nobody else's, and who cannot tell owes all", async () => {
  const share = new MemoryShare(200);
  await share.take(60, never, () => 500);
  const give = await share.take(50, never);
  await share.take(30, never, () => 10);
  expect(share.owedBytes).toBe(50 + 20);
  give();
  expect(share.owedBytes).toBe(20);
});

test("who waited is asked once it holds some", async () => {
  const share = new MemoryShare(100);
  const give = await share.take(100, never);
  const waiting = share.take(40, never, () => 25);
  expect(share.owedBytes).toBe(100);
  give();
  await waiting;
  expect(share.owedBytes).toBe(15);
});
