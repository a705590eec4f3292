import { expect, test } from "bun:test";
import { allocatedBytesOf, type EvictionCandidate, type EvictionPolicy, planEviction } from "./eviction.ts";
import { builtNs, isTimeSynced } from "./wall-clock.ts";

const hourNs = 3_600_000_000_000n;
const nowHour = 500_000;
const now = { ns: BigInt(nowHour) * hourNs, isSynced: true };
const mebibyte = 1024 * 1024;

/** A segment of 1 MiB, of events `hoursAgo`, received in their hour. */
function segment(id: string, hoursAgo: number, other: Partial<EvictionCandidate> = {}): EvictionCandidate {
  const hour = nowHour - hoursAgo;
  const fromNs = BigInt(hour) * hourNs;
  return {
    id,
    tenant: "default",
    signal: "logs",
    path: `parquet/${id}.parquet`,
    level: 0,
    rows: 10,
    bytes: mebibyte,
    minTimeNs: fromNs,
    maxTimeNs: fromNs + hourNs - 1n,
    minIngestNs: fromNs,
    maxIngestNs: fromNs + hourNs - 1n,
    lsnFrom: 1,
    lsnTo: 2,
    late: false,
    schemaVersion: 1,
    replaces: [],
    hour,
    ...other,
  };
}

const dayMs = 24 * 3_600_000;
const keepAll: EvictionPolicy = { whenFull: "evict-oldest" };
const ingestedLately = { maxIngestNs: now.ns - hourNs, minIngestNs: now.ns - hourNs };

const cases: {
  readonly promise: string;
  readonly segments: readonly EvictionCandidate[];
  readonly excess?: number;
  readonly policy?: Partial<EvictionPolicy>;
  readonly isSynced?: boolean;
  readonly gone: readonly string[];
}[] = [
  { promise: "nothing goes without a reason", segments: [segment("a", 10_000)], gone: [] },
  {
    promise: "over the budget the oldest hours go, as many as it takes",
    segments: [segment("new", 1), segment("old", 9), segment("older", 10)],
    excess: mebibyte + 1,
    gone: ["older budget", "old budget"],
  },
  {
    promise: "within an hour what was received first goes first",
    segments: [
      segment("second", 2),
      segment("first", 2, { maxIngestNs: BigInt(nowHour - 2) * hourNs }),
      segment("third", 1),
    ],
    excess: 1,
    gone: ["first budget"],
  },
  {
    promise: "late rows are as old as their ingest",
    segments: [
      segment("late", 1, { late: true, minTimeNs: 0n, maxTimeNs: 0n, ...ingestedLately }),
      segment("old", 5),
    ],
    excess: 1,
    policy: { retentionMs: dayMs },
    gone: ["old budget"],
  },
  {
    promise: "events of the future are as old as their ingest",
    segments: [
      segment("future", -9_000, { maxIngestNs: now.ns - 48n * hourNs }),
      segment("old", 40),
    ],
    excess: 1,
    policy: { retentionMs: 2 * dayMs - 1 },
    gone: ["future age"],
  },
  {
    promise: "retention takes what is wholly past it",
    segments: [segment("past", 26), segment("astride", 24), segment("young", 3)],
    policy: { retentionMs: dayMs },
    gone: ["past age"],
  },
  {
    promise: "a signal's own retention overrides the common one",
    segments: [segment("logs", 30), segment("spans", 30, { signal: "spans" })],
    policy: { retentionMs: dayMs, retentionMsOf: { spans: 7 * dayMs } },
    gone: ["logs age"],
  },
  {
    promise: "while the time is unsynced nothing goes by age, and the budget holds all the same",
    segments: [segment("old", 9_000), segment("new", 1)],
    excess: 1,
    policy: { retentionMs: dayMs },
    isSynced: false,
    gone: ["old budget"],
  },
  {
    promise: "a stream over its bytes loses its own oldest alone",
    segments: [
      segment("a1", 9),
      segment("a2", 8),
      segment("b1", 99, { tenant: "other" }),
      segment("s1", 99, { signal: "spans" }),
    ],
    policy: { streamBytesMax: mebibyte },
    gone: ["a1 stream_bytes"],
  },
  {
    promise: "the newest segment of a stream stays, however large it is",
    segments: [segment("a1", 9), segment("a2", 8), segment("s1", 99, { signal: "spans" })],
    policy: { streamBytesMax: mebibyte / 2 },
    gone: ["a1 stream_bytes"],
  },
  {
    promise: "a tenant's own bounds hold beside the common ones, the narrower of the two",
    segments: [
      segment("mine", 30),
      segment("its", 30, { tenant: "_system" }),
      segment("its too", 20, { tenant: "_system", signal: "spans" }),
      segment("its newest", 19, { tenant: "_system", signal: "spans" }),
    ],
    policy: { tenants: { _system: { retentionMs: dayMs, streamBytesMax: mebibyte } } },
    gone: ["its age", "its too stream_bytes"],
  },
  {
    promise: "a tenant's own bounds do not widen the common ones",
    segments: [
      segment("past", 30, { tenant: "_system" }),
      segment("a1", 3, { tenant: "_system" }),
      segment("a2", 2, { tenant: "_system" }),
    ],
    policy: {
      retentionMs: dayMs,
      streamBytesMax: mebibyte,
      tenants: { _system: { retentionMs: 9 * dayMs, streamBytesMax: 9 * mebibyte } },
    },
    gone: ["past age", "a1 stream_bytes"],
  },
  {
    promise: "what goes by age counts towards the budget",
    segments: [segment("past", 99), segment("old", 9), segment("new", 1)],
    excess: mebibyte,
    policy: { retentionMs: dayMs },
    gone: ["past age"],
  },
  {
    promise: "what is uploaded goes before what is not",
    segments: [segment("only here", 9), segment("uploaded", 1, { uploaded: true })],
    excess: 1,
    gone: ["uploaded budget"],
  },
  {
    promise: "with when_full refuse the budget evicts nothing, and retention still does",
    segments: [segment("past", 99), segment("old", 9)],
    excess: 9 * mebibyte,
    policy: { whenFull: "refuse", retentionMs: dayMs },
    gone: ["past age"],
  },
  {
    promise: "an excess beyond all there is takes all there is",
    segments: [segment("a", 2), segment("b", 1)],
    excess: 99 * mebibyte,
    gone: ["a budget", "b budget"],
  },
];

for (const { promise, segments, excess, policy, isSynced, gone } of cases) {
  test(promise, () => {
    const plan = planEviction(segments, excess ?? 0, { ...keepAll, ...policy }, {
      ...now,
      isSynced: isSynced ?? true,
    });
    expect(plan.map(({ segment: { id }, reason }) => `${id} ${reason}`)).toEqual([...gone]);
  });
}

test("a file counts the blocks that it takes", () => {
  expect([0, 1, 4096, 4097].map((bytes) => allocatedBytesOf({ bytes }))).toEqual([0, 4096, 4096, 8192]);
});

test("a clock before the build, or before something that was received, is not believed", () => {
  expect(isTimeSynced(0n, 0n)).toBe(false);
  expect(isTimeSynced(builtNs, 0n)).toBe(true);
  expect(isTimeSynced(builtNs, builtNs + 1n)).toBe(false);
});
