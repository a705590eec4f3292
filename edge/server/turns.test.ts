import { expect, test } from "bun:test";
import { inTurns } from "./turns.ts";

/** Steps that each take a turn's time. */
function* long(steps: number, log: string[]): Generator<void, string, void> {
  for (let step = 0; step < steps; step++) {
    const endMs = performance.now() + 2;
    while (performance.now() < endMs);
    log.push("step");
    yield;
  }
  return "done";
}

test("what waits for the thread has it between the steps", async () => {
  const log: string[] = [];
  const running = inTurns(long(4, log));
  setTimeout(() => log.push("timer"), 0);
  setImmediate(() => log.push("immediate"));
  expect(await running).toBe("done");
  expect(log.filter((each) => each === "step").length).toBe(4);
  expect(log.indexOf("timer")).toBeLessThan(log.lastIndexOf("step"));
  expect(log.indexOf("immediate")).toBeLessThan(log.lastIndexOf("step"));
});

test("steps that take no time share a turn", async () => {
  const log: string[] = [];
  const running = inTurns((function* (): Generator<void, void, void> {
    for (let step = 0; step < 10; step++) {
      log.push("step");
      yield;
    }
  })());
  setImmediate(() => log.push("immediate"));
  await running;
  await new Promise((resolve) => setImmediate(resolve));
  expect(log).toEqual([...Array(10).fill("step"), "immediate"]);
});

test("a step that throws is the caller's", async () => {
  const failing = inTurns((function* (): Generator<void, void, void> {
    yield;
    throw new Error("no room");
  })());
  await expect(failing).rejects.toThrow("no room");
});
