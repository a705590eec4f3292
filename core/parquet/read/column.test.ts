import { expect, test } from "bun:test";
import type { ParquetColumnChunk } from "../../segment/reader.ts";
import { ByteSink } from "../sink.ts";
import { ThriftWriter } from "../thrift_writer.ts";
import { readWordPages } from "./column.ts";
import { plain, runLengths } from "./page.ts";

/** A compressed data page of version 1 of an optional INT32 column: its levels, then its values as they are. */
function optionalPage(values: readonly (number | undefined)[]): Uint8Array {
  const body = new ByteSink();
  const levels = new ByteSink();
  for (const value of values) {
    levels.varint(1 << 1); // a run of one
    levels.byte(value === undefined ? 0 : 1);
  }
  body.append(new Uint8Array(Uint32Array.of(levels.length).buffer));
  body.append(levels.view());
  body.append(new Uint8Array(Int32Array.from(values.filter((value) => value !== undefined)).buffer));
  const stored = Bun.zstdCompressSync(body.view());
  const page = new ByteSink();
  const thrift = new ThriftWriter(page);
  thrift.i32(1, 0);
  thrift.i32(2, body.length);
  thrift.i32(3, stored.length);
  thrift.open(5);
  thrift.i32(1, values.length);
  thrift.i32(2, plain);
  thrift.i32(3, runLengths);
  thrift.i32(4, runLengths);
  thrift.close();
  thrift.close();
  page.append(stored);
  return page.view();
}

test("plain numbers behind levels are read from where they begin", () => {
  const bytes = optionalPage([7, undefined, -5, 1_000_000, undefined, 9]);
  const chunk = { codec: "ZSTD" } as ParquetColumnChunk;
  const pages = [...readWordPages(bytes, chunk, { maxRepetition: 0, maxDefinition: 1 }, 1)];
  expect(pages.map(({ words }) => [...words!])).toEqual([[7, -5, 1_000_000, 9]]);
  expect(pages.map(({ definition }) => [...definition!])).toEqual([[1, 0, 1, 1, 0, 1]]);
});
