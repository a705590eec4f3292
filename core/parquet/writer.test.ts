import { expect, test } from "bun:test";
import { buildChunk } from "../../tests/golden/segment-chunk.ts";
import { OpenWitError } from "../error.ts";
import { Chunk } from "../model/chunk.ts";
import { columnIndex, columnsOf, signals } from "../model/columns.ts";
import { blockRows, rowGroupRows } from "../segment/encoder.ts";
import { footerLength, type ParquetFooter, parseParquetFooter } from "../segment/reader.ts";
import {
  readThriftStruct,
  readThriftStructAt,
  type ThriftList,
  type ThriftStruct,
} from "../segment/thrift.ts";
import { freshLayout, type Layout, mergedLayout } from "./layout.ts";
import { leavesOf } from "./schema.ts";
import { sliceChunk } from "./slice.ts";
import { ParquetWriter } from "./writer.ts";

test("the footer says where each column of each row group lies, without a gap", () => {
  for (const signal of signals) {
    const { footer, bytes } = write(buildChunk(signal, 1, 2_000), [0, 900, 2_000]);
    expect(footer.rows).toBe(2_000);
    for (const { columns, compressedBytes } of footer.rowGroups) {
      expect(columns.map(({ path }) => path)).toEqual(leavesOf(signal).map(({ path }) => path));
      expect(columns.reduce((sum, column) => sum + column.compressedBytes, 0)).toBe(compressedBytes);
    }
    const stored = footer.rowGroups.reduce((sum, group) => sum + group.compressedBytes, 0);
    const beforeFooter = bytes.length - 4 - 8 - footerLength(bytes, bytes.length);
    expect(stored + offsetIndexBytes(bytes)).toBe(beforeFooter);
  }
});

test("statistics are those of the row group's own values", () => {
  const chunk = buildChunk("logs", 2, 3_000);
  const services = chunk.vectors[columnIndex("logs", "service_name")];
  services.truncate(0);
  for (let row = 0; row < 3_000; row++) {
    if (services.kind === "dictionary") services.pushText(`service-${row % 7}`);
  }
  const { footer } = write(chunk, [0, 3_000]);
  const of = (name: string) => footer.rowGroups[0].columns.find(({ path }) => path.join(".") === name)!;
  expect(text(of("service_name").min)).toBe("service-0");
  expect(text(of("service_name").max)).toBe("service-6");
  const times = chunk.vectors[columnIndex("logs", "timestamp")];
  if (times.kind !== "fixed") throw new Error("times are fixed");
  expect(bigint(of("timestamp").min)).toBe(times.bigints()[0]);
  expect(bigint(of("timestamp").max)).toBe(times.bigints()[2_999]);
  expect(of("timestamp").nullCount).toBe(0);
  expect([of("trace_id").min, of("attributes.key_value.key").min]).toEqual([undefined, undefined]);
});

test("a text too long to repeat in the footer has no least and largest value", () => {
  const chunk = buildChunk("logs", 3, 1);
  const services = chunk.vectors[columnIndex("logs", "service_name")];
  services.truncate(0);
  if (services.kind === "dictionary") services.pushText("s".repeat(300));
  const column = write(chunk, [0, 1]).footer.rowGroups[0].columns.find(({ path }) =>
    path[0] === "service_name"
  )!;
  expect([column.min, column.max, column.nullCount]).toEqual([undefined, undefined, 0]);
});

test("columns of a few bytes are stored as they are, larger ones compressed", () => {
  const { footer } = write(buildChunk("logs", 4, 2_000), [0, 2_000]);
  const codecs = Object.fromEntries(footer.rowGroups[0].columns.map(({ path, codec }) => [path[0], codec]));
  expect([codecs.body, codecs.pattern_id]).toEqual(["ZSTD", "ZSTD"]);
  const small = write(buildChunk("logs", 4, 2), [0, 2]).footer;
  expect(small.rowGroups[0].columns.find(({ path }) => path[0] === "severity_number")!.codec).toBe(
    "UNCOMPRESSED",
  );
});

test("a row group never holds more than 16,384 rows, however batches are cut", () => {
  const { footer } = write(buildChunk("metrics", 5, 20_000), [0, 9_000, 18_000, 20_000]);
  expect(footer.rowGroups.every(({ rows }) => rows <= rowGroupRows)).toBe(true);
  expect(footer.rows).toBe(20_000);
});

test.each([
  ["a flush's", freshLayout, 128 * 1024],
  ["a merge's", mergedLayout, 192 * 1024],
])(
  "%s texts are cut into pages that hold whole rows, and the file says where each lies",
  (_, layout, pageBytes) => {
    const chunk = buildChunk("logs", 7, 16_384);
    const bodies = chunk.vectors[columnIndex("logs", "body")];
    bodies.truncate(0);
    for (let row = 0; row < 16_384; row++) {
      if (bodies.kind === "utf8") bodies.pushText(`${row} `.repeat(40));
    }
    const { bytes, footer } = write(chunk, [0, 16_384], layout);
    const cut: string[] = [];
    for (const column of offsetIndexes(bytes)) {
      const { offset, compressedBytes, values, bytes: raw } = footer.rowGroups[0].columns.find(({ path }) =>
        path.join(".") === column.path
      )!;
      const pages = column.pages.map((page) => ({ ...page, ...dataPage(bytes, page.offset) }));
      expect(pages.at(-1)!.offset + pages.at(-1)!.bytes).toBe(offset + compressedBytes);
      expect(pages.reduce((sum, page) => sum + page.values, 0)).toBe(values);
      if (pages.length === 1) continue;
      cut.push(column.path);
      expect(pages[0].offset).toBe(offset);
      let firstRow = 0, end = offset;
      for (const page of pages) {
        expect([page.firstRow, page.offset, page.bytes]).toEqual([firstRow, end, page.wholeBytes]);
        expect(page.raw).toBeLessThan(pageBytes * 4 / 3);
        firstRow += page.rows!;
        end += page.bytes;
      }
      expect(firstRow).toBe(16_384);
      expect(raw).toBeGreaterThan(pageBytes);
      expect(blockRows % pages[0].rows!).toBe(0);
    }
    expect(cut).toEqual(expect.arrayContaining(["body", "trace_id", "attributes.key_value.value"]));
    expect(cut).not.toContain("service_name");
  },
);

