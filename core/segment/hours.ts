/**
 * Plans a flush: which rows go to which segment. Pure. Works by runs of rows of one hour, for it holds up the thread
 * that answers requests: a flush of 120,000 rows takes it 2 to 3 ms, row by row 6 to 9.
 *
 * A segment holds one event hour of one stream, so that a time range prunes whole files. Rows whose event time
 * is far from when they came (a box that was offline, a clock at 1970) share a late lane instead: one odd clock
 * must not make thousands of files.
 *
 * Invariants: every row is in exactly one group, in its order of arrival (failures.ts changes that afterwards); no group
 * is larger than a segment.
 */
import { columnIndex, type Signal, timeColumnOf } from "../model/columns.ts";
import type { FixedVector } from "../model/vector.ts";
import { type SegmentPart, segmentRowsMax } from "./encoder.ts";

/** Hours that an event may lie before its ingest hour and still get a file of its own hour. */
export const lateAfterHours = 48;

/** Hours that it may lie after: clocks of senders run ahead by less. */
export const earlyBeforeHours = 1;

/** Event hours that one flush writes files for: each file costs a row group and a footer. */
export const hoursPerFlushMax = 24;

/** Rows that become one segment. Times are nanoseconds since 1970, both ends included. */
export interface HourGroup {
  /** Hours since 1970: of the events; in the late lane, of the earliest ingest. */
  readonly hour: number;
  readonly late: boolean;
  readonly rows: number;
  readonly parts: readonly SegmentPart[];
  readonly minTimeNs: bigint;
  readonly maxTimeNs: bigint;
  readonly minIngestNs: bigint;
  readonly maxIngestNs: bigint;
}

/** Groups by hour, oldest first, then the late lane. A part that falls into one group whole is passed on as it is. */
export function splitByHour(
  signal: Signal,
  parts: readonly SegmentPart[],
  rowsMax: number = segmentRowsMax,
): HourGroup[] {
  const timeIndex = columnIndex(signal, timeColumnOf[signal]);
  const ingestIndex = columnIndex(signal, "ingest_timestamp");
  const hoursOfParts = parts.map((part) => eventHours(part, timeIndex, ingestIndex));
  const kept = busiestHours(hoursOfParts);
  const open = new Map<number, Group>();
  const groups: Group[] = [];
  parts.forEach((part, partIndex) => {
    const times = part.chunk.vectors[timeIndex] as FixedVector;
    const ingests = part.chunk.vectors[ingestIndex] as FixedVector;
    const hours = hoursOfParts[partIndex];
    for (let at = 0; at < hours.length;) {
      const lane = kept.has(hours[at]) ? hours[at] : lateLane;
      let group = open.get(lane);
      if (group === undefined || group.rows === rowsMax) {
        group = new Group(lane);
        open.set(lane, group);
        groups.push(group);
      }
      const end = Math.min(endOfRun(hours, at), at + rowsMax - group.rows);
      group.take(at, end);
      group.times.add(times.words, part.rows, at, end);
      group.ingests.add(ingests.words, part.rows, at, end);
      at = end;
    }
    for (const each of groups) each.endPart(part, hours.length);
  });
  return groups.sort((a, b) => a.lane - b.lane).map(finished);
}

/** Stands for the late lane among hours: above every hour, so that it sorts last. */
const lateLane = 0x7fff_ffff;

/** Nanoseconds of an hour are 2^13 times this. */
const hourIn8192ns = 439_453_125;

/**
 * Hour since 1970 of a time given as two words. Exact: a double holds the 51 bits that are left after 13 were
 * shifted out, and no quotient below 2^22 hours rounds up to the next hour.
 */
export function hourOfWords(low: number, high: number): number {
  return Math.floor((high * 0x8_0000 + (low >>> 13)) / hourIn8192ns);
}

/** The hour of each row, or the late lane. */
function eventHours(
  { chunk, rows, rowCount }: SegmentPart,
  timeIndex: number,
  ingestIndex: number,
): Int32Array {
  const times = (chunk.vectors[timeIndex] as FixedVector).words;
  const ingests = (chunk.vectors[ingestIndex] as FixedVector).words;
  const hours = new Int32Array(rows === undefined ? rowCount : rows.length);
  let hour = Number.NaN, ingest = Number.NaN;
  for (let at = 0; at < hours.length; at++) {
    const word = (rows === undefined ? at : rows[at]) * 2;
    if (!isInHour(times[word], times[word + 1], hour)) hour = hourOfWords(times[word], times[word + 1]);
    if (!isInHour(ingests[word], ingests[word + 1], ingest)) {
      ingest = hourOfWords(ingests[word], ingests[word + 1]);
    }
    hours[at] = ingest - hour > lateAfterHours || hour - ingest > earlyBeforeHours ? lateLane : hour;
  }
  return hours;
}

