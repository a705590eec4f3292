/**
 * Joins the batches of a row group into one: a row group often takes the end of one chunk and the start of the next,
 * whose dictionaries give the same text other codes.
 */
import { assert } from "../error.ts";
import { DictionaryVector } from "../model/vector.ts";
import type {
  Batch,
  DictionarySlice,
  FixedSlice,
  ListSlice,
  MapSlice,
  Slice,
  StructSlice,
  TextSlice,
} from "./slice.ts";

/** @param batches one or more of one signal, in order */
export function concatBatches(batches: readonly Batch[]): Batch {
  if (batches.length === 1) return batches[0];
  return {
    rows: sumOf(batches, ({ rows }) => rows),
    columns: batches[0].columns.map((_, index) => concatSlices(batches.map(({ columns }) => columns[index]))),
  };
}

/** @param slices one or more of one column, in order */
export function concatSlices(slices: readonly Slice[]): Slice {
  if (slices.length === 1) return slices[0];
  const { kind } = slices[0];
  assert(slices.every((slice) => slice.kind === kind), "batches of a row group are of one signal");
  const count = sumOf(slices, (slice) => slice.count);
  switch (kind) {
    case "fixed":
      return concatFixed(slices as FixedSlice[], count);
    case "utf8":
      return concatTexts(slices as TextSlice[], count);
    case "dictionary":
      return concatDictionaries(slices as DictionarySlice[], count);
    case "map": {
      const maps = slices as MapSlice[];
      return {
        kind,
        count,
        offsets: concatOffsets(maps, count),
        keys: concatSlices(maps.map(({ keys }) => keys)) as DictionarySlice,
        values: concatSlices(maps.map(({ values }) => values)) as TextSlice,
      };
    }
    case "list": {
      const lists = slices as ListSlice[];
      return {
        kind,
        count,
        offsets: concatOffsets(lists, count),
        child: concatSlices(lists.map(({ child }) => child)),
      };
    }
    case "struct": {
      const structs = slices as StructSlice[];
      const children = structs[0].children.map((_, index) =>
        concatSlices(structs.map(({ children }) => children[index]))
      );
      return { kind, count, children };
    }
  }
}

function concatFixed(slices: readonly FixedSlice[], count: number): FixedSlice {
  const { type, values: first } = slices[0];
  const length = sumOf(slices, ({ values }) => values.length);
  const values = first instanceof Int32Array ? new Int32Array(length) : new Uint8Array(length);
  let at = 0;
  for (const slice of slices) {
    values.set(slice.values, at);
    at += slice.values.length;
  }
  return { kind: "fixed", type, count, values, present: concatPresent(slices, count) };
}

function concatTexts(slices: readonly TextSlice[], count: number): TextSlice {
  const bytes = new Uint8Array(sumOf(slices, (slice) => slice.bytes.length));
  let at = 0;
  for (const slice of slices) {
    bytes.set(slice.bytes, at);
    at += slice.bytes.length;
  }
  return {
    kind: "utf8",
    count,
    offsets: concatOffsets(slices, count),
    bytes,
    present: concatPresent(slices, count),
  };
}

/** Each distinct value is looked up once; codes follow by a table. */
function concatDictionaries(slices: readonly DictionarySlice[], count: number): DictionarySlice {
  const joined = new DictionaryVector();
  const codes = new Int32Array(count);
  let at = 0;
  for (const { codes: own, values, count } of slices) {
    const { offsets, bytes } = values;
    const table = new Int32Array(values.count);
    for (let code = 0; code < values.count; code++) {
      table[code] = joined.codeOf(bytes, offsets[code] - offsets[0], offsets[code + 1] - offsets[0]);
    }
    for (let row = 0; row < count; row++) codes[at++] = table[own[row]];
  }
  const { length, offsets, bytes } = joined.values;
  return {
    kind: "dictionary",
    count,
    codes,
    values: {
      kind: "utf8",
      count: length,
      offsets: offsets.subarray(0, length + 1),
      bytes: bytes.subarray(0, offsets[length]),
      present: undefined,
    },
  };
}

function concatOffsets(slices: readonly { offsets: Int32Array; count: number }[], count: number): Int32Array {
  const joined = new Int32Array(count + 1);
  let at = 0, end = 0;
  for (const { offsets, count } of slices) {
    const shift = end - offsets[0];
    for (let value = 1; value <= count; value++) joined[++at] = offsets[value] + shift;
    end = joined[at];
  }
  return joined;
}

function concatPresent(
  slices: readonly { present: Uint8Array | undefined; count: number }[],
  count: number,
): Uint8Array | undefined {
  if (slices.every(({ present }) => present === undefined)) return undefined;
  const joined = new Uint8Array(count).fill(1);
  let at = 0;
  for (const { present, count } of slices) {
    if (present !== undefined) joined.set(present.subarray(0, count), at);
    at += count;
  }
  return joined;
}

function sumOf<T>(items: readonly T[], size: (item: T) => number): number {
  return items.reduce((sum, item) => sum + size(item), 0);
}
