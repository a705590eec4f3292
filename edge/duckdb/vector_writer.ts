/**
 * Fills DuckDB vectors from the vectors of a chunk, whole buffers at a time (DuckDB 1.5's vector layouts).
 *
 * A VARCHAR value is a 16-byte header: length, then up to 12 bytes inline, or the first 4 bytes and an address.
 * Headers of longer values point into the chunk's buffer, which grows by moving to a new one and never changes
 * below its length; the buffer that was read stays in `held`.
 * LIST and MAP are pairs of 64-bit offset and length into a child vector; a MAP's child is STRUCT(key, value).
 * Validity is a bit a row here and a byte a row in the chunk.
 */
import { ptr } from "bun:ffi";
import type * as Bindings from "@duckdb/node-bindings";
import type {
  DictionaryVector,
  FixedVector,
  ListVector,
  MapVector,
  StructVector,
  Utf8Vector,
  Vector,
} from "../../core/model/vector.ts";

/** Rows in one DuckDB vector. */
export const vectorRows = 2_048;

export interface VectorWriter {
  /** Writes rows [from, from + count) of the source to the beginning of `target`. */
  write(bindings: typeof Bindings, target: Bindings.Vector, from: number, count: number): void;
}

/** @param held gains every buffer that DuckDB will read after `write` has returned. */
export function openWriter(vector: Vector, held: Uint8Array[]): VectorWriter {
  switch (vector.kind) {
    case "fixed":
      return fixedWriter(vector);
    case "utf8":
      return utf8Writer(vector, held);
    case "dictionary":
      return dictionaryWriter(vector, held);
    case "map":
      return mapWriter(vector, held);
    case "list":
      return listWriter(vector, held);
    case "struct":
      return structWriter(vector, held);
  }
}

function fixedWriter(vector: FixedVector): VectorWriter {
  const { bytes, width } = vector;
  return {
    write(bindings, target, from, count) {
      const start = bytes.byteOffset + from * width;
      bindings.copy_data_to_vector(target, 0, bytes.buffer as ArrayBuffer, start, count * width);
      writeValidity(bindings, target, vector.validity.bytes, from, count);
    },
  };
}

function utf8Writer(vector: Utf8Vector, held: Uint8Array[]): VectorWriter {
  const text = openText(vector, held);
  return {
    write(bindings, target, from, count) {
      const headers = new Uint32Array(count * headerWords);
      const headerBytes = new Uint8Array(headers.buffer);
      for (let row = 0; row < count; row++) {
        writeHeader(headers, headerBytes, row, text, text.offsets[from + row], text.offsets[from + row + 1]);
      }
      bindings.copy_data_to_vector(target, 0, headers.buffer, 0, headers.byteLength);
      writeValidity(bindings, target, vector.validity.bytes, from, count);
    },
  };
}

function dictionaryWriter(vector: DictionaryVector, held: Uint8Array[]): VectorWriter {
  const text = openText(vector.values, held);
  const { codes } = vector;
  const values = vector.values.length;
  const entries = new Uint32Array(values * headerWords);
  const entryBytes = new Uint8Array(entries.buffer);
  for (let code = 0; code < values; code++) {
    writeHeader(entries, entryBytes, code, text, text.offsets[code], text.offsets[code + 1]);
  }
  return {
    write(bindings, target, from, count) {
      const headers = new Uint32Array(count * headerWords);
      for (let row = 0, to = 0; row < count; row++, to += headerWords) {
        const entry = codes[from + row] * headerWords;
        headers[to] = entries[entry];
        headers[to + 1] = entries[entry + 1];
        headers[to + 2] = entries[entry + 2];
        headers[to + 3] = entries[entry + 3];
      }
      bindings.copy_data_to_vector(target, 0, headers.buffer, 0, headers.byteLength);
    },
  };
}

