/** Cuts the parts of a segment into batches small enough to bound the encoder's memory. */
import { chunkToIpc } from "../../core/arrow/batch.ts";
import { Chunk } from "../../core/model/chunk.ts";
import type { Signal } from "../../core/model/columns.ts";
import { rowGroupRows, type SegmentPart } from "../../core/segment/encoder.ts";

/** Bytes of a batch above which it has fewer rows: the encoder holds a few copies of it in WASM memory. */
const batchBytesMax = 8 * 1024 * 1024;

/**
 * Arrow IPC streams of the parts' rows in order, each made when it is asked for. No batch crosses the border of
 * a row group. There is at least one, so that a segment without rows still has a schema.
 */
export function* batchesOf(
  signal: Signal,
  parts: readonly SegmentPart[],
): Generator<Uint8Array<ArrayBuffer>> {
  let taken = 0;
  for (const { chunk, rows, rowCount } of parts) {
    const total = rows === undefined ? rowCount : rows.length;
    const rowBytes = chunk.bytes / Math.max(1, chunk.rows); // buffers have room to grow, so this is an upper bound
    const batchRows = Math.max(1, Math.min(rowGroupRows, Math.floor(batchBytesMax / rowBytes)));
    for (let from = 0; from < total;) {
      const to = Math.min(total, from + batchRows, from + rowGroupRows - taken % rowGroupRows);
      yield chunkToIpc(signal, chunk, rows, from, to);
      taken += to - from;
      from = to;
    }
  }
  if (taken === 0) yield chunkToIpc(signal, new Chunk(signal), undefined, 0, 0);
}
