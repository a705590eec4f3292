/** The segment encoder in the calling thread: for tests, the simulator and one-shot commands. */
import { freshLayout, type Layout } from "../../core/parquet/layout.ts";
import { ParquetWriter } from "../../core/parquet/writer.ts";
import type { SegmentEncoder } from "../../core/segment/encoder.ts";
import { batchesOf } from "./batches.ts";

export function inProcessEncoder(layout: Layout = freshLayout): SegmentEncoder {
  return {
    async *encode(signal, parts, keyValues) {
      const writer = new ParquetWriter(signal, keyValues, layout);
      for (const batch of batchesOf(parts)) yield* writer.write(batch);
      yield* writer.finish();
    },
  };
}
