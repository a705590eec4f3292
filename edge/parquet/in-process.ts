/** The segment encoder in the calling thread: for tests, the simulator and one-shot commands. */
import type { SegmentEncoder } from "../../core/segment/encoder.ts";
import { batchesOf } from "./batches.ts";
import { writeParquetStream } from "./writer.ts";

export function inProcessEncoder(): SegmentEncoder {
  return {
    encode: (signal, parts, keyValues) => writeParquetStream(signal, batchesOf(signal, parts), keyValues),
  };
}
