/**
 * Walks the headers of a column chunk's pages (parquet.thrift PageHeader, in Thrift's compact protocol). A chunk may
 * have hundreds of pages of which few are wanted, so nothing is allocated: the fields are those of the page at hand.
 */
import { malformedPage } from "./page.ts";

export const kindData = 0, kindDictionary = 2, kindDataV2 = 3;

export class PageHeaders {
  /** Number of parquet.thrift's PageType. */
  kind = 0;
  /** Bytes of the page, decompressed and as they are stored, without the header. */
  size = 0;
  stored = 0;
  /** Places: values, NULLs and empty lists; in a dictionary its values. */
  count = 0;
  /** Number of parquet.thrift's Encoding. */
  encoding = 0;
  /** Rows that begin in the page; -1 where the header does not say. */
  rows = 0;
  /** Of a data page of version 2, whose levels stand apart. */
  definitionBytes = 0;
  repetitionBytes = 0;
  isCompressed = true;
  /** Where the page begins. */
  bodyAt = 0;
  #at = 0;

  constructor(readonly bytes: Uint8Array) {}

  /** Goes on to the next page; false at the end. @throws OpenWitError `malformed` */
  next(): boolean {
    if (this.#at >= this.bytes.length) return false;
    this.kind =
      this.size =
      this.stored =
      this.count =
      this.encoding =
      this.rows =
        -1;
    this.definitionBytes = this.repetitionBytes = -1;
    this.isCompressed = true;
    this.#struct(pageFields, 0);
    if (this.kind < 0 || this.size < 0 || this.stored < 0) throw malformedPage("a header without its sizes");
    const isOfValues = this.kind === kindData || this.kind === kindDictionary || this.kind === kindDataV2;
    if (isOfValues && (this.count < 0 || this.encoding < 0)) {
      throw malformedPage("a header without its count");
    }
    if (this.kind === kindDataV2 && (this.definitionBytes < 0 || this.repetitionBytes < 0)) {
      throw malformedPage("a header without the lengths of its levels");
    }
    this.bodyAt = this.#at;
    if (this.#at + this.stored > this.bytes.length) {
      throw malformedPage(`a page of ${this.stored} bytes where ${this.bytes.length - this.#at} are left`);
    }
    this.#at += this.stored;
    return true;
  }

  /** @param structs which struct of ours stands in which field */
  #struct(kind: number, depth: number): void {
    if (depth > depthMax) throw malformedPage(`a header that nests more than ${depthMax} deep`);
    for (let id = 0;;) {
      const header = this.#byte();
      if (header === 0) return;
      const type = header & 15;
      id = header >> 4 === 0 ? this.#number() : id + (header >> 4);
      if (kind === pageFields && type === typeStruct && isValues(id)) this.#struct(id, depth + 1);
      else if (kind !== otherFields && type === typeI32) this.#set(kind, id, this.#number());
      else if (kind === dataV2Fields && id === 7) this.isCompressed = type === typeTrue;
      else this.#skip(type, depth);
    }
  }

  #set(kind: number, id: number, value: number): void {
    if (kind === pageFields) {
      if (id === 1) this.kind = value;
      else if (id === 2) this.size = value;
      else if (id === 3) this.stored = value;
    } else if (kind === dataV2Fields) {
      if (id === 1) this.count = value;
      else if (id === 3) this.rows = value;
      else if (id === 4) this.encoding = value;
      else if (id === 5) this.definitionBytes = value;
      else if (id === 6) this.repetitionBytes = value;
    } else if (id === 1) this.count = value;
    else if (id === 2) this.encoding = value;
  }

  /** Statistics, and what later versions may add. */
  #skip(type: number, depth: number): void {
    switch (type) {
      case typeTrue:
      case typeFalse:
        return;
      case typeByte:
        this.#byte();
        return;
      case typeI16:
      case typeI32:
      case typeI64:
        while (this.#byte() > 127);
        return;
      case typeDouble:
        return this.#pass(8);
      case typeBinary:
        return this.#pass(this.#length());
      case typeStruct:
        return this.#struct(otherFields, depth + 1);
      default: // no header of a page has a list or a map
        throw malformedPage(`a header with a field of type ${type}`);
    }
  }

  #pass(count: number): void {
    if (count > this.bytes.length - this.#at) throw malformedPage("a header that ends early");
    this.#at += count;
  }

  #byte(): number {
    if (this.#at >= this.bytes.length) throw malformedPage("a header that ends early");
    return this.bytes[this.#at++];
  }

  #length(): number {
    let value = 0;
    for (let shift = 0;; shift += 7) {
      if (shift > 28) throw malformedPage("a number of more than 32 bits");
      const byte = this.#byte();
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
  }

  /** A number of 32 bits in zigzag; those of a header are none below 0. */
  #number(): number {
    const value = this.#length();
    if (value % 2 === 1) throw malformedPage("a number below 0");
    return value / 2;
  }
}

const depthMax = 8;

const typeTrue = 1, typeFalse = 2, typeByte = 3, typeI16 = 4, typeI32 = 5, typeI64 = 6, typeDouble = 7;
const typeBinary = 8, typeStruct = 12;

/** Structs by the field of PageHeader that they stand in; the header itself, and those that are passed over. */
const pageFields = 0, dataV2Fields = 8, otherFields = -1;

function isValues(id: number): boolean {
  return id === 5 || id === 7 || id === dataV2Fields;
}
