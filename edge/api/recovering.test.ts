import { expect, test } from "bun:test";
import { waitForRecovery } from "./recovering.ts";

function host(recovered: Promise<void>, isRecovering = true) {
  return {
    recovery: "recovering the data folder: 43% of 900 MiB of WAL replayed, 4 rows",
    // deno-lint-ignore no-explicit-any -- what is asked of a store here
    store: () => ({ recovered, isRecovering }) as any,
  };
}

const never = new AbortController().signal;

test("an answer waits for the rows of the last run, and has the rest of its time", async () => {
  const left = await waitForRecovery(host(Bun.sleep(20)), 10_000, never);
  expect(left).toBeLessThan(10_000);
  expect(left).toBeGreaterThan(1);
  expect(await waitForRecovery(host(Promise.resolve(), false), 10_000, never)).toBe(10_000);
});

test("one that has waited for its time is refused, retryable, and says how far the node is", async () => {
  const { promise } = Promise.withResolvers<void>();
  await expect(waitForRecovery(host(promise), 10, never)).rejects.toMatchObject({
    code: "unavailable",
    retryable: true,
    message: expect.stringContaining("43%"),
  });
});

test("one whose client has gone waits no longer", async () => {
  const { promise } = Promise.withResolvers<void>();
  const abort = new AbortController();
  const waiting = waitForRecovery(host(promise), 10_000, abort.signal);
  abort.abort();
  await expect(waiting).rejects.toMatchObject({ code: "cancelled" });
});

test("what ended the recovery is told", async () => {
  await expect(waitForRecovery(host(Promise.reject(new Error("gone"))), 10_000, never)).rejects.toThrow(
    "gone",
  );
});
