/**
 * Writes the Parquet file of one segment from Arrow batches, as a stream: row groups leave as they are finished.
 *
 * Parquet format 2.11. What was measured for each setting: docs/decisions/003-l0-encoding.md.
 */
import {
  Compression,
  EnabledStatistics,
  Encoding,
  Table,
  transformParquetStream,
  type WriterProperties,
  WriterPropertiesBuilder,
  WriterVersion,
} from "parquet-wasm/esm";
import { OpenWitError } from "../../core/error.ts";
import { columnsOf, type Signal, timeColumnOf } from "../../core/model/columns.ts";
import { rowGroupRows } from "../../core/segment/encoder.ts";
import { withoutArrowSchema } from "./arrow-schema.ts";
import { loadParquetWasm } from "./wasm.ts";

/**
 * Encodes batches of one schema into a Parquet file.
 * @param batches Arrow IPC streams, each taken when the one before is in WASM memory
 * @returns the file's bytes in order; they are not views of WASM memory
 * @throws OpenWitError `internal` when the writer refuses a batch
 */
export async function* writeParquetStream(
  signal: Signal,
  batches: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  keyValues: Readonly<Record<string, string>>,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  loadParquetWasm();
  let last: Uint8Array<ArrayBuffer> | undefined;
  try {
    const file = await transformParquetStream(recordBatches(batches), writerProperties(signal, keyValues));
    for await (const bytes of file as unknown as AsyncIterable<Uint8Array<ArrayBuffer>>) {
      if (last !== undefined) yield last;
      last = bytes;
    }
  } catch (error) {
    if (error instanceof OpenWitError) throw error;
    throw new OpenWitError("internal", `cannot encode a segment of ${signal}: ${messageOf(error)}`, {
      cause: error,
    });
  }
  if (last === undefined) throw new OpenWitError("internal", "the Parquet writer gave no bytes");
  yield withoutArrowSchema(last);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function recordBatches(batches: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): ReadableStream {
  async function* read() {
    for await (const ipc of batches) {
      const table = Table.fromIPCStream(ipc);
      const all = table.recordBatches();
      table.free();
      yield* all;
    }
  }
  const iterator = read();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await iterator.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await iterator.return(undefined);
    },
  }, { highWaterMark: 0 });
}

/**
 * Settings apply to top-level columns by name; nested ones follow the defaults, for the writer takes a dotted path
 * as one name. So dictionaries are off by default (hashing 16 texts a row for keys and values of attributes is
 * what costs most) and on where the table of columns says that values are few.
 */
function writerProperties(signal: Signal, keyValues: Readonly<Record<string, string>>): WriterProperties {
  let builder = new WriterPropertiesBuilder()
    .setCreatedBy("openwit")
    .setCompression(Compression.ZSTD)
    .setWriterVersion(WriterVersion.V1)
    .setMaxRowGroupSize(rowGroupRows)
    .setMaxRowGroupBytes(rowGroupBytesMax)
    .setDictionaryEnabled(false)
    .setStatisticsEnabled(EnabledStatistics.None)
    .setKeyValueMetadata(new Map(Object.entries(keyValues)));
  // Lengths apart from bytes compress best; only where no nested column is a number, which cannot have it.
  const textDefault = signal === "logs";
  if (textDefault) builder = builder.setEncoding(Encoding.DELTA_LENGTH_BYTE_ARRAY);
  for (const { name, type } of columnsOf[signal]) {
    switch (type.kind) {
      case "dictionary":
        builder = builder.setColumnDictionaryEnabled(name, true);
        break;
      case "int32":
      case "uint32":
        builder = builder.setColumnDictionaryEnabled(name, true).setColumnEncoding(name, Encoding.PLAIN);
        break;
      case "timestamp":
      case "int64":
      case "uint64":
        builder = builder.setColumnEncoding(name, Encoding.DELTA_BINARY_PACKED);
        break;
      case "utf8":
        builder = builder.setColumnEncoding(name, Encoding.DELTA_LENGTH_BYTE_ARRAY);
        break;
      case "bool":
      case "float64":
        builder = builder.setColumnEncoding(name, Encoding.PLAIN);
    }
  }
  for (const name of [timeColumnOf[signal], ...statisticsColumns]) {
    if (columnsOf[signal].some((column) => column.name === name)) {
      builder = builder.setColumnStatisticsEnabled(name, EnabledStatistics.Chunk);
    }
  }
  return builder.build();
}

/**
 * A row group is held in WASM memory until it is whole. Rows of a kilobyte, compressed, still fit 16,384 into this;
 * of rows of 64 KB a row group takes fewer, or a segment of them would need 500 MB.
 */
const rowGroupBytesMax = 16 * 1024 * 1024;

/** What prunes row groups before they are sorted. A row group is about a page, so statistics a page add nothing. */
const statisticsColumns = [
  "ingest_timestamp",
  "severity_number",
  "status_code",
  "service_name",
  "metric_name",
];
