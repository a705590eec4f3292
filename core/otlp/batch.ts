/**
 * What the record readers of one request share: the wire, the chunk, the time of receipt, the counts of the
 * report, and the ways to write times and ids.
 *
 * Invariant: `undo` leaves the chunk as it was before the request, dictionary values included.
 */
import type { Chunk } from "../model/chunk.ts";
import { type Column, columnIndex, columnsOf } from "../model/columns.ts";
import type {
  DictionaryVector,
  FixedVector,
  ListVector,
  StructVector,
  Utf8Vector,
  Vector,
} from "../model/vector.ts";
import { AnyValueReader } from "./any_value.ts";
import type { AttributeReader } from "./attributes.ts";
import { OriginReader } from "./origin.ts";
import { repairTexts } from "./text.ts";
import { TextWriter } from "./text_writer.ts";
import { Weight } from "./weight.ts";
import { Wire } from "./wire.ts";

/** Position of a field that was not sent. */
export const absent = -1;
/** Position of a field that was not sent and is then zero. */
export const zero = -2;

/** Text that is hexadecimal by construction, and needs no check. */
const hexColumns = new Set(["trace_id", "span_id", "parent_span_id", "series_id"]);
const hexPairs = new Uint8Array(512);
for (let i = 0; i < 256; i++) {
  hexPairs[i * 2] = "0123456789abcdef".charCodeAt(i >> 4);
  hexPairs[i * 2 + 1] = "0123456789abcdef".charCodeAt(i & 15);
}

/**
 * Words of the latest time that a column holds, 2^63 - 2 ns: the one after it is how DuckDB writes "infinity", and
 * what is later still is no int64.
 */
export const latestLow = -2, latestHigh = 0x7fff_ffff;

/** Whether a fixed64 time, by its words, is after the latest that a column holds. */
export function isTooLate(low: number, high: number): boolean {
  return high < 0 || (high === latestHigh && low === -1);
}

