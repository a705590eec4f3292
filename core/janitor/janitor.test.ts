import { expect, test } from "bun:test";
import { silentLog } from "../env/log.ts";
import { seededRandom } from "../env/random.ts";
import { OpenWitError } from "../error.ts";
import { Metrics } from "../metrics/metrics.ts";
import { SimClock } from "../../tests/sim/clock.ts";
import { Janitor, type MaintenanceTask, runsMax } from "./janitor.ts";

function janitor(...tasks: MaintenanceTask[]) {
  return janitorOf(tasks);
}

function janitorOf(tasks: readonly MaintenanceTask[], beside: readonly MaintenanceTask[] = []) {
  const clock = new SimClock();
  const metrics = new Metrics();
  const env = { clock, random: seededRandom(1), log: silentLog, metrics };
  return { clock, metrics, janitor: new Janitor(env, tasks, beside) };
}

/** Lets time pass in steps, with turns of the event loop between them for what was woken. */
async function pass(clock: SimClock, ms: number, stepMs = 1_000): Promise<void> {
  for (let passed = 0; passed < ms; passed += stepMs) {
    await clock.advance(stepMs);
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  }
}

test("a task runs at its interval, a tenth more or less", async () => {
  const times: number[] = [];
  const made = janitor({
    name: "sweep",
    everyMs: 100_000,
    run: () => {
      times.push(made.clock.monotonicMs());
      return Promise.resolve("");
    },
  });
  made.janitor.start();
  await pass(made.clock, 1_000_000);
  await made.janitor.stop();
  expect(times.length).toBeGreaterThanOrEqual(9);
  expect(times.length).toBeLessThanOrEqual(11);
  for (const [index, time] of times.entries()) {
    const interval = time - (times[index - 1] ?? 0);
    expect(interval).toBeGreaterThanOrEqual(90_000);
    expect(interval).toBeLessThanOrEqual(112_000);
  }
  expect(new Set(times.map((time, index) => time - (times[index - 1] ?? 0))).size).toBeGreaterThan(1);
});

test("a task that is hurried runs at once and then at its interval; an unknown one is refused", async () => {
  const times: number[] = [];
  const made = janitor({
    name: "shed",
    everyMs: 100_000,
    run: () => {
      times.push(made.clock.monotonicMs());
      return Promise.resolve("");
    },
  });
  made.janitor.start();
  await pass(made.clock, 5_000);
  const before = times.length;
  const atMs = made.clock.monotonicMs();
  made.janitor.hurry("shed");
  await pass(made.clock, 10, 10);
  expect(times.slice(before)).toEqual([atMs + 10]);
  await pass(made.clock, 80_000);
  expect(times.length).toBe(before + 1);
  expect(() => made.janitor.hurry("shred")).toThrow("there is no maintenance task");
  await made.janitor.stop();
});

test("tasks never overlap, also when one is asked for", async () => {
  let running = 0, most = 0, runs = 0;
  const run = async () => {
    most = Math.max(most, ++running);
    for (let turn = 0; turn < 50; turn++) await Promise.resolve();
    running--;
    runs++;
    return "";
  };
  const made = janitor({ name: "a", everyMs: 10, run }, { name: "b", everyMs: 10, run });
  made.janitor.start();
  const asked = made.janitor.runNow("b");
  await pass(made.clock, 200, 10);
  await asked;
  await made.janitor.stop();
  expect(runs).toBeGreaterThan(5);
  expect(most).toBe(1);
});

test("a task of the lane beside does not wait for the others", async () => {
  const made = janitorOf([{ name: "long", everyMs: 10, run: (signal) => aborted(signal) }], [
    { name: "short", everyMs: 10, run: () => Promise.resolve("done") },
  ]);
  made.janitor.start();
  await pass(made.clock, 100, 10);
  expect(made.janitor.tasks().find(({ name }) => name === "long")).toMatchObject({ isRunning: true });
  expect(made.janitor.runs().filter(({ task }) => task === "short").length).toBeGreaterThan(3);
  await made.janitor.stop();
  expect(made.janitor.runs().at(-1)).toMatchObject({ task: "long", outcome: "aborted" });
});

/** Rejects when it aborts. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
}

test("a run that fails is told, counted and remembered, and the task comes again", async () => {
  let tries = 0;
  const made = janitor({
    name: "compaction",
    everyMs: 10_000,
    run: () => tries++ === 0 ? Promise.reject(new OpenWitError("io", "no disk")) : Promise.resolve("1 merge"),
  });
  made.janitor.start();
  await pass(made.clock, 25_000);
  await made.janitor.stop();
  const [first, second] = made.janitor.runs();
  expect([first.outcome, first.error?.message, second.outcome, second.did]).toEqual(
    ["failed", "no disk", "done", "1 merge"],
  );
  expect(made.metrics.total("openwit_task_runs_total", { task: "compaction", outcome: "failed" })).toBe(1);
});

test("stopping aborts what runs and waits for its end", async () => {
  let ended = false;
  const made = janitor({
    name: "long",
    everyMs: 1_000,
    run: (signal) =>
      new Promise((_, reject) =>
        signal.addEventListener("abort", () => {
          ended = true;
          reject(signal.reason);
        })
      ),
  });
  made.janitor.start();
  await pass(made.clock, 2_000);
  expect(made.janitor.tasks()[0].isRunning).toBe(true);
  await made.janitor.stop();
  expect(ended).toBe(true);
  expect(made.janitor.runs().map(({ outcome }) => outcome)).toEqual(["aborted"]);
});

test("asking for a task gives what it did, or what it threw", async () => {
  const made = janitor({ name: "compaction", everyMs: 1_000, run: () => Promise.resolve("2 merges") });
  expect((await made.janitor.runNow("compaction")).did).toBe("2 merges");
  const failing = made.janitor.runNow("compaction", () => Promise.reject(new OpenWitError("io", "no disk")));
  expect(await failing.catch((error) => error.code)).toBe("io");
  expect(await made.janitor.runNow("nothing").catch((error) => error.code)).toBe("not_found");
});

test("runs that did nothing are not kept, and no more than the ring holds", async () => {
  let did = "";
  const made = janitor({ name: "sweep", everyMs: 1_000, run: () => Promise.resolve(did) });
  await made.janitor.runNow("sweep");
  expect(made.janitor.runs()).toEqual([]);
  expect(made.janitor.tasks()[0].last?.outcome).toBe("done");
  did = "1 file";
  for (let run = 0; run < runsMax + 5; run++) await made.janitor.runNow("sweep");
  expect(made.janitor.runs().length).toBe(runsMax);
});

test("a task that is to come more often need not wait for its old time", async () => {
  let runs = 0;
  const made = janitor({ name: "sweep", everyMs: 3_600_000, run: () => Promise.resolve(`${++runs}`) });
  made.janitor.start();
  await pass(made.clock, 10_000);
  made.janitor.reschedule("sweep", 5_000);
  await pass(made.clock, 30_000);
  await made.janitor.stop();
  expect(runs).toBeGreaterThanOrEqual(4);
  expect(runs).toBeLessThanOrEqual(7);
});