test("pages of texts have a power of two of rows, so many bytes at most, and 64 rows at least", () => {
  const pageRows = ({ textPageRows }: Layout, rowBytes: number) =>
    textPageRows(rowGroupRows, rowGroupRows * rowBytes);
  const rowBytes = [1, 8, 9, 12, 13, 24, 25, 190, 193, 3_000, 3_100, 64_000];
  expect(rowBytes.map((bytes) => pageRows(mergedLayout, bytes))).toEqual(
    [undefined, undefined, undefined, undefined, 8_192, 8_192, 4_096, 1_024, 512, 64, 64, 64],
  );
  expect(rowBytes.map((bytes) => pageRows(freshLayout, bytes))).toEqual(
    [undefined, undefined, 8_192, 8_192, 8_192, 4_096, 4_096, 512, 512, 64, 64, 64],
  );
});

test("a NULL where the table allows none is a broken invariant, not a file", () => {
  const chunk = new Chunk("spans");
  const source = buildChunk("spans", 6, 1);
  chunk.appendRow(source, 0);
  const ids = chunk.vectors[columnsOf.spans.findIndex(({ name }) => name === "trace_id")];
  ids.truncate(0);
  if (ids.kind === "utf8") ids.pushNull();
  expect(() => write(chunk, [0, 1])).toThrow(OpenWitError);
});

interface IndexedColumn {
  readonly path: string;
  readonly pages: readonly { readonly offset: number; readonly bytes: number; readonly firstRow: number }[];
}

/** The OffsetIndex of each column of the first row group that has one. */
function offsetIndexes(bytes: Uint8Array): IndexedColumn[] {
  const length = footerLength(bytes, bytes.length);
  const file = readThriftStruct(bytes.subarray(bytes.length - 8 - length, bytes.length - 8));
  return items(items(file, 4)[0], 1).filter(({ fields }) => fields.has(4)).map((chunk) => ({
    path: (child(chunk, 3).fields.get(3) as ThriftList).items.map((part) => text(part as Uint8Array)).join(
      ".",
    ),
    pages: items(readThriftStructAt(bytes, number(chunk, 4)).struct, 1).map((page) => ({
      offset: number(page, 1),
      bytes: number(page, 2),
      firstRow: number(page, 3),
    })),
  }));
}

/** Bytes of the OffsetIndexes of all row groups. */
function offsetIndexBytes(bytes: Uint8Array): number {
  const length = footerLength(bytes, bytes.length);
  const file = readThriftStruct(bytes.subarray(bytes.length - 8 - length, bytes.length - 8));
  return items(file, 4).flatMap((group) => items(group, 1)).reduce((sum, chunk) => sum + number(chunk, 5), 0);
}

function dataPage(bytes: Uint8Array, offset: number) {
  const { struct, end } = readThriftStructAt(bytes, offset);
  const version2 = struct.fields.has(8);
  const header = child(struct, version2 ? 8 : 5);
  return {
    values: number(header, 1),
    rows: version2 ? number(header, 3) : undefined,
    raw: number(struct, 2),
    wholeBytes: end - offset + number(struct, 3),
  };
}

const number = (struct: ThriftStruct, id: number) => Number(struct.fields.get(id));
const child = (struct: ThriftStruct, id: number) => struct.fields.get(id) as ThriftStruct;
const items = (struct: ThriftStruct, id: number) =>
  (struct.fields.get(id) as ThriftList).items as readonly ThriftStruct[];

/** @param cuts where batches begin and end */
function write(
  chunk: Chunk,
  cuts: readonly number[],
  layout: Layout = freshLayout,
): { bytes: Uint8Array; footer: ParquetFooter } {
  const writer = new ParquetWriter(chunk.signal, {}, layout);
  const pieces = cuts.slice(1).flatMap((to, at) => {
    const batch = sliceChunk({ chunk, rows: undefined, from: cuts[at], to });
    return [...writer.write(batch)];
  });
  const bytes = Buffer.concat([...pieces, ...writer.finish()]);
  const length = footerLength(bytes, bytes.length);
  return { bytes, footer: parseParquetFooter(bytes.subarray(bytes.length - 8 - length, bytes.length - 8)) };
}

function text(bytes: Uint8Array | undefined): string {
  return new TextDecoder().decode(bytes);
}

function bigint(bytes: Uint8Array | undefined): bigint {
  return new DataView(bytes!.buffer, bytes!.byteOffset).getBigInt64(0, true);
}