/** The same as comparing `hourOfWords`, without its division: neighbours are mostly of one hour. */
function isInHour(low: number, high: number, hour: number): boolean {
  const since = high * 0x8_0000 + (low >>> 13) - hour * hourIn8192ns;
  return since >= 0 && since < hourIn8192ns;
}

/** The first row after `at` that is of another hour. */
function endOfRun(hours: Int32Array, at: number): number {
  const hour = hours[at];
  while (at < hours.length && hours[at] === hour) at++;
  return at;
}

/** The hours that get files of their own: those with most rows; of equals the newer. */
function busiestHours(hoursOfParts: readonly Int32Array[]): Set<number> {
  const counts = new Map<number, number>();
  for (const hours of hoursOfParts) {
    for (let at = 0; at < hours.length;) {
      const hour = hours[at];
      const end = endOfRun(hours, at);
      if (hour !== lateLane) counts.set(hour, (counts.get(hour) ?? 0) + end - at);
      at = end;
    }
  }
  const ranked = [...counts].sort(([hourA, rowsA], [hourB, rowsB]) => rowsB - rowsA || hourB - hourA);
  return new Set(ranked.slice(0, hoursPerFlushMax).map(([hour]) => hour));
}

/** A group while rows are being added to it. */
class Group {
  rows = 0;
  readonly parts: SegmentPart[] = [];
  readonly times = new TimeRange();
  readonly ingests = new TimeRange();
  /** Of the part at hand: where each run begins and ends. */
  #runs: number[] = [];
  #count = 0;

  constructor(readonly lane: number) {}

  /** Takes the rows of the part at hand from position `from` to `to`. */
  take(from: number, to: number): void {
    this.#runs.push(from, to);
    this.#count += to - from;
    this.rows += to - from;
  }

  endPart(part: SegmentPart, partRows: number): void {
    if (this.#count === 0) return;
    const rowCount = this.#count;
    this.parts.push(
      rowCount === partRows ? part : { chunk: part.chunk, rows: this.#list(part.rows), rowCount },
    );
    this.#runs = [];
    this.#count = 0;
  }

  #list(rows: Int32Array | undefined): Int32Array {
    const list = new Int32Array(this.#count);
    let filled = 0;
    for (let run = 0; run < this.#runs.length; run += 2) {
      for (let at = this.#runs[run]; at < this.#runs[run + 1]; at++) {
        list[filled++] = rows === undefined ? at : rows[at];
      }
    }
    return list;
  }
}

/** Least and largest of 64-bit times, kept as words. */
class TimeRange {
  #minLow = -1; // all ones: the largest low word, once unsigned
  #minHigh = 0x7fff_ffff;
  #maxLow = 0;
  #maxHigh = -0x8000_0000;

  /** Rows from position `from` to `to` of a list of rows, or rows themselves when there is none. */
  add(words: Int32Array, rows: Int32Array | undefined, from: number, to: number): void {
    let minLow = this.#minLow, minHigh = this.#minHigh, maxLow = this.#maxLow, maxHigh = this.#maxHigh;
    for (let at = from; at < to; at++) {
      const word = (rows === undefined ? at : rows[at]) * 2;
      const low = words[word], high = words[word + 1];
      if (high < minHigh || high === minHigh && low >>> 0 < minLow >>> 0) {
        minLow = low;
        minHigh = high;
      }
      if (high > maxHigh || high === maxHigh && low >>> 0 > maxLow >>> 0) {
        maxLow = low;
        maxHigh = high;
      }
    }
    this.#minLow = minLow;
    this.#minHigh = minHigh;
    this.#maxLow = maxLow;
    this.#maxHigh = maxHigh;
  }

  get min(): bigint {
    return BigInt(this.#minHigh) << 32n | BigInt(this.#minLow >>> 0);
  }

  get max(): bigint {
    return BigInt(this.#maxHigh) << 32n | BigInt(this.#maxLow >>> 0);
  }
}

function finished({ lane, rows, parts, times, ingests }: Group): HourGroup {
  const late = lane === lateLane;
  const minIngestNs = ingests.min;
  return {
    hour: late
      ? hourOfWords(Number(BigInt.asIntN(32, minIngestNs)), Number(BigInt.asIntN(32, minIngestNs >> 32n)))
      : lane,
    late,
    rows,
    parts,
    minTimeNs: times.min,
    maxTimeNs: times.max,
    minIngestNs,
    maxIngestNs: ingests.max,
  };
}
