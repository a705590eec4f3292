import { expect, test } from "bun:test";
import { componentNames, type NodeFacts } from "./facts.ts";
import { HealthBook, judge } from "./health.ts";

const well: NodeFacts = {
  phase: "ready",
  wal: { writingMs: 0, syncMs: 2 },
  store: { flushTroubles: [], damagedSegments: 0, oldestUnflushedMs: 1_000, flushAgeMs: 300_000 },
  disk: { isNearlyFull: false },
  memory: { residentBytes: 100, limitBytes: 1_000 },
  isTimeSynced: true,
  engine: { waiting: 0, waitingMax: 4 },
  tasks: [{ name: "compaction", runningMs: 0 }],
  catalog: {},
  listeners: { open: 3, wanted: 3 },
};

const look = (facts: NodeFacts) => new HealthBook().look(facts, 0n);

test("a node that is well is ok in every component, takes and answers", () => {
  const health = look(well);
  expect(health).toMatchObject({ status: "ok", takes_records: true, answers_queries: true, reasons: [] });
  expect(Object.keys(health.components).sort()).toEqual([...componentNames].sort());
});

/** What is amiss, the component that says so, how it is, and whether the node takes and answers. */
const troubles: [string, Partial<NodeFacts>, string, string, boolean, boolean][] = [
  [
    "the WAL has just failed",
    { wal: { ...well.wal!, trouble: { message: "EIO", agoMs: 900 } } },
    "wal",
    "failed",
    false,
    true,
  ],
  [
    "the WAL failed, and nobody has tried since",
    { wal: { ...well.wal!, trouble: { message: "EIO", agoMs: 31_000 } } },
    "wal",
    "degraded",
    true,
    true,
  ],
  ["a write stands still", { wal: { writingMs: 12_000, syncMs: 2 } }, "wal", "failed", false, true],
  ["fsyncs are slow", { wal: { writingMs: 0, syncMs: 1_200 } }, "wal", "degraded", true, true],
  [
    "a flush fails",
    { store: { ...well.store!, flushTroubles: [{ stream: "a/logs", failures: 3, message: "no room" }] } },
    "store",
    "degraded",
    true,
    true,
  ],
  [
    "rows of the last run are not all back",
    { store: { ...well.store!, recovery: "half of the WAL is replayed" } },
    "store",
    "degraded",
    true,
    true,
  ],
  ["rows wait", { store: { ...well.store!, oldestUnflushedMs: 601_000 } }, "store", "degraded", true, true],
  [
    "segments are damaged",
    { store: { ...well.store!, damagedSegments: 2 } },
    "store",
    "degraded",
    true,
    true,
  ],
  ["the disk is full", { disk: { refusal: "full", isNearlyFull: false } }, "disk", "failed", false, true],
  ["the disk is nearly full", { disk: { isNearlyFull: true } }, "disk", "degraded", true, true],
  [
    "memory is used up",
    { memory: { ...well.memory, refusal: "used up" } },
    "memory",
    "failed",
    false,
    true,
  ],
  [
    "memory is over its limit",
    { memory: { residentBytes: 2_000, limitBytes: 1_000 } },
    "memory",
    "degraded",
    true,
    true,
  ],
  ["the clock is wrong", { isTimeSynced: false }, "clock", "degraded", true, true],
  ["too many statements wait", { engine: { waiting: 4, waitingMax: 4 } }, "engine", "failed", true, false],
  [
    "a task failed",
    { tasks: [{ name: "indexing", error: "EIO", runningMs: 0 }] },
    "janitor",
    "degraded",
    true,
    true,
  ],
  [
    "a task does not end",
    { tasks: [{ name: "x", runningMs: 3_600_000 }] },
    "janitor",
    "degraded",
    true,
    true,
  ],
  ["the catalog fails", { catalog: { error: "refused" } }, "catalog", "degraded", true, true],
  ["the encoder died", { encoderFailure: "out of memory" }, "encoder", "degraded", true, true],
  ["the indexer died", { indexerFailure: "out of memory" }, "indexer", "degraded", true, true],
  ["a port is not open", { listeners: { open: 2, wanted: 3 } }, "listeners", "failed", false, false],
  ["a reload was refused", { configTrouble: "line 3" }, "config", "degraded", true, true],
];

test.each(troubles)("%s", (_, fact, component, status, takes, answers) => {
  const facts = { ...well, ...fact };
  const health = look(facts);
  const verdicts = judge(facts);
  const notOk = Object.entries(verdicts).filter(([, each]) => each.status !== "ok");
  expect(notOk.map(([name, each]) => [name, each.status])).toEqual([[component, status]]);
  expect(notOk[0][1].reason).not.toBeUndefined();
  expect(health.status).toBe(status as typeof health.status);
  expect([health.takes_records, health.answers_queries]).toEqual([takes, answers]);
  expect(health.reasons).toEqual([`${component}: ${notOk[0][1].reason}`]);
});

test("a node that starts, stops or failed neither takes nor answers, and says why", () => {
  for (const phase of ["starting", "draining", "failed"] as const) {
    const health = look({ ...well, phase, reason: "half of the WAL is read", store: undefined });
    expect([health.takes_records, health.answers_queries]).toEqual([false, false]);
    expect(health.reasons[0]).toBe(`the node is ${phase}: half of the WAL is read`);
  }
});

test("a node that starts takes records as soon as its store is open", () => {
  const health = look({ ...well, phase: "starting", reason: "half of the WAL is replayed" });
  expect([health.takes_records, health.answers_queries]).toEqual([true, false]);
});

test("since is when the status changed, not when the reason did; each change is told once", () => {
  const book = new HealthBook();
  const told: string[] = [];
  const at = (second: number, fact: Partial<NodeFacts> = {}) =>
    book.look(
      { ...well, ...fact },
      BigInt(second) * 1_000_000_000n,
      (name, { status }) => told.push(`${second} ${name} ${status}`),
    ).components.disk.since;
  expect(at(0)).toBe("1970-01-01T00:00:00.000Z");
  expect(at(5)).toBe("1970-01-01T00:00:00.000Z");
  const full = (reason: string) => ({ disk: { refusal: reason, isNearlyFull: false } });
  expect(at(10, full("1 MiB is left"))).toBe("1970-01-01T00:00:10.000Z");
  expect(at(15, full("nothing is left"))).toBe("1970-01-01T00:00:10.000Z");
  expect(at(20)).toBe("1970-01-01T00:00:20.000Z");
  expect(told).toEqual(["10 disk failed", "20 disk ok"]);
});

test("a node that was drained takes no records, answers queries, and says why", () => {
  const health = look({ ...well, drained: "this node was drained" });
  expect(health).toMatchObject({ status: "ok", takes_records: false, answers_queries: true });
  expect(health.reasons).toEqual(["this node was drained"]);
});
