import { describe, expect, test } from "bun:test";
import type { SegmentMeta } from "../manifest/manifest.ts";
import { type CompactionPolicy, defaultCompactionPolicy, planCompaction } from "./plan.ts";

const hourNs = 3_600_000_000_000n;
const hour = 490_000; // not the first of its day: 490,000 = 20,416 days and 16 hours
const policy: CompactionPolicy = {
  gatherCount: 4,
  unitRowsMax: 1_000,
  unitBytesMax: 100_000,
  unitFilesMax: 10,
  closeAfterMs: 600_000,
  stableGatherCount: 3,
};

let made = 0;

function segment(changes: Partial<SegmentMeta> = {}): SegmentMeta {
  const id = String(++made).padStart(28, "0");
  const startNs = BigInt(changes.hour ?? hour) * hourNs;
  return {
    id,
    tenant: "t",
    signal: "logs",
    path: `parquet/${id}`,
    level: 0,
    rows: 10,
    bytes: 1_000,
    minTimeNs: startNs,
    maxTimeNs: startNs + 1n,
    minIngestNs: startNs,
    maxIngestNs: startNs + 1n,
    lsnFrom: made,
    lsnTo: made,
    late: false,
    schemaVersion: 1,
    replaces: [],
    hour,
    ...changes,
  };
}

const many = (count: number, changes: Partial<SegmentMeta> = {}) =>
  Array.from({ length: count }, () => segment(changes));
const open = { nowNs: BigInt(hour) * hourNs + hourNs / 2n, isSynced: true };
const closed = { nowNs: BigInt(hour + 1) * hourNs + 600_000_000_000n, isSynced: true };
const nextDay = { nowNs: BigInt(hour + 24) * hourNs, isSynced: true };

interface Case {
  readonly promise: string;
  readonly segments: readonly SegmentMeta[];
  readonly time?: typeof open;
  /** `inputs>level why` of each unit. */
  readonly expected: readonly string[];
}

const cases: readonly Case[] = [
  { promise: "nothing comes of nothing", segments: [], expected: [] },
  { promise: "few L0s of an open hour wait", segments: many(3), expected: [] },
  { promise: "enough of them become an active segment", segments: many(4), expected: ["4>1 gathered"] },
  {
    promise: "those that fill a segment become a stable one at once",
    segments: many(4, { rows: 240 }),
    expected: ["4>2 full"],
  },
  {
    promise: "by bytes as well, and what is left over waits",
    segments: many(5, { bytes: 25_000 }),
    expected: ["4>2 full"],
  },
  {
    promise: "an active segment is not merged with a few more L0s",
    segments: [...many(1, { level: 1, rows: 400 }), ...many(3)],
    expected: [],
  },
  {
    promise: "nor is it written again when L0s gather",
    segments: [...many(1, { level: 1, rows: 400 }), ...many(4)],
    expected: ["4>1 gathered"],
  },
  {
    promise: "it joins those that fill a segment",
    segments: [...many(1, { level: 1, rows: 400 }), ...many(2, { rows: 250 })],
    expected: ["3>2 full"],
  },
  {
    promise: "a closed hour becomes stable, whatever its levels",
    segments: [...many(2), ...many(1, { level: 1 })],
    time: closed,
    expected: ["3>2 closed"],
  },
  {
    promise: "even a single segment, which is unsorted",
    segments: many(1),
    time: closed,
    expected: ["1>2 closed"],
  },
  {
    promise: "an hour is not closed a moment before its grace is over",
    segments: many(2),
    time: { ...closed, nowNs: closed.nowNs - 1n },
    expected: [],
  },
  {
    promise: "while the time is not believed no hour closes",
    segments: many(2),
    time: { ...closed, isSynced: false },
    expected: [],
  },
  {
    promise: "yet what has gathered merges all the same",
    segments: many(4),
    time: { ...closed, isSynced: false },
    expected: ["4>1 gathered"],
  },
  {
    promise: "stragglers wait until they are quiet",
    segments: many(2, { maxIngestNs: closed.nowNs - 1_000n }),
    time: closed,
    expected: [],
  },
  {
    promise: "or until enough have gathered",
    segments: many(4, { maxIngestNs: closed.nowNs - 1_000n }),
    time: closed,
    expected: ["4>2 closed"],
  },
  {
    promise: "stragglers leave the stable segment of their hour alone",
    segments: [segment({ level: 2, rows: 300 }), segment()],
    time: closed,
    expected: ["1>2 closed"],
  },
  {
    promise: "small stable segments of like size merge when there are enough",
    segments: [...many(3, { level: 2 }), ...many(2, { level: 2, bytes: 60_000 })],
    time: closed,
    expected: ["3>2 stragglers"],
  },
  {
    promise: "stable segments of full size never merge",
    segments: many(5, { level: 2, rows: 800 }),
    time: closed,
    expected: [],
  },
  {
    promise: "more than fits one merge goes in several",
    segments: many(5, { rows: 400 }),
    time: closed,
    expected: ["2>2 closed", "2>2 closed", "1>2 closed"],
  },
  {
    promise: "a merge opens no more files than it may",
    segments: many(13),
    time: closed,
    expected: ["10>2 closed", "3>2 closed"],
  },
  {
    promise: "a segment larger than a merge stands alone",
    segments: [segment({ rows: 5_000 }), segment()],
    time: closed,
    expected: ["1>2 closed", "1>2 closed"],
  },
  {
    promise: "hours, tenants, signals, lanes, schemas and nodes do not mix",
    segments: [
      ...many(3),
      ...many(1, { tenant: "u" }),
      ...many(1, { signal: "spans" }),
      ...many(1, { hour: hour + 1 }),
      ...many(1, { late: true }),
      ...many(1, { schemaVersion: 2 }),
      ...many(1, { origin: { nodeId: "other", lsnFrom: 1, lsnTo: 1 } }),
    ],
    expected: [],
  },
  {
    promise: "late rows fold by the day on which they came",
    segments: [...many(2, { late: true }), ...many(2, { late: true, hour: hour + 3 })],
    expected: ["4>1 gathered"],
  },
  {
    promise: "but not with those of the day before",
    segments: [...many(2, { late: true }), ...many(2, { late: true, hour: hour - 17 })],
    expected: ["2>2 closed"],
  },
  {
    promise: "a day of late rows is open until it is over",
    segments: many(2, { late: true }),
    time: closed,
    expected: [],
  },
  {
    promise: "and closes then",
    segments: many(2, { late: true }),
    time: nextDay,
    expected: ["2>2 closed"],
  },
];

