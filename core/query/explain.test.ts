import { expect, test } from "bun:test";
import { planJson, planLines, predicateText } from "./explain.ts";
import type { MentionPlan } from "./plan.ts";

const mention: MentionPlan = {
  mention: {
    name: "openwit_logs_1",
    signal: "logs",
    alias: "l",
    conditions: [],
    isAlone: true,
    equals: new Map(),
  },
  range: { minNs: 1_767_322_800_000_000_000n, maxNs: 2n ** 70n },
  predicate: {
    kind: "and",
    of: [
      { kind: "equal", field: "service_name", value: "cart" },
      {
        kind: "or",
        of: [
          { kind: "word", column: "body", word: "refused" },
          { kind: "part", column: "body", text: "time", atStart: true, atEnd: false },
        ],
      },
    ],
  },
  method: "rows",
  table: { name: "openwit_logs_1", signal: "logs", files: [], chunks: [] },
  files: {
    considered: 12,
    outsideTime: 4,
    excludedByIndex: 5,
    withoutIndex: 1,
    notReached: 0,
    whole: 1,
    inPart: 2,
  },
  blocks: { considered: 480, read: 9 },
  rowsFound: 3,
  foundBy: "pages",
  fetched: { rows: 3, inflatedBytes: 4_000 },
  memtable: { considered: 70, read: 5 },
  bytes: 1_000,
  indexMs: 1,
  findMs: 2,
  fetchMs: 0.25,
};
const phasesMs = { prepare: 1, plan: 0.5, index: 1, find: 2, fetch: 0.25, run: 3.1234567 };

test("a plan is JSON of the documented form", () => {
  expect(planJson({ mentions: [mention], phasesMs })).toEqual({
    phases_ms: { prepare: 1, plan: 0.5, index: 1, find: 2, fetch: 0.25, run: 3.123 },
    tables: [{
      table: "logs",
      alias: "l",
      method: "rows",
      since: "2026-01-02T03:00:00.000000000Z",
      until: null, // beyond what a time can be
      index: 'service_name = "cart" and (word "refused" or part "time…")',
      files: {
        considered: 12,
        outside_time: 4,
        excluded_by_index: 5,
        not_reached: 0,
        read_whole: 1,
        read_in_part: 2,
        without_index: 1,
      },
      blocks: { considered: 480, read: 9 },
      rows_found: 3,
      rows_found_by: "pages",
      rows_fetched: { rows: 3, inflated_bytes: 4_000 },
      memtable_rows: 70,
      memtable_rows_read: 5,
      bytes: 1_000,
    }],
  });
});

test("a plan in lines says what was skipped, and why", () => {
  expect(planLines(planJson({ mentions: [mention], phasesMs }))).toEqual([
    "time (ms): prepare 1.0, plan 0.5, index 1.0, find 2.0, fetch 0.3, run 3.1",
    "logs l: rows that were found by few columns",
    "  time    2026-01-02T03:00:00.000000000Z to …",
    '  index   service_name = "cart" and (word "refused" or part "time…")',
    "  files   12: 4 outside the time range, 5 excluded by the index, 1 read whole, 2 in part, 1 without index",
    "  blocks  9 of 480, at most 1000 bytes",
    "  rows    3 found on pages before the statement ran, and read from their pages: 4000 bytes decompressed",
    "  memory  5 of 70 rows",
  ]);
});

test("what has nothing to ask of an index says so", () => {
  const plan = planJson({
    mentions: [{ ...mention, predicate: { kind: "all" }, rowsFound: undefined, fetched: undefined }],
    phasesMs,
  });
  expect(plan.tables[0]).toMatchObject({ index: null, rows_found: null, rows_fetched: null });
  expect(planLines(plan)).toContain("  index   nothing to ask");
  expect(predicateText({ kind: "part", column: "name", text: "a", atStart: false, atEnd: true })).toBe(
    'part "…a"',
  );
});

test("levels, texts in any case and pairs are told in words", () => {
  const error = { kind: "level", field: "severity_number", least: 17 } as const;
  expect(predicateText(error)).toBe("severity_number >= 17");
  const warn = { kind: "folded", field: "severity_text", value: "warn" } as const;
  expect(predicateText(warn)).toBe('severity_text = "warn" in any case');
  expect(predicateText({ kind: "pair", service: "cart", with: error })).toBe(
    'service_name = "cart" with severity_number >= 17',
  );
});
