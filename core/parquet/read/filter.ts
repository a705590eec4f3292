/**
 * Which rows meet conditions that compare a column with constants, all of them: with SQL's meaning, in which a
 * comparison with NULL is never met. Text is compared by its bytes, as the engine does; sought_texts.ts looks into it.
 *
 * A condition is tried on a slice (../slice.ts), texts of few values once for each value. No value becomes an object.
 */
import { OpenWitError } from "../../error.ts";
import type { DictionarySlice, FixedSlice, Slice, TextSlice } from "../slice.ts";
import { type TextTest, tryTexts } from "./sought_texts.ts";

/** What a value may be in comparison with a constant: 1 less, 2 equal, 4 greater, or a sum of these. */
export type Accepted = number;
export const less = 1, equal = 2, greater = 4;

export type RowTest =
  | { readonly kind: "compare"; readonly accepted: Accepted; readonly value: bigint | string }
  /** Whether it is one of them, or, with `isNot`, none. */
  | { readonly kind: "in"; readonly values: readonly (bigint | string)[]; readonly isNot: boolean }
  | { readonly kind: "null"; readonly isNull: boolean }
  | TextTest;

/** What the values of one column must meet. */
export interface ColumnTests {
  readonly column: string;
  readonly tests: readonly RowTest[];
}

/** Conditions of a mention of a table, cheap ones first. */
export interface RowFilter {
  readonly columns: readonly ColumnTests[];
  /** The column of the rows' times, and what these must meet; it comes late, for the times are wanted in any case. */
  readonly time: ColumnTests;
}

/** Rows that were found, and the words of their times, low first. */
export interface MatchingRows {
  readonly rows: Int32Array;
  readonly times: Int32Array;
}

/** Where the values of rows are had. */
export interface RowValues {
  /** Those of a column for rows by number. */
  column(name: string, rows: Int32Array): Slice;
  /**
   * What is said of the texts of a column, a byte a row, without all of them being gathered: 0 where there is none;
   * `undefined` where they are had as a slice alone.
   */
  texts?(
    name: string,
    rows: Int32Array,
    verdictsOf: (texts: TextSlice) => Uint8Array,
  ): Uint8Array | undefined;
}

/**
 * Rows that meet all conditions, of those that are given.
 * @throws OpenWitError `unsupported`; what the reading of values throws
 */
export function matchingRows(
  { columns, time }: RowFilter,
  rows: Int32Array,
  values: RowValues,
): MatchingRows {
  const left = new RowsLeft(rows);
  const tryColumn = (own: ColumnTests) => {
    if (left.rows.length > 0) left.keep(rowVerdicts(own, left.rows, values));
  };
  const tryTime = () => {
    if (left.times !== undefined || left.rows.length === 0) return;
    const slice = values.column(time.column, left.rows);
    if (slice.kind !== "fixed" || !(slice.values instanceof Int32Array)) {
      throw new OpenWitError("unsupported", "times are 64-bit numbers");
    }
    left.times = slice.values;
    if (time.tests.length > 0) left.keep(verdictsOf(slice, time.tests));
  };
  for (const own of columns) {
    // Texts that are looked into are dearer than times, which leave few of the rows where a slice of time ends.
    if (time.tests.length > 0 && looksInto(own)) tryTime();
    tryColumn(own);
  }
  tryTime();
  return { rows: left.rows, times: left.times ?? new Int32Array(0) };
}

/** Whether texts are looked for in those of a column. */
export function looksInto({ tests }: ColumnTests): boolean {
  return tests.some(({ kind }) => kind === "text");
}

class RowsLeft {
  rows: Int32Array;
  /** Two words a row, once they are known. */
  times: Int32Array | undefined;

  constructor(rows: Int32Array) {
    this.rows = rows;
  }

  keep(verdicts: Uint8Array): void {
    this.rows = kept(this.rows, verdicts, 1);
    if (this.times !== undefined) this.times = kept(this.times, verdicts, 2);
  }
}

function rowVerdicts({ column, tests }: ColumnTests, rows: Int32Array, values: RowValues): Uint8Array {
  // No other test is met by a NULL.
  const areMetByValues = tests.every(({ kind }) => kind !== "null");
  const ofTexts = areMetByValues
    ? values.texts?.(column, rows, (texts) => textVerdicts(texts, tests))
    : undefined;
  return ofTexts ?? verdictsOf(values.column(column, rows), tests);
}