describe("planning merges:", () => {
  for (const { promise, segments, time, expected } of cases) {
    test(promise, () => {
      const units = planCompaction(segments, policy, time ?? open);
      expect(units.map(({ inputs, level, why }) => `${inputs.length}>${level} ${why}`)).toEqual([
        ...expected,
      ]);
    });
  }

  test("what saves most files is merged first, and the oldest of equals", () => {
    const units = planCompaction(
      [...many(4), ...many(6, { tenant: "u" }), ...many(4, { tenant: "v" })],
      policy,
      open,
    );
    expect(units.map(({ inputs }) => `${inputs[0].tenant} ${inputs.length}`)).toEqual(["u 6", "t 4", "v 4"]);
  });

  test("a day of any load leaves few segments, and each row is written at most three times", () => {
    for (const perHour of [1, 12, 120]) {
      for (const bytes of [1_000, 400_000, 16 * 1024 * 1024]) {
        const { written, stored, live, hours } = simulateDay(perHour, bytes);
        expect(written / stored).toBeLessThanOrEqual(3);
        // 64 bytes a row: three quarters of the rows that a merge takes.
        const fullSegments = stored / (0.75 * 64 * defaultCompactionPolicy.unitRowsMax);
        expect(live).toBeLessThanOrEqual(hours + fullSegments + 30 + defaultCompactionPolicy.gatherCount);
      }
    }
  });
});

/** Feeds a day of even flushes through the default policy, merging without loss of bytes. */
function simulateDay(perHour: number, bytes: number) {
  const day = 24;
  let live: SegmentMeta[] = [];
  let written = 0, stored = 0;
  for (let flush = 0; flush <= perHour * (day + 1); flush++) {
    const nowNs = BigInt(hour) * hourNs + BigInt(flush) * hourNs / BigInt(perHour);
    const at = Math.floor(flush / perHour);
    if (at < day) {
      live.push(segment({ hour: hour + at, bytes, rows: Math.ceil(bytes / 64), maxIngestNs: nowNs }));
      written += bytes;
      stored += bytes;
    }
    for (
      const { inputs, level } of planCompaction(live, defaultCompactionPolicy, { nowNs, isSynced: true })
    ) {
      const sum = (key: "rows" | "bytes") => inputs.reduce((total, input) => total + input[key], 0);
      live = live.filter((each) => !inputs.includes(each));
      live.push({ ...inputs[0], id: String(++made), level, rows: sum("rows"), bytes: sum("bytes") });
      written += sum("bytes");
    }
  }
  return { written, stored, live: live.length, hours: day };
}
