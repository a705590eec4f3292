/**
 * Writes Thrift's compact protocol, in which Parquet has its page headers and its footer
 * (thrift/doc/specs/thrift-compact-protocol.md); core/segment/thrift.ts reads it.
 *
 * Invariant: the fields of a struct are written in rising order of their ids, less than 16 apart.
 */
import { ByteSink } from "./sink.ts";

export const thriftI32 = 5, thriftBinary = 8, thriftStruct = 12;
const typeTrue = 1, typeFalse = 2, typeByte = 3, typeI64 = 6, typeList = 9;

export class ThriftWriter {
  readonly sink: ByteSink;
  /** Id of the field last written, for each struct that is open. */
  readonly #last: number[] = [0];

  constructor(sink: ByteSink = new ByteSink(256)) {
    this.sink = sink;
  }

  boolean(id: number, value: boolean): void {
    this.#field(id, value ? typeTrue : typeFalse);
  }

  i8(id: number, value: number): void {
    this.#field(id, typeByte);
    this.sink.byte(value);
  }

  /** A whole number from 0. */
  i32(id: number, value: number): void {
    this.#field(id, thriftI32);
    this.sink.varint(value * 2);
  }

  /** A whole number from 0 to 2^52. */
  i64(id: number, value: number): void {
    this.#field(id, typeI64);
    this.sink.varint(value * 2);
  }

  binary(id: number, value: Uint8Array | string): void {
    this.#field(id, thriftBinary);
    this.binaryItem(value);
  }

  /** Begins a list; its `count` items follow. */
  list(id: number, type: number, count: number): void {
    this.#field(id, typeList);
    if (count < 15) return this.sink.byte(count << 4 | type);
    this.sink.byte(15 << 4 | type);
    this.sink.varint(count);
  }

  i32Item(value: number): void {
    this.sink.varint(value * 2);
  }

  binaryItem(value: Uint8Array | string): void {
    const bytes = typeof value === "string" ? textEncoder.encode(value) : value;
    this.sink.varint(bytes.length);
    this.sink.append(bytes);
  }

  /** Begins a struct that is a field. */
  open(id: number): void {
    this.#field(id, thriftStruct);
    this.openItem();
  }

  /** Begins a struct that is an item of a list. */
  openItem(): void {
    this.#last.push(0);
  }

  /** Ends a struct, the outermost included. */
  close(): void {
    this.sink.byte(0);
    this.#last.pop();
    if (this.#last.length === 0) this.#last.push(0);
  }

  /** A struct without fields, as those of unions that only name a choice. */
  empty(id: number): void {
    this.open(id);
    this.close();
  }

  #field(id: number, type: number): void {
    const top = this.#last.length - 1;
    this.sink.byte(id - this.#last[top] << 4 | type);
    this.#last[top] = id;
  }
}

const textEncoder = new TextEncoder();
