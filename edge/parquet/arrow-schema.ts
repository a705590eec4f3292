/**
 * Takes the key-value `ARROW:schema` out of a Parquet footer.
 *
 * parquet-wasm always writes it, and it says that map keys are dictionaries; pyarrow then tries to rebuild
 * dictionaries inside maps, cannot for files of several row groups, and refuses the whole file. The Parquet schema
 * alone says all that a reader needs.
 */
import { assert } from "../../core/error.ts";
import { footerLength } from "../../core/segment/reader.ts";
import { readThriftStruct } from "../../core/segment/thrift.ts";

/**
 * @param tail the end of a file, with the whole of its footer
 * @returns the same end without the entry
 */
export function withoutArrowSchema(tail: Uint8Array): Uint8Array<ArrayBuffer> {
  const length = footerLength(tail, Number.MAX_SAFE_INTEGER);
  assert(length + 8 <= tail.length, "the last bytes from the writer hold the whole footer");
  const start = tail.length - 8 - length;
  const footer = tail.subarray(start, tail.length - 8);
  const pairs = readThriftStruct(footer).fields.get(keyValueField);
  assert(typeof pairs === "object" && "items" in pairs, "the writer keeps key-values");
  const kept: Uint8Array[] = [];
  pairs.items.forEach((pair, index) => {
    const key = typeof pair === "object" && "fields" in pair ? pair.fields.get(1) : undefined;
    if (key instanceof Uint8Array && textDecoder.decode(key) === "ARROW:schema") return;
    kept.push(footer.subarray(pairs.offsets[index], pairs.offsets[index + 1]));
  });
  const rewritten = concatenate([
    footer.subarray(0, pairs.start),
    listHeader(kept.length),
    ...kept,
    footer.subarray(pairs.offsets[pairs.items.length]),
  ]);
  const end = new Uint8Array(8);
  end.set(tail.subarray(tail.length - 4), 4);
  new DataView(end.buffer).setUint32(0, rewritten.length, true);
  return concatenate([tail.subarray(0, start), rewritten, end]);
}

/** Field number of key_value_metadata in FileMetaData. */
const keyValueField = 5;

/** Header of a list of structs in Thrift's compact protocol; lengths above 14 follow as a varint. */
function listHeader(count: number): Uint8Array {
  const structType = 12;
  if (count < 15) return Uint8Array.of(count << 4 | structType);
  assert(count < 128, "a footer has fewer than 128 key-values");
  return Uint8Array.of(15 << 4 | structType, count);
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const textDecoder = new TextDecoder();