export class Batch {
  readonly wire: Wire;
  readonly values: AnyValueReader;
  readonly origin: OriginReader;
  readonly weight: Weight;
  readonly receivedLow: number;
  readonly receivedHigh: number;
  /** Rows of the chunk, those of this request included. */
  rows: number;
  rejected = 0;
  clampedTimes = 0;
  readonly #rowsBefore: number;
  readonly #texts: { readonly vector: Utf8Vector; readonly before: number }[] = [];
  readonly #dictionaries: {
    readonly vector: DictionaryVector;
    readonly values: number;
    readonly repairs: number;
  }[] = [];
  readonly #decimal = new TextWriter();

  constructor(body: Uint8Array, readonly chunk: Chunk, receivedAtNs: bigint) {
    this.wire = new Wire(body);
    this.weight = new Weight(body.length);
    this.values = new AnyValueReader(this.wire);
    this.rows = this.#rowsBefore = chunk.rows;
    this.receivedLow = Number(BigInt.asIntN(32, receivedAtNs));
    this.receivedHigh = Number(BigInt.asIntN(32, receivedAtNs >> 32n));
    columnsOf[chunk.signal].forEach((column, i) => this.#note(column, chunk.vectors[i]));
    this.origin = new OriginReader(chunk, this.values, this.weight);
  }

  /** The chunk's vector of a column, which the caller knows the kind of. */
  column<V extends Vector>(name: string): V {
    return this.chunk.vectors[columnIndex(this.chunk.signal, name)] as V;
  }

  /** Whether the record just read is to be refused; if so, what it wrote is cut away. */
  refuse(): boolean {
    if (!this.values.tooDeep && !this.origin.resourceTooDeep && !this.origin.scopeTooDeep) return false;
    this.values.tooDeep = false;
    this.rejected++;
    for (const vector of this.chunk.vectors) if (vector.length >= this.rows) vector.truncate(this.rows);
    return true;
  }

  /** Pushes a fixed64 time; one that is too late becomes the latest there is, and the original an attribute. */
  pushTime(
    vector: FixedVector,
    low: number,
    high: number,
    attributes: AttributeReader,
    field: string,
  ): void {
    if (!isTooLate(low, high)) return vector.pushWords(low, high);
    this.clampedTimes++;
    vector.pushWords(latestLow, latestHigh);
    this.#decimal.length = 0;
    this.#decimal.uint64(low, high);
    const text = new TextDecoder().decode(this.#decimal.bytes.subarray(0, this.#decimal.length));
    attributes.addText(`openwit.original.${field}`, text);
  }

  /** As `pushTime`, with NULL for a time that was not sent. */
  pushOptionalTime(
    vector: FixedVector,
    low: number,
    high: number,
    attributes: AttributeReader,
    field: string,
  ): void {
    if ((low | high) === 0) vector.pushNull();
    else this.pushTime(vector, low, high, attributes, field);
  }

  /** As `pushOptionalTime`, by the position of the fixed64. */
  pushOptionalTimeAt(vector: FixedVector, at: number, attributes: AttributeReader, field: string): void {
    if (!this.pushTimeAt(vector, at, attributes, field)) vector.pushNull();
  }

  /** As `pushTime`, by the position of the fixed64; false, with nothing pushed, when it was not sent. */
  pushTimeAt(vector: FixedVector, at: number, attributes: AttributeReader, field: string): boolean {
    if (at < 0) return false;
    const low = this.wire.view.getInt32(at, true), high = this.wire.view.getInt32(at + 4, true);
    if ((low | high) === 0) return false;
    this.pushTime(vector, low, high, attributes, field);
    return true;
  }

  /** Pushes the eight bytes at a position as they are; NULL when `absent`, zero when `zero`. */
  pushFixed64(vector: FixedVector, at: number): void {
    if (at >= 0) vector.pushWords(this.wire.view.getInt32(at, true), this.wire.view.getInt32(at + 4, true));
    else if (at === zero) vector.pushWords(0, 0);
    else vector.pushNull();
  }

  /** Pushes the value of a number point or an exemplar: a double, or an integer exactly and as a double. */
  pushNumber(value: FixedVector, valueInt: FixedVector, doubleAt: number, intAt: number): void {
    if (intAt >= 0) {
      const { view } = this.wire;
      value.pushDouble(view.getInt32(intAt + 4, true) * 0x1_0000_0000 + view.getUint32(intAt, true));
    } else this.pushFixed64(value, doubleAt);
    this.pushFixed64(valueInt, intAt);
  }

  /** Pushes bytes of the body as lowercase hexadecimal. */
  pushHex(vector: Utf8Vector, start: number, end: number): void {
    let to = vector.reserveBytes((end - start) * 2);
    const source = this.wire.bytes, target = vector.bytes;
    for (let at = start; at < end; at++) {
      const pair = source[at] * 2;
      target[to++] = hexPairs[pair];
      target[to++] = hexPairs[pair + 1];
    }
    vector.endValue(to);
  }

  /** Checks the texts that were written; returns how many had to be repaired. */
  repair(): number {
    let repaired = this.origin.repairs;
    for (const { vector, before } of this.#texts) repaired += repairTexts(vector, before);
    for (const { vector, repairs } of this.#dictionaries) repaired += vector.repairs - repairs;
    return repaired;
  }

  /** Leaves the chunk as it was before the request. */
  undo(): void {
    this.chunk.truncate(this.#rowsBefore);
    for (const { vector, values } of this.#dictionaries) vector.truncateValues(values);
  }

  #note({ name, type }: Pick<Column, "name" | "type">, vector: Vector): void {
    switch (type.kind) {
      case "utf8":
        if (!hexColumns.has(name)) {
          this.#texts.push({ vector: vector as Utf8Vector, before: vector.length });
        }
        return;
      case "dictionary":
        return this.#noteDictionary(vector as DictionaryVector);
      case "map": {
        const { keys, values } = vector as Vector & { kind: "map" };
        this.#noteDictionary(keys);
        this.#texts.push({ vector: values, before: values.length });
        return;
      }
      case "list":
        return this.#note({ name, type: type.element }, (vector as ListVector).child);
      case "struct":
        return type.fields.forEach((field, i) => this.#note(field, (vector as StructVector).children[i]));
    }
  }

  #noteDictionary(vector: DictionaryVector): void {
    this.#dictionaries.push({ vector, values: vector.values.length, repairs: vector.repairs });
  }
}
