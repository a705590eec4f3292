/**
 * Reads Thrift's compact protocol, in which Parquet writes its footer (thrift/doc/specs/thrift-compact-protocol.md),
 * into plain values. Unknown fields are kept by number.
 *
 * Invariant: hostile bytes give an error, never a crash, a hang or more memory than a small multiple of the input:
 * depth and count are bounded, and a list never claims more elements than bytes are left.
 */
import { OpenWitError } from "../error.ts";

/** Integers are bigint when they came as 64 bits, text and binary are views of the input. */
export type ThriftValue = boolean | number | bigint | Uint8Array | ThriftList | ThriftStruct;
export interface ThriftList {
  readonly items: readonly ThriftValue[];
  /** Where each item begins in the input, and where the last one ends. */
  readonly offsets: readonly number[];
  /** Where the list's header begins. */
  readonly start: number;
}
export interface ThriftStruct {
  readonly fields: ReadonlyMap<number, ThriftValue>;
}

/** Reads one struct from the start of `bytes`. @throws OpenWitError `malformed` */
export function readThriftStruct(bytes: Uint8Array): ThriftStruct {
  return new ThriftReader(bytes).struct(0);
}

/** The same for one that begins at `from`, and where it ends. @throws OpenWitError `malformed` */
export function readThriftStructAt(bytes: Uint8Array, from: number): { struct: ThriftStruct; end: number } {
  const reader = new ThriftReader(bytes, from);
  const struct = reader.struct(0);
  return { struct, end: reader.at };
}

/** Parquet nests a dozen deep at most. */
const depthMax = 32;

/** A segment of 60 row groups and 60 columns has 150,000; a value takes up to 200 bytes here, and one there. */
const valuesMax = 1_000_000;

const typeTrue = 1, typeFalse = 2, typeByte = 3, typeI16 = 4, typeI32 = 5, typeI64 = 6, typeDouble = 7;
const typeBinary = 8, typeList = 9, typeSet = 10, typeMap = 11, typeStruct = 12, typeUuid = 13;

class ThriftReader {
  #at: number;
  #values = 0;

  constructor(readonly bytes: Uint8Array, from = 0) {
    this.#at = from;
  }

  get at(): number {
    return this.#at;
  }

  struct(depth: number): ThriftStruct {
    if (depth > depthMax) throw this.#malformed(`structs nest more than ${depthMax} deep`);
    const fields = new Map<number, ThriftValue>();
    for (let id = 0;;) {
      const header = this.#byte();
      if (header === 0) return { fields };
      const delta = header >> 4;
      id = delta === 0 ? Number(this.#zigzag()) : id + delta;
      const type = header & 15;
      this.#count();
      const value = type === typeTrue ? true : type === typeFalse ? false : this.#value(type, depth);
      fields.set(id, value);
    }
  }

  #value(type: number, depth: number): ThriftValue {
    switch (type) {
      case typeTrue: // in a list a boolean is a byte of its own
      case typeFalse:
        return this.#byte() === 1;
      case typeByte:
        return this.#byte() << 24 >> 24;
      case typeI16:
      case typeI32:
        return Number(BigInt.asIntN(32, this.#zigzag()));
      case typeI64:
        return this.#zigzag();
      case typeDouble:
        return new DataView(this.#take(8).slice().buffer).getFloat64(0, true);
      case typeBinary:
        return this.#take(this.#length());
      case typeList:
      case typeSet:
        return this.#list(depth + 1);
      case typeMap:
        return this.#map(depth + 1);
      case typeStruct:
        return this.struct(depth + 1);
      case typeUuid:
        return this.#take(16);
      default:
        throw this.#malformed(`type ${type} does not exist`);
    }
  }

  #list(depth: number): ThriftList {
    if (depth > depthMax) throw this.#malformed(`lists nest more than ${depthMax} deep`);
    const start = this.#at;
    const header = this.#byte();
    const count = header >> 4 === 15 ? this.#length() : header >> 4;
    this.#checkCount(count);
    const items: ThriftValue[] = [];
    const offsets: number[] = [];
    for (let item = 0; item < count; item++) {
      this.#count();
      offsets.push(this.#at);
      items.push(this.#value(header & 15, depth));
    }
    offsets.push(this.#at);
    return { items, offsets, start };
  }

  /** Keys and values in turn. Parquet has no maps, but an unknown field may be one. */
  #map(depth: number): ThriftList {
    if (depth > depthMax) throw this.#malformed(`maps nest more than ${depthMax} deep`);
    const start = this.#at;
    const count = this.#length();
    this.#checkCount(count);
    const items: ThriftValue[] = [];
    const types = count === 0 ? 0 : this.#byte();
    for (let item = 0; item < count; item++) {
      this.#count();
      items.push(this.#value(types >> 4, depth), this.#value(types & 15, depth));
    }
    return { items, offsets: [], start };
  }

  #count(): void {
    if (++this.#values > valuesMax) throw this.#malformed(`it has more than ${valuesMax} values`);
  }

  #checkCount(count: number): void {
    const left = this.bytes.length - this.#at;
    if (count > left) throw this.#malformed(`a list of ${count} elements has ${left} bytes left`);
  }

  #byte(): number {
    if (this.#at >= this.bytes.length) throw this.#malformed("it ends early");
    return this.bytes[this.#at++];
  }

  #take(count: number): Uint8Array {
    if (count > this.bytes.length - this.#at) {
      throw this.#malformed(`a value of ${count} bytes goes beyond the end`);
    }
    return this.bytes.subarray(this.#at, this.#at += count);
  }

  /** An unsigned varint of up to 32 bits. */
  #length(): number {
    const value = this.#varint();
    if (value > 0x7fff_ffffn) throw this.#malformed(`a length of ${value}`);
    return Number(value);
  }

  #zigzag(): bigint {
    const value = this.#varint();
    return BigInt.asIntN(64, value >> 1n ^ -(value & 1n));
  }

  #varint(): bigint {
    let low = 0, shift = 0;
    // Most are short: 28 bits fit a small integer.
    for (; shift < 28; shift += 7) {
      const byte = this.#byte();
      low |= (byte & 127) << shift;
      if (byte < 128) return BigInt(low);
    }
    let value = BigInt(low);
    for (; shift < 70; shift += 7) {
      const byte = this.#byte();
      value |= BigInt(byte & 127) << BigInt(shift);
      if (byte < 128) return BigInt.asUintN(64, value);
    }
    throw this.#malformed("a number has more than 10 bytes");
  }

  #malformed(what: string): OpenWitError {
    return new OpenWitError("malformed", `cannot read the Parquet footer at its byte ${this.#at}: ${what}`);
  }
}
