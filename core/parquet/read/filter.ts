/**
 * Which rows meet conditions that compare a column with constants, all of them: with SQL's meaning, in which a
 * comparison with NULL is never met. Text is compared by its bytes, as the engine does.
 *
 * A condition is tried on a slice (../slice.ts), texts of few values once for each value. No value becomes an object.
 */
import { OpenWitError } from "../../error.ts";
import type { DictionarySlice, FixedSlice, Slice, TextSlice } from "../slice.ts";

/** What a value may be in comparison with a constant: 1 less, 2 equal, 4 greater, or a sum of these. */
export type Accepted = number;
export const less = 1, equal = 2, greater = 4;

export type RowTest =
  | { readonly kind: "compare"; readonly accepted: Accepted; readonly value: bigint | string }
  /** Whether it is one of them, or, with `isNot`, none. */
  | { readonly kind: "in"; readonly values: readonly (bigint | string)[]; readonly isNot: boolean }
  | { readonly kind: "null"; readonly isNull: boolean };

/** What the values of one column must meet. */
export interface ColumnTests {
  readonly column: string;
  readonly tests: readonly RowTest[];
}

/** Conditions of a mention of a table, cheap ones first. */
export interface RowFilter {
  readonly columns: readonly ColumnTests[];
  /** The column of the rows' times, and what these must meet; it comes last, for the times are wanted in any case. */
  readonly time: ColumnTests;
}

/** Rows that were found, and the words of their times, low first. */
export interface MatchingRows {
  readonly rows: Int32Array;
  readonly times: Int32Array;
}

/**
 * Rows that meet all conditions, of those that are given.
 * @param read the values of a column for rows by number
 * @throws OpenWitError `unsupported`; what `read` throws
 */
export function matchingRows(
  { columns, time }: RowFilter,
  rows: Int32Array,
  read: (column: string, rows: Int32Array) => Slice,
): MatchingRows {
  let left = rows;
  for (const { column, tests } of columns) {
    if (left.length === 0) break;
    const verdicts = verdictsOf(read(column, left), tests);
    left = left.filter((_, at) => verdicts[at] === 1);
  }
  if (left.length === 0) return { rows: left, times: new Int32Array(0) };
  const slice = read(time.column, left);
  if (slice.kind !== "fixed" || !(slice.values instanceof Int32Array)) {
    throw new OpenWitError("unsupported", "times are 64-bit numbers");
  }
  const times = slice.values;
  if (time.tests.length === 0) return { rows: left, times };
  const verdicts = verdictsOf(slice, time.tests);
  return {
    rows: left.filter((_, at) => verdicts[at] === 1),
    times: times.filter((_, word) => verdicts[word >> 1] === 1),
  };
}

/** A byte a value, 1 where it meets all tests. */
function verdictsOf(slice: Slice, tests: readonly RowTest[]): Uint8Array {
  switch (slice.kind) {
    case "fixed":
      return fixedVerdicts(slice, tests);
    case "utf8":
      return textVerdicts(slice, tests);
    case "dictionary":
      return codedVerdicts(slice, tests);
    default:
      throw new OpenWitError("unsupported", `values of kind ${slice.kind} are not compared here`);
  }
}

function codedVerdicts({ codes, count, values }: DictionarySlice, tests: readonly RowTest[]): Uint8Array {
  const ofValues = textVerdicts(values, tests);
  const verdicts = new Uint8Array(count);
  for (let at = 0; at < count; at++) verdicts[at] = ofValues[codes[at]];
  return verdicts;
}

function textVerdicts({ count, offsets, bytes, present }: TextSlice, tests: readonly RowTest[]): Uint8Array {
  const verdicts = new Uint8Array(count).fill(1);
  for (const test of tests) {
    if (test.kind === "null") refuseNulls(verdicts, present, test.isNull);
    else {
      refuseNulls(verdicts, present, false);
      const wanted = valuesIn(test).map((value) => encoder.encode(textIn(value)));
      for (let at = 0; at < count; at++) {
        if (verdicts[at] === 0) continue;
        const from = offsets[at] - offsets[0], to = offsets[at + 1] - offsets[0];
        if (!accepts(test, wanted, (value) => compareText(bytes, from, to, value))) verdicts[at] = 0;
      }
    }
  }
  return verdicts;
}

function fixedVerdicts({ type, count, values, present }: FixedSlice, tests: readonly RowTest[]): Uint8Array {
  const verdicts = new Uint8Array(count).fill(1);
  for (const test of tests) {
    if (test.kind === "null") {
      refuseNulls(verdicts, present, test.isNull);
      continue;
    }
    refuseNulls(verdicts, present, false);
    const wanted = valuesIn(test).map(integerIn);
    const words = values as Int32Array;
    if (type === "int32" || type === "uint32") {
      const numbers = wanted.map(Number);
      for (let at = 0; at < count; at++) {
        if (verdicts[at] === 0) continue;
        const own = type === "int32" ? words[at] : words[at] >>> 0;
        if (!accepts(test, numbers, (value) => own - value)) verdicts[at] = 0;
      }
    } else if (type === "int64" || type === "timestamp") {
      const pairs = wanted.map((value) => ({
        low: Number(BigInt.asUintN(32, value)),
        high: Number(BigInt.asIntN(32, value >> 32n)),
      }));
      for (let at = 0; at < count; at++) {
        if (verdicts[at] === 0) continue;
        const low = words[at * 2] >>> 0, high = words[at * 2 + 1];
        const isMet = accepts(
          test,
          pairs,
          (value) => high === value.high ? low - value.low : high - value.high,
        );
        if (!isMet) verdicts[at] = 0;
      }
    } else throw new OpenWitError("unsupported", `values of type ${type} are not compared here`);
  }
  return verdicts;
}

/** @param isNull whether it is the NULLs that are wanted */
function refuseNulls(verdicts: Uint8Array, present: Uint8Array | undefined, isNull: boolean): void {
  if (present === undefined) {
    if (isNull) verdicts.fill(0);
    return;
  }
  for (let at = 0; at < verdicts.length; at++) if ((present[at] === 0) !== isNull) verdicts[at] = 0;
}

type Comparing = Exclude<RowTest, { kind: "null" }>;

function accepts<Value>(
  test: Comparing,
  wanted: readonly Value[],
  compare: (value: Value) => number,
): boolean {
  if (test.kind === "compare") {
    const order = compare(wanted[0]);
    return (test.accepted & (order < 0 ? less : order > 0 ? greater : equal)) !== 0;
  }
  for (const value of wanted) if (compare(value) === 0) return !test.isNot;
  return test.isNot;
}

function valuesIn(test: Comparing): readonly (bigint | string)[] {
  return test.kind === "compare" ? [test.value] : test.values;
}

function textIn(value: bigint | string): string {
  if (typeof value === "string") return value;
  throw new OpenWitError("unsupported", "text is compared with text alone");
}

function integerIn(value: bigint | string): bigint {
  if (typeof value === "bigint") return value;
  throw new OpenWitError("unsupported", "a number is compared with numbers alone");
}

function compareText(bytes: Uint8Array, from: number, to: number, value: Uint8Array): number {
  const length = to - from, shared = Math.min(length, value.length);
  for (let at = 0; at < shared; at++) if (bytes[from + at] !== value[at]) return bytes[from + at] - value[at];
  return length - value.length;
}

const encoder = new TextEncoder();
