/**
 * Failures stand behind all other rows of a file: they are few, and asked for more than all else, so the blocks that have
 * them are a few (docs/decisions/014-failures-apart.md). Nothing but speed depends on it.
 */
import { columnIndex, type Signal } from "../model/columns.ts";
import type { FixedVector } from "../model/vector.ts";
import type { SegmentPart } from "./encoder.ts";

export const failuresOf: Readonly<Partial<Record<Signal, Failures>>> = {
  logs: { column: "severity_number", from: 17 }, // ERROR and FATAL (OpenTelemetry logs data model)
  spans: { column: "status_code", from: 2 }, // STATUS_CODE_ERROR (OTLP 1.x, trace.proto)
};

/** Rows of which a column has at least a number. */
export interface Failures {
  readonly column: string;
  readonly from: number;
}

/**
 * The parts of a fresh segment with their failures behind all other rows, each of both in the order that it has. A part that
 * has only one of both is passed on as it is.
 */
export function failuresBehind(signal: Signal, parts: readonly SegmentPart[]): readonly SegmentPart[] {
  const failures = failuresOf[signal];
  if (failures === undefined) return parts;
  const column = columnIndex(signal, failures.column);
  const others: SegmentPart[] = [], failed: SegmentPart[] = [];
  for (const part of parts) {
    const { words } = part.chunk.vectors[column] as FixedVector; // 0 where a record has none
    const count = countFailures(part, words, failures.from);
    if (count === 0) others.push(part);
    else if (count === part.rowCount) failed.push(part);
    else {
      const [other, failure] = divide(part, words, failures.from, count);
      others.push(other);
      failed.push(failure);
    }
  }
  return [...others, ...failed];
}

function countFailures({ rows, rowCount }: SegmentPart, words: Int32Array, from: number): number {
  let count = 0;
  for (let at = 0; at < rowCount; at++) if (words[rows === undefined ? at : rows[at]] >= from) count++;
  return count;
}

function divide(
  { chunk, rows, rowCount }: SegmentPart,
  words: Int32Array,
  from: number,
  count: number,
): [other: SegmentPart, failure: SegmentPart] {
  const others = new Int32Array(rowCount - count), failures = new Int32Array(count);
  let other = 0, failure = 0;
  for (let at = 0; at < rowCount; at++) {
    const row = rows === undefined ? at : rows[at];
    if (words[row] >= from) failures[failure++] = row;
    else others[other++] = row;
  }
  return [
    { chunk, rows: others, rowCount: others.length },
    { chunk, rows: failures, rowCount: count },
  ];
}
