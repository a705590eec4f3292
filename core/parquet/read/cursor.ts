/**
 * Walks Thrift's compact protocol (thrift-compact-protocol.md) without making anything of it: for headers of pages and
 * for footers of which a few numbers are wanted. What makes values of all of it is ../../segment/thrift.ts.
 *
 * Invariant: hostile bytes give an error, never a hang: depth is bounded, and each step takes a byte at least.
 */
import { OpenWitError } from "../../error.ts";

export const typeTrue = 1,
  typeFalse = 2,
  typeI32 = 5,
  typeI64 = 6,
  typeBinary = 8,
  typeList = 9,
  typeStruct = 12;

const typeByte = 3, typeI16 = 4, typeDouble = 7, typeSet = 10, typeMap = 11, typeUuid = 13;

const depthMax = 32;

export class ThriftCursor {
  /** Of the field that `field` went to; of a list's items after `list`. */
  type = 0;

  constructor(readonly bytes: Uint8Array, public at: number) {}

  /** Goes to the next field of a struct; its id, or 0 at the end. @param last id of the field before it, or 0 */
  field(last: number): number {
    const header = this.byte();
    if (header === 0) return 0;
    this.type = header & 15;
    return header >> 4 === 0 ? this.integer() : last + (header >> 4);
  }

  /** Begins a list; how many items it has. */
  list(): number {
    const header = this.byte();
    this.type = header & 15;
    const count = header >> 4 === 15 ? this.#varint() : header >> 4;
    if (count > this.bytes.length - this.at) {
      throw this.malformed(`a list of ${count} items goes beyond the end`);
    }
    return count;
  }

  /** A whole number from 0 that a double holds. */
  integer(): number {
    const value = this.#varint();
    if (value % 2 === 1 || value > 2 ** 53) throw this.malformed("a number below 0, or too large");
    return value / 2;
  }

  /** Bytes of a text or binary value. */
  binary(): Uint8Array {
    const count = this.#varint();
    this.pass(count);
    return this.bytes.subarray(this.at - count, this.at);
  }

  /** Passes over a value of this type, in a struct. */
  skip(type: number, depth = 0): void {
    if (depth > depthMax) throw this.malformed(`values nest more than ${depthMax} deep`);
    switch (type) {
      case typeTrue:
      case typeFalse:
        return;
      case typeByte:
        return this.pass(1);
      case typeI16:
      case typeI32:
      case typeI64:
        while (this.byte() > 127);
        return;
      case typeDouble:
        return this.pass(8);
      case typeBinary:
        return this.pass(this.#varint());
      case typeList:
      case typeSet: {
        const count = this.list(), item = this.type;
        for (let at = 0; at < count; at++) this.#skipItem(item, depth);
        return;
      }
      case typeMap: {
        const count = this.#varint();
        if (count > this.bytes.length - this.at) throw this.malformed("a map that goes beyond the end");
        const types = count === 0 ? 0 : this.byte();
        for (let at = 0; at < count; at++) {
          this.#skipItem(types >> 4, depth);
          this.#skipItem(types & 15, depth);
        }
        return;
      }
      case typeStruct:
        for (let id = this.field(0); id !== 0; id = this.field(id)) this.skip(this.type, depth + 1);
        return;
      case typeUuid:
        return this.pass(16);
      default:
        throw this.malformed(`type ${type} does not exist`);
    }
  }

  pass(count: number): void {
    if (count > this.bytes.length - this.at) throw this.malformed("a value that goes beyond the end");
    this.at += count;
  }

  byte(): number {
    if (this.at >= this.bytes.length) throw this.malformed("it ends early");
    return this.bytes[this.at++];
  }

  malformed(what: string): OpenWitError {
    return new OpenWitError("malformed", `cannot read what a Parquet file says of itself: ${what}`);
  }

  /** In a list a boolean is a byte of its own. */
  #skipItem(type: number, depth: number): void {
    if (type === typeTrue || type === typeFalse) this.pass(1);
    else this.skip(type, depth + 1);
  }

  #varint(): number {
    let value = 0;
    for (let scale = 1;; scale *= 128) {
      if (scale > 2 ** 63) throw this.malformed("a number has more than 10 bytes");
      const byte = this.byte();
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  }
}