function mapWriter(vector: MapVector, held: Uint8Array[]): VectorWriter {
  const { offsets } = vector;
  const keys = openWriter(vector.keys, held);
  const values = openWriter(vector.values, held);
  return {
    write(bindings, target, from, count) {
      const [start, elements] = writeListEntries(bindings, target, offsets, from, count);
      const child = bindings.list_vector_get_child(target);
      keys.write(bindings, bindings.struct_vector_get_child(child, 0), start, elements);
      values.write(bindings, bindings.struct_vector_get_child(child, 1), start, elements);
    },
  };
}

function listWriter(vector: ListVector, held: Uint8Array[]): VectorWriter {
  const { offsets } = vector;
  const child = openWriter(vector.child, held);
  return {
    write(bindings, target, from, count) {
      const [start, elements] = writeListEntries(bindings, target, offsets, from, count);
      child.write(bindings, bindings.list_vector_get_child(target), start, elements);
    },
  };
}

function structWriter(vector: StructVector, held: Uint8Array[]): VectorWriter {
  const children = vector.children.map((child) => openWriter(child, held));
  return {
    write(bindings, target, from, count) {
      for (const [index, child] of children.entries()) {
        child.write(bindings, bindings.struct_vector_get_child(target, index), from, count);
      }
    },
  };
}

const headerWords = 4;
const inlineBytesMax = 12;

interface Text {
  readonly bytes: Uint8Array;
  readonly offsets: Int32Array;
  /** Address of the first byte; below 2^48, so a double holds it. */
  readonly address: number;
}

function openText(vector: Utf8Vector, held: Uint8Array[]): Text {
  const { bytes, offsets } = vector;
  // Asking for the buffer first pins a small array's bytes to where they are: the runtime keeps those inside its
  // own heap until somebody asks, and moves them then.
  const buffer = bytes.buffer;
  held.push(bytes);
  return { bytes, offsets, address: buffer.byteLength === 0 ? 0 : ptr(bytes) };
}

function writeHeader(
  headers: Uint32Array,
  headerBytes: Uint8Array,
  row: number,
  text: Text,
  start: number,
  end: number,
): void {
  const { bytes } = text;
  const length = end - start;
  let to = row * headerWords;
  headers[to++] = length;
  if (length <= inlineBytesMax) {
    for (let from = start, at = to * 4; from < end; from++, at++) headerBytes[at] = bytes[from];
    return;
  }
  headers[to++] = bytes[start] | bytes[start + 1] << 8 | bytes[start + 2] << 16 | bytes[start + 3] << 24;
  const address = text.address + start;
  headers[to++] = address; // the low 32 bits
  headers[to] = Math.floor(address / 0x1_0000_0000);
}

/** Writes offset and length of each list, and makes room for their elements; returns first and count of these. */
function writeListEntries(
  bindings: typeof Bindings,
  target: Bindings.Vector,
  offsets: Int32Array,
  from: number,
  count: number,
): [start: number, elements: number] {
  const start = offsets[from];
  const elements = offsets[from + count] - start;
  const entries = new Uint32Array(count * 4);
  for (let row = 0; row < count; row++) {
    entries[row * 4] = offsets[from + row] - start;
    entries[row * 4 + 2] = offsets[from + row + 1] - offsets[from + row];
  }
  bindings.copy_data_to_vector(target, 0, entries.buffer, 0, entries.byteLength);
  bindings.list_vector_reserve(target, Math.max(elements, vectorRows));
  bindings.list_vector_set_size(target, elements);
  return [start, elements];
}

function writeValidity(
  bindings: typeof Bindings,
  target: Bindings.Vector,
  valid: Uint8Array | undefined,
  from: number,
  count: number,
): void {
  if (valid === undefined || count === 0) return;
  const bits = new Uint8Array(Math.ceil(count / 64) * 8);
  let nulls = 0;
  for (let row = 0; row < count; row++) {
    // the array ends before rows that were added when nothing more was NULL
    if (valid[from + row] === 0) nulls++;
    else bits[row >> 3] |= 1 << (row & 7);
  }
  if (nulls === 0) return;
  bindings.vector_ensure_validity_writable(target);
  bindings.copy_data_to_vector_validity(target, 0, bits.buffer, 0, bits.length);
}
