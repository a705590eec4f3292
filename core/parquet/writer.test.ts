import { expect, test } from "bun:test";
import { buildChunk } from "../../tests/golden/segment-chunk.ts";
import { OpenWitError } from "../error.ts";
import { Chunk } from "../model/chunk.ts";
import { columnIndex, columnsOf, signals } from "../model/columns.ts";
import { rowGroupRows } from "../segment/encoder.ts";
import { footerLength, type ParquetFooter, parseParquetFooter } from "../segment/reader.ts";
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
    expect(stored).toBe(bytes.length - 4 - 8 - footerLength(bytes, bytes.length));
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

test("a NULL where the table allows none is a broken invariant, not a file", () => {
  const chunk = new Chunk("spans");
  const source = buildChunk("spans", 6, 1);
  chunk.appendRow(source, 0);
  const ids = chunk.vectors[columnsOf.spans.findIndex(({ name }) => name === "trace_id")];
  ids.truncate(0);
  if (ids.kind === "utf8") ids.pushNull();
  expect(() => write(chunk, [0, 1])).toThrow(OpenWitError);
});

/** @param cuts where batches begin and end */
function write(chunk: Chunk, cuts: readonly number[]): { bytes: Uint8Array; footer: ParquetFooter } {
  const writer = new ParquetWriter(chunk.signal, {});
  const pieces = cuts.slice(1).flatMap((
    to,
    at,
  ) => [...writer.write(sliceChunk(chunk, undefined, cuts[at], to))]);
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
