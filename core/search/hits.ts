/** How many records matched, over time: a histogram with a step that people can read, and no bucket left out. */
import { isoTimestamp } from "../model/row.ts";
import type { TimeRange } from "../query/bounds.ts";
import { Bindings, type BuiltStatement } from "./bindings.ts";
import { fieldText, resolveField } from "./field.ts";
import { filterConditions, type RecordFilter, where } from "./filter.ts";
import type { JsonRow } from "./page.ts";
import { type Level, levelOf, levels } from "./severity.ts";

export interface HitsRequest {
  readonly filter: RecordFilter;
  readonly sinceNs: bigint;
  /** Not included. */
  readonly untilNs: bigint;
  readonly stepNs: bigint;
  /** What a bar is divided by: "severity", a field, or nothing. */
  readonly by?: string;
  /** Values of the field that have a group of their own, the most frequent first; the rest is one group. */
  readonly groups: number;
}

export interface HitsGroup {
  /** `null` for records that do not have the field. */
  readonly value: string | null;
  /** Whether it stands for all values that have no group of their own. */
  readonly isRest: boolean;
  readonly total: number;
  /** One a bucket. */
  readonly counts: readonly number[];
}

export interface Hits {
  /** Starts of the buckets. */
  readonly times: readonly string[];
  readonly total: number;
  readonly groups: readonly HitsGroup[];
}

/** Most buckets of an answer. */
export const bucketsMax = 2_000;

/** Distinct values of a field times buckets that are looked at; beyond, the answer says that it was cut off. */
const cellsMax = 200_000;

const ms = 1_000_000n, second = 1_000n * ms, minute = 60n * second, hour = 60n * minute, day = 24n * hour;

/** Steps of which whole numbers fit the next larger unit, so that buckets begin where people expect. */
const steps: readonly bigint[] = [
  ...[1n, 2n, 5n, 10n, 20n, 50n, 100n, 200n, 500n].map((each) => each * ms),
  ...[1n, 2n, 5n, 10n, 15n, 30n].map((each) => each * second),
  ...[1n, 2n, 5n, 10n, 15n, 30n].map((each) => each * minute),
  ...[1n, 2n, 3n, 6n, 12n].map((each) => each * hour),
  ...[1n, 2n, 7n, 14n, 30n, 90n, 365n].map((each) => each * day),
];

/**
 * The smallest step of which so many make the range, which may touch one bucket more; beyond the largest step, whole
 * multiples of it.
 */
export function chooseStep(rangeNs: bigint, buckets: number): bigint {
  const wanted = BigInt(Math.max(1, buckets));
  const step = steps.find((each) => bucketCount(0n, rangeNs, each) <= wanted);
  if (step !== undefined) return step;
  const most = steps.at(-1)! * wanted;
  return steps.at(-1)! * ((rangeNs + most - 1n) / most);
}

/** How many buckets a range touches; buckets begin at whole multiples of the step. */
export function bucketCount(sinceNs: bigint, untilNs: bigint, stepNs: bigint): bigint {
  return floorDiv(untilNs - 1n, stepNs) - floorDiv(sinceNs, stepNs) + 1n;
}

export function hitsStatement({ filter, sinceNs, stepNs, by }: HitsRequest): BuiltStatement {
  const bindings = new Bindings();
  const conditions = filterConditions("logs", filter, bindings);
  // The first bucket begins at or before every row, so that the division never meets a negative number.
  const startNs = floorDiv(sinceNs, stepNs) * stepNs;
  const bucket = `(epoch_ns(timestamp) - ${startNs}) // ${stepNs}`;
  const value = by === undefined
    ? undefined
    : by === "severity"
    ? "severity_number"
    : fieldText(resolveField("logs", by));
  const columns = [`${bucket} AS bucket`, ...(value === undefined ? [] : [`${value} AS value`])];
  const sql = `SELECT ${columns.join(", ")}, count(*) AS hits FROM logs${where(conditions)} GROUP BY ${
    columns.map((_, at) => at + 1).join(", ")
  }`;
  return { sql, params: bindings.values, limit: cellsMax };
}

export function hitsWindow({ sinceNs, untilNs }: HitsRequest): TimeRange {
  return { minNs: sinceNs, maxNs: untilNs - 1n };
}

/** Buckets without a record have a count too: 0. */
export function fillHits(request: HitsRequest, rows: readonly JsonRow[]): Hits {
  const { sinceNs, untilNs, stepNs, by } = request;
  const buckets = Number(bucketCount(sinceNs, untilNs, stepNs));
  const startNs = floorDiv(sinceNs, stepNs) * stepNs;
  const counts = new Map<string | null, number[]>();
  for (const row of rows) {
    const value = by === undefined
      ? null
      : by === "severity"
      ? levelOf(Number(row.value))
      : textOf(row.value);
    let own = counts.get(value);
    if (own === undefined) counts.set(value, own = new Array(buckets).fill(0));
    own[Number(row.bucket)] += Number(row.hits);
  }
  const all = [...counts].map(([value, own]) => ({ value, isRest: false, total: sumOf(own), counts: own }));
  const groups = by === "severity"
    ? all.sort((left, right) => levels.indexOf(left.value as Level) - levels.indexOf(right.value as Level))
    : withRest(all, by === undefined ? 1 : request.groups, buckets);
  return {
    times: Array.from({ length: buckets }, (_, at) => isoTimestamp(startNs + BigInt(at) * stepNs)),
    total: sumOf(all.map(({ total }) => total)),
    groups,
  };
}

function withRest(all: HitsGroup[], most: number, buckets: number): HitsGroup[] {
  all.sort((left, right) => right.total - left.total || (String(left.value) < String(right.value) ? -1 : 1));
  const others = all.slice(most);
  if (others.length === 0) return all;
  const counts = Array.from({ length: buckets }, (_, at) => sumOf(others.map((each) => each.counts[at])));
  return [...all.slice(0, most), { value: null, isRest: true, total: sumOf(counts), counts }];
}

function floorDiv(value: bigint, by: bigint): bigint {
  return value / by - (value % by < 0n ? 1n : 0n);
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, each) => sum + each, 0);
}

function textOf(value: unknown): string | null {
  return value === null || value === undefined ? null : String(value);
}
