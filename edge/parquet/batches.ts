/** Cuts the parts of a segment into batches small enough to bound the encoder's memory. */
import { type Batch, type ChunkRows, sliceChunk } from "../../core/parquet/slice.ts";
import { rowGroupRows, type SegmentPart } from "../../core/segment/encoder.ts";

/** Bytes of a batch above which it has fewer rows: it is copied for the worker by the server's thread. */
const batchBytesMax = 8 * 1024 * 1024;

/** The parts' rows in order, each batch made when it is asked for. */
export function* batchesOf(parts: readonly SegmentPart[]): Generator<Batch> {
  for (const rows of cutsOf(parts)) yield sliceChunk(rows);
}

/** Which rows are a batch of their own. None crosses 16,384 rows. */
export function* cutsOf(parts: readonly SegmentPart[]): Generator<ChunkRows> {
  let taken = 0;
  for (const { chunk, rows, rowCount } of parts) {
    const total = rows === undefined ? rowCount : rows.length;
    const rowBytes = chunk.bytes / Math.max(1, chunk.rows); // buffers have room to grow, so this is an upper bound
    const batchRows = Math.max(1, Math.min(rowGroupRows, Math.floor(batchBytesMax / rowBytes)));
    for (let from = 0; from < total;) {
      const to = Math.min(total, from + batchRows, from + rowGroupRows - taken % rowGroupRows);
      yield { chunk, rows, from, to };
      taken += to - from;
      from = to;
    }
  }
}