/** What a verdict is for, of values of one word or two. */
function kept(values: Int32Array, verdicts: Uint8Array, width: 1 | 2): Int32Array {
  let count = 0;
  for (let at = 0; at < verdicts.length; at++) count += verdicts[at];
  if (count === verdicts.length) return values;
  const left = new Int32Array(count * width);
  for (let at = 0, to = 0; at < verdicts.length; at++) {
    if (verdicts[at] === 0) continue;
    left[to++] = values[at * width];
    if (width === 2) left[to++] = values[at * 2 + 1];
  }
  return left;
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

function textVerdicts(texts: TextSlice, tests: readonly RowTest[]): Uint8Array {
  const { count, offsets, bytes, present } = texts;
  const verdicts = new Uint8Array(count).fill(1);
  const base = offsets[0];
  for (const test of tests) {
    refuseNulls(verdicts, present, test.kind === "null" && test.isNull);
    if (test.kind === "null" || test.kind === "text") continue;
    const orders = new Float64Array(count);
    tryEach(test, verdicts, orders, (value) => {
      const wanted = encoder.encode(textIn(value));
      for (let at = 0; at < count; at++) {
        orders[at] = compareText(bytes, offsets[at] - base, offsets[at + 1] - base, wanted);
      }
    });
  }
  tryTexts(tests.filter((test) => test.kind === "text"), texts, verdicts);
  return verdicts;
}

function fixedVerdicts({ type, count, values, present }: FixedSlice, tests: readonly RowTest[]): Uint8Array {
  const verdicts = new Uint8Array(count).fill(1);
  for (const test of tests) {
    refuseNulls(verdicts, present, test.kind === "null" && test.isNull);
    if (test.kind === "null") continue;
    if (test.kind === "text" || !(values instanceof Int32Array) || type === "float64" || type === "uint64") {
      throw new OpenWitError("unsupported", `values of type ${type} are not compared here`);
    }
    const orders = new Float64Array(count);
    tryEach(test, verdicts, orders, (value) => {
      const wanted = integerIn(value);
      if (type === "int32" || type === "uint32") {
        const number = Number(wanted);
        for (let at = 0; at < count; at++) {
          orders[at] = (type === "int32" ? values[at] : values[at] >>> 0) - number;
        }
        return;
      }
      const low = Number(BigInt.asUintN(32, wanted)), high = Number(BigInt.asIntN(32, wanted >> 32n));
      for (let at = 0; at < count; at++) {
        const ownHigh = values[at * 2 + 1];
        orders[at] = ownHigh === high ? (values[at * 2] >>> 0) - low : ownHigh - high;
      }
    });
  }
  return verdicts;
}

/**
 * Takes the verdict of values that do not meet a test.
 * @param compare sets the orders: below 0 where a value is less than the one it is given
 */
function tryEach(
  test: Comparing,
  verdicts: Uint8Array,
  orders: Float64Array,
  compare: (value: bigint | string) => void,
): void {
  if (test.kind === "compare") {
    const { accepted } = test;
    compare(test.value);
    for (let at = 0; at < orders.length; at++) {
      const order = orders[at];
      if ((accepted & (order < 0 ? less : order > 0 ? greater : equal)) === 0) verdicts[at] = 0;
    }
    return;
  }
  const isListed = new Uint8Array(orders.length);
  for (const value of test.values) {
    compare(value);
    for (let at = 0; at < orders.length; at++) if (orders[at] === 0) isListed[at] = 1;
  }
  for (let at = 0; at < orders.length; at++) if ((isListed[at] === 1) === test.isNot) verdicts[at] = 0;
}

type Comparing = Exclude<RowTest, { kind: "null" | "text" }>;

/** @param isNull whether it is the NULLs that are wanted */
function refuseNulls(verdicts: Uint8Array, present: Uint8Array | undefined, isNull: boolean): void {
  if (present === undefined) {
    if (isNull) verdicts.fill(0);
    return;
  }
  for (let at = 0; at < verdicts.length; at++) if ((present[at] === 0) !== isNull) verdicts[at] = 0;
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
