/**
 * Plans a flush: which rows go to which segment. Pure.
 *
 * A segment holds one event hour of one stream, so that a time range prunes whole files. Rows whose event time
 * is far from when they came (a box that was offline, a clock at 1970) share a late lane instead: one odd clock
 * must not make thousands of files.
 *
 * Invariants: every row is in exactly one group, in its order of arrival; no group is larger than a segment.
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
    let lane = Number.NaN;
    let group!: Group;
    for (let at = 0; at < hours.length; at++) {
      const wanted = kept.has(hours[at]) ? hours[at] : lateLane;
      if (wanted !== lane || group.rows === rowsMax) {
        lane = wanted;
        const current = open.get(lane);
        if (current === undefined || current.rows === rowsMax) {
          group = new Group(lane);
          open.set(lane, group);
          groups.push(group);
        } else group = current;
      }
      const row = part.rows === undefined ? at : part.rows[at];
      group.take(row, hours.length - at);
      group.times.add(times.words, row);
      group.ingests.add(ingests.words, row);
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
  for (let at = 0; at < hours.length; at++) {
    const word = (rows === undefined ? at : rows[at]) * 2;
    const hour = hourOfWords(times[word], times[word + 1]);
    const ingest = hourOfWords(ingests[word], ingests[word + 1]);
    hours[at] = ingest - hour > lateAfterHours || hour - ingest > earlyBeforeHours ? lateLane : hour;
  }
  return hours;
}

/** The hours that get files of their own: those with most rows; of equals the newer. */
function busiestHours(hoursOfParts: readonly Int32Array[]): Set<number> {
  const counts = new Map<number, number>();
  for (const hours of hoursOfParts) {
    for (let at = 0; at < hours.length;) {
      const hour = hours[at];
      const start = at;
      while (at < hours.length && hours[at] === hour) at++;
      if (hour !== lateLane) counts.set(hour, (counts.get(hour) ?? 0) + at - start);
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
  #taken = new Int32Array(0);
  #count = 0;

  constructor(readonly lane: number) {}

  /** `left` is how many rows the part still has, this one included. */
  take(row: number, left: number): void {
    if (this.#count === this.#taken.length) {
      const grown = new Int32Array(Math.min(this.#count + left, Math.max(1_024, this.#count * 2)));
      grown.set(this.#taken);
      this.#taken = grown;
    }
    this.#taken[this.#count++] = row;
    this.rows++;
  }

  endPart(part: SegmentPart, partRows: number): void {
    if (this.#count === 0) return;
    if (this.#count === partRows) this.parts.push(part);
    else {this.parts.push({
        chunk: part.chunk,
        rows: this.#taken.subarray(0, this.#count),
        rowCount: this.#count,
      });}
    this.#taken = new Int32Array(0);
    this.#count = 0;
  }
}

/** Least and largest of 64-bit times, kept as words. */
class TimeRange {
  #minLow = -1; // all ones: the largest low word, once unsigned
  #minHigh = 0x7fff_ffff;
  #maxLow = 0;
  #maxHigh = -0x8000_0000;

  add(words: Int32Array, row: number): void {
    const low = words[row * 2], high = words[row * 2 + 1];
    if (high < this.#minHigh || high === this.#minHigh && low >>> 0 < this.#minLow >>> 0) {
      this.#minLow = low;
      this.#minHigh = high;
    }
    if (high > this.#maxHigh || high === this.#maxHigh && low >>> 0 > this.#maxLow >>> 0) {
      this.#maxLow = low;
      this.#maxHigh = high;
    }
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
