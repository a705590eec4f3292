/**
 * What a Parquet file has after its row groups: where each page lies, if the layout wants it, and the FileMetaData
 * (Parquet format 2.11; core/segment/reader.ts reads it).
 */
import type { Signal } from "../model/columns.ts";
import type { ColumnChunk, RowGroup } from "./pages.ts";
import { leavesOf, writeSchema } from "./schema.ts";
import type { ByteSink } from "./sink.ts";
import { thriftBinary, thriftI32, thriftStruct, ThriftWriter } from "./thrift_writer.ts";

/** "PAR1". */
export const magic = Uint8Array.of(0x50, 0x41, 0x52, 0x31);

/** @param offset where in the file the sink begins */
export function writeFooter(
  out: ByteSink,
  offset: number,
  signal: Signal,
  groups: readonly RowGroup[],
  keyValues: Readonly<Record<string, string>>,
): void {
  const indexes = writeOffsetIndexes(out, offset, groups);
  const start = out.length;
  const thrift = new ThriftWriter(out);
  thrift.i32(1, 1);
  writeSchema(thrift, signal);
  thrift.i64(3, groups.reduce((sum, { rows }) => sum + rows, 0));
  thrift.list(4, thriftStruct, groups.length);
  for (const group of groups) writeRowGroup(thrift, group, indexes);
  const pairs = Object.entries(keyValues);
  thrift.list(5, thriftStruct, pairs.length);
  for (const [key, value] of pairs) {
    thrift.openItem();
    thrift.binary(1, key);
    thrift.binary(2, value);
    thrift.close();
  }
  thrift.binary(6, "openwit");
  // Least and largest values count for readers only when their order is said to be that of the type.
  const leaves = leavesOf(signal);
  thrift.list(7, thriftStruct, leaves.length);
  for (const _ of leaves) {
    thrift.openItem();
    thrift.empty(1);
    thrift.close();
  }
  thrift.close();
  const length = out.length - start;
  const at = out.reserve(4);
  out.length += 4;
  out.setUint32(at, length);
  out.append(magic);
}

type OffsetIndexes = ReadonlyMap<ColumnChunk, { readonly offset: number; readonly bytes: number }>;

/** All lie together, so that a reader takes them at once; a page's first row counts within its row group. */
function writeOffsetIndexes(out: ByteSink, offset: number, groups: readonly RowGroup[]): OffsetIndexes {
  const indexes = new Map<ColumnChunk, { offset: number; bytes: number }>();
  for (const chunk of groups.flatMap(({ chunks }) => chunks)) {
    if (chunk.pages.length === 0) continue;
    const start = out.length;
    const thrift = new ThriftWriter(out);
    thrift.list(1, thriftStruct, chunk.pages.length);
    for (const page of chunk.pages) {
      thrift.openItem();
      thrift.i64(1, page.offset);
      thrift.i32(2, page.bytes);
      thrift.i64(3, page.firstRow);
      thrift.close();
    }
    thrift.close();
    indexes.set(chunk, { offset: offset + start, bytes: out.length - start });
  }
  return indexes;
}

function writeRowGroup(thrift: ThriftWriter, { rows, chunks }: RowGroup, indexes: OffsetIndexes): void {
  thrift.openItem();
  thrift.list(1, thriftStruct, chunks.length);
  for (const chunk of chunks) writeChunk(thrift, chunk, indexes);
  thrift.i64(2, chunks.reduce((sum, { raw }) => sum + raw, 0));
  thrift.i64(3, rows);
  thrift.i64(6, chunks.reduce((sum, { compressed }) => sum + compressed, 0));
  thrift.close();
}

function writeChunk(thrift: ThriftWriter, chunk: ColumnChunk, indexes: OffsetIndexes): void {
  const { physical, path } = chunk.leaf;
  thrift.openItem();
  thrift.i64(2, 0);
  thrift.open(3);
  thrift.i32(1, physical);
  thrift.list(2, thriftI32, chunk.encodings.length);
  for (const encoding of chunk.encodings) thrift.i32Item(encoding);
  thrift.list(3, thriftBinary, path.length);
  for (const name of path) thrift.binaryItem(name);
  thrift.i32(4, chunk.codec);
  thrift.i64(5, chunk.places);
  thrift.i64(6, chunk.raw);
  thrift.i64(7, chunk.compressed);
  thrift.i64(9, chunk.dataOffset);
  if (chunk.tableOffset !== undefined) thrift.i64(11, chunk.tableOffset);
  if (chunk.statistics !== undefined) {
    thrift.open(12);
    thrift.i64(3, chunk.statistics.nulls);
    if (chunk.statistics.max !== undefined) thrift.binary(5, chunk.statistics.max);
    if (chunk.statistics.min !== undefined) thrift.binary(6, chunk.statistics.min);
    thrift.close();
  }
  thrift.close();
  const index = indexes.get(chunk);
  if (index !== undefined) {
    thrift.i64(4, index.offset);
    thrift.i32(5, index.bytes);
  }
  thrift.close();
}
