/** Rows of a slice in any order: what a merge makes of the rows that it read. */
import {
  gatherBytes,
  gatherInts,
  gatherLists,
  gatherText,
  gatherWords,
  type Selection,
} from "../model/gather.ts";
import type { DictionarySlice, FixedSlice, Slice, TextSlice } from "./slice.ts";

/** @param rows by their number in the slice, in the order wanted */
export function takeRows<S extends Slice>(slice: S, rows: Int32Array): S;
export function takeRows(slice: Slice, rows: Int32Array): Slice {
  const selection = { rows };
  switch (slice.kind) {
    case "fixed":
      return takeFixed(slice, selection);
    case "utf8":
      return takeTexts(slice, selection);
    case "dictionary":
      return takeCodes(slice, selection);
    case "map": {
      const { offsets, children } = gatherLists(slice.offsets, selection);
      const entries = relative(children, slice.offsets[0]);
      return {
        kind: "map",
        count: rows.length,
        offsets,
        keys: takeRows(slice.keys, entries),
        values: takeRows(slice.values, entries),
      };
    }
    case "list": {
      const { offsets, children } = gatherLists(slice.offsets, selection);
      const child = takeRows(slice.child, relative(children, slice.offsets[0]));
      return { kind: "list", count: rows.length, offsets, child };
    }
    case "struct":
      return {
        kind: "struct",
        count: rows.length,
        children: slice.children.map((child) => takeRows(child, rows)),
      };
  }
}

function takeFixed({ type, values, present }: FixedSlice, selection: Rows): FixedSlice {
  return {
    kind: "fixed",
    type,
    count: selection.rows.length,
    values: type === "bool"
      ? gatherBytes(values as Uint8Array, selection)
      : type === "int32" || type === "uint32"
      ? gatherInts(values as Int32Array, selection)
      : gatherWords(values as Int32Array, selection),
    present: present && gatherBytes(present, selection),
  };
}

function takeTexts({ offsets, bytes, present }: TextSlice, selection: Rows): TextSlice {
  return {
    kind: "utf8",
    count: selection.rows.length,
    ...gatherText({ offsets, bytes }, selection),
    present: present && gatherBytes(present, selection),
  };
}

function takeCodes({ codes, values }: DictionarySlice, selection: Rows): DictionarySlice {
  return { kind: "dictionary", count: selection.rows.length, codes: gatherInts(codes, selection), values };
}

/** Entry 0 of a child is the one that the first offset points at. */
function relative(children: Selection, base: number): Int32Array {
  const { rows } = children as Rows;
  return base === 0 ? rows : rows.map((row) => row - base);
}

type Rows = Selection & { readonly rows: Int32Array };
