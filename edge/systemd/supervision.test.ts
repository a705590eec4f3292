import { expect, test } from "bun:test";
import { IngestWatch } from "../server/ingest-watch.ts";
import type { Notice } from "./notify.ts";
import { stuckMsMax, type Supervised, Supervision, supervisionOf } from "./supervision.ts";

/** A node whose parts a test sets, with a clock and an ear. */
function scene(node: Partial<Supervised> = {}) {
  const clock = { ms: 0 };
  const notices: Notice[] = [];
  const healths: boolean[] = [];
  const ingest = new IngestWatch(() => clock.ms);
  const supervised = {
    phase: "ready",
    reason: undefined,
    recovery: undefined,
    ingest,
    refusal: undefined,
    usage: undefined,
    ...node,
  } as { -readonly [Key in keyof Supervised]: Supervised[Key] };
  const supervision = new Supervision(supervised, {
    notifier: {
      by: "socket",
      notify: (notice) => {
        notices.push(notice);
        return true;
      },
    },
    monotonicMs: () => clock.ms,
    watchdogMs: 60_000,
    onHealth: (isHealthy) => healths.push(isHealthy),
  });
  const look = (ms: number): Notice => {
    clock.ms += ms;
    notices.length = 0;
    supervision.look();
    return Object.assign({}, ...notices);
  };
  return { clock, notices, healths, ingest, node: supervised, supervision, look };
}

test("a node without anything under way is healthy, however long nothing comes", () => {
  const { look } = scene();
  expect(look(24 * 3_600_000).WATCHDOG).toBe(1);
});

test("the sign of life is withheld once requests wait and none has ended, and given when one ends", async () => {
  const { look, ingest, healths } = scene();
  const stuck = Promise.withResolvers<{ rows: number }>();
  const waiting = ingest.around(() => stuck.promise);
  expect(look(stuckMsMax - 1).WATCHDOG).toBe(1);
  expect(look(1).WATCHDOG).toBeUndefined();
  stuck.resolve({ rows: 1 });
  await waiting;
  expect(look(1).WATCHDOG).toBe(1);
  expect(healths).toEqual([false, true]);
});

test("one request that waits for ever is no reason while others end, if only refused", async () => {
  const { look, ingest } = scene();
  ingest.around(() => new Promise<never>(() => {}));
  for (let round = 0; round < 10; round++) {
    await ingest.around(() => Promise.reject(new Error("the disk is full"))).catch(() => {});
    expect(look(stuckMsMax / 2).WATCHDOG).toBe(1);
  }
});

test("the wait is counted from when the way stood empty, not from the last record of yesterday", async () => {
  const { look, ingest, clock } = scene();
  await ingest.around(() => Promise.resolve({ rows: 1 }));
  clock.ms += 24 * 3_600_000;
  ingest.around(() => new Promise<never>(() => {}));
  expect(look(1).WATCHDOG).toBe(1);
});

test("a start asks for more time while the replay gets on, and no longer", () => {
  const { look, node } = scene({ phase: "starting", reason: "recovering: 1%" });
  expect(look(0)).toMatchObject({
    EXTEND_TIMEOUT_USEC: 120_000_000,
    STATUS: "starting: recovering: 1%",
  });
  expect(look(2_000).EXTEND_TIMEOUT_USEC).toBeUndefined();
  node.reason = "recovering: 2%";
  expect(look(2_000).EXTEND_TIMEOUT_USEC).toBe(120_000_000);
});

test("the status line says what a person asks first, every ten seconds", async () => {
  const { look, ingest, node } = scene({ usage: { usedBytes: 2 ** 30, budgetBytes: 4 * 2 ** 30 } });
  expect(look(0).STATUS).toBe("ready, no record yet, 1.0 GiB of 4.0 GiB (25%) used");
  await ingest.around(() => Promise.resolve({ rows: 12_000 }));
  expect(look(9_999).STATUS).toBeUndefined();
  expect(look(1).STATUS).toBe("ready, 1200 rows/s, 1.0 GiB of 4.0 GiB (25%) used");
  node.refusal = "the disk is full";
  node.recovery = "40% of 9 MiB of WAL read";
  expect(look(40_000).STATUS).toBe(
    "ready, 40% of 9 MiB of WAL read, last record 40 s ago, 1.0 GiB of 4.0 GiB (25%) used, refusing records: the disk is full",
  );
});

test("a reload begins with the time of day of the system's clock, and ends ready", () => {
  const { supervision, notices } = scene();
  supervision.reloading();
  supervision.ready();
  supervision.stopping();
  expect(notices.map(({ STATUS: _, MONOTONIC_USEC, ...rest }) => [rest, typeof MONOTONIC_USEC])).toEqual([
    [{ RELOADING: 1 }, "bigint"],
    [{ READY: 1 }, "undefined"],
    [{ STOPPING: 1 }, "undefined"],
  ]);
});

test.each([
  [{ NOTIFY_SOCKET: "/x", WATCHDOG_USEC: "60000000", WATCHDOG_PID: "7" }, 60_000],
  [{ NOTIFY_SOCKET: "/x", WATCHDOG_USEC: "60000000" }, 60_000],
  [{ NOTIFY_SOCKET: "/x", WATCHDOG_USEC: "60000000", WATCHDOG_PID: "8" }, undefined],
  [{ NOTIFY_SOCKET: "/x" }, undefined],
])("%p gives process 7 a watchdog of %p ms", (environment, expected) => {
  const { node } = scene();
  const supervision = supervisionOf(node, environment, { pid: 7, monotonicMs: () => 0, onHealth() {} });
  expect(supervision.options.watchdogMs).toBe(expected);
});
