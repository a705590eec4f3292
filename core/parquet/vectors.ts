/**
 * Appends slices to the vectors of a chunk, whole buffers at a time: the way back from slice.ts, for rows that were
 * read from pages and are read once more by a query.
 */
import { assert } from "../error.ts";
import type { Chunk } from "../model/chunk.ts";
import { columnsOf } from "../model/columns.ts";
import type { DictionaryVector, Vector } from "../model/vector.ts";
import type { DictionarySlice, Slice } from "./slice.ts";

/** Appends rows to a chunk; columns that have no slice stay without a value. @param slices by column name */
export function appendSlices(chunk: Chunk, rows: number, slices: ReadonlyMap<string, Slice>): void {
  for (const [index, { name }] of columnsOf[chunk.signal].entries()) {
    const slice = slices.get(name);
    if (slice === undefined) continue;
    assert(slice.count === rows, "a slice has a value for each row");
    appendSlice(chunk.vectors[index], slice);
  }
  chunk.rows += rows;
}

function appendSlice(vector: Vector, slice: Slice): void {
  if (vector.kind === "fixed" && slice.kind === "fixed") {
    vector.pushAll(slice.values, slice.count, slice.present);
  } else if (vector.kind === "utf8" && slice.kind === "utf8") {
    vector.pushAll(slice.offsets, slice.bytes, slice.count, slice.present);
  } else if (vector.kind === "dictionary" && slice.kind === "dictionary") {
    appendCodes(vector, slice);
  } else if (vector.kind === "map" && slice.kind === "map") {
    appendCodes(vector.keys, slice.keys);
    vector.values.pushAll(slice.values.offsets, slice.values.bytes, slice.values.count, slice.values.present);
    vector.pushRows(slice.offsets, slice.count);
  } else if (vector.kind === "list" && slice.kind === "list") {
    appendSlice(vector.child, slice.child);
    vector.pushRows(slice.offsets, slice.count);
  } else if (vector.kind === "struct" && slice.kind === "struct") {
    for (const [index, child] of vector.children.entries()) appendSlice(child, slice.children[index]);
    vector.length += slice.count;
  } else assert(false, "a slice has the shape of its column");
}

/** Each distinct text is looked up once; codes follow by a table. */
function appendCodes(vector: DictionaryVector, { codes, values, count }: DictionarySlice): void {
  const { offsets, bytes } = values;
  const table = new Int32Array(values.count);
  for (let code = 0; code < values.count; code++) {
    table[code] = vector.codeOf(bytes, offsets[code] - offsets[0], offsets[code + 1] - offsets[0]);
  }
  for (let row = 0; row < count; row++) vector.pushCode(table[codes[row]]);
}
