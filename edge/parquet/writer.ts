/**
 * Writes the Parquet file of one segment from Arrow batches, as a stream: row groups leave as they are finished.
 *
 * Parquet format 2.11. What was measured for each setting: docs/decisions/003-l0-encoding.md.
 */
import {
  Compression,
  EnabledStatistics,
  Table,
  transformParquetStream,
  type WriterProperties,
  WriterPropertiesBuilder,
  WriterVersion,
} from "parquet-wasm/esm";
import type { Signal } from "../../core/model/columns.ts";
import { rowGroupRows } from "../../core/segment/encoder.ts";
import { loadParquetWasm } from "./wasm.ts";

/**
 * Encodes batches of one schema into a Parquet file.
 * @param batches Arrow IPC streams, each taken when the one before is in WASM memory
 * @returns the file's bytes in order
 */
export async function* writeParquetStream(
  signal: Signal,
  batches: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  keyValues: Readonly<Record<string, string>>,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  loadParquetWasm();
  const file = await transformParquetStream(recordBatches(batches), writerProperties(signal, keyValues));
  yield* file as unknown as AsyncIterable<Uint8Array<ArrayBuffer>>;
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

function writerProperties(_signal: Signal, keyValues: Readonly<Record<string, string>>): WriterProperties {
  return new WriterPropertiesBuilder()
    .setCreatedBy("openwit")
    .setCompression(Compression.ZSTD)
    .setWriterVersion(WriterVersion.V1)
    .setMaxRowGroupSize(rowGroupRows)
    .setStatisticsEnabled(EnabledStatistics.Chunk)
    .setKeyValueMetadata(new Map(Object.entries(keyValues)))
    .build();
}
