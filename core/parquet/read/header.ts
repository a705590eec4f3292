/**
 * Walks the headers of a column chunk's pages (parquet.thrift PageHeader). A chunk may have hundreds of pages of which
 * few are wanted, so nothing is allocated: the fields are those of the page at hand.
 */
import { ThriftCursor, typeI32, typeStruct, typeTrue } from "./cursor.ts";
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
  readonly #cursor: ThriftCursor;

  constructor(readonly bytes: Uint8Array) {
    this.#cursor = new ThriftCursor(bytes, 0);
  }

  /** Goes on to the next page; false at the end. @throws OpenWitError `malformed` */
  next(): boolean {
    const cursor = this.#cursor;
    if (cursor.at >= this.bytes.length) return false;
    this.kind =
      this.size =
      this.stored =
      this.count =
      this.encoding =
      this.rows =
        -1;
    this.definitionBytes = this.repetitionBytes = -1;
    this.isCompressed = true;
    this.#header();
    if (this.kind < 0 || this.size < 0 || this.stored < 0) throw malformedPage("a header without its sizes");
    const isOfValues = this.kind === kindData || this.kind === kindDictionary || this.kind === kindDataV2;
    if (isOfValues && (this.count < 0 || this.encoding < 0)) {
      throw malformedPage("a header without its count");
    }
    if (this.kind === kindDataV2 && (this.definitionBytes < 0 || this.repetitionBytes < 0)) {
      throw malformedPage("a header without the lengths of its levels");
    }
    this.bodyAt = cursor.at;
    if (cursor.at + this.stored > this.bytes.length) {
      throw malformedPage(`a page of ${this.stored} bytes where ${this.bytes.length - cursor.at} are left`);
    }
    cursor.at += this.stored;
    return true;
  }

  #header(): void {
    const cursor = this.#cursor;
    for (let id = cursor.field(0); id !== 0; id = cursor.field(id)) {
      if (cursor.type === typeI32 && id === 1) this.kind = cursor.integer();
      else if (cursor.type === typeI32 && id === 2) this.size = cursor.integer();
      else if (cursor.type === typeI32 && id === 3) this.stored = cursor.integer();
      else if (cursor.type === typeStruct && (id === 5 || id === 7)) this.#values();
      else if (cursor.type === typeStruct && id === 8) this.#valuesOfVersion2();
      else cursor.skip(cursor.type);
    }
  }

  /** Of DataPageHeader and DictionaryPageHeader. */
  #values(): void {
    const cursor = this.#cursor;
    for (let id = cursor.field(0); id !== 0; id = cursor.field(id)) {
      if (cursor.type === typeI32 && id === 1) this.count = cursor.integer();
      else if (cursor.type === typeI32 && id === 2) this.encoding = cursor.integer();
      else cursor.skip(cursor.type);
    }
  }

  #valuesOfVersion2(): void {
    const cursor = this.#cursor;
    for (let id = cursor.field(0); id !== 0; id = cursor.field(id)) {
      if (id === 7) this.isCompressed = cursor.type === typeTrue;
      if (cursor.type !== typeI32) cursor.skip(cursor.type);
      else if (id === 1) this.count = cursor.integer();
      else if (id === 3) this.rows = cursor.integer();
      else if (id === 4) this.encoding = cursor.integer();
      else if (id === 5) this.definitionBytes = cursor.integer();
      else if (id === 6) this.repetitionBytes = cursor.integer();
      else cursor.skip(cursor.type);
    }
  }
}
