/** How many bytes were written for each that is stored: flash wears by it. */
import type { Store } from "../store/store.ts";

/** Bytes written since start, to WAL, segments and indexes, for each byte that the segments grew by; 0 before there is any. */
export function writeAmplification({ wal, env: { metrics } }: Store): number {
  const flushed = metrics.total("openwit_flushed_bytes_total");
  const merged = metrics.total("openwit_compacted_bytes_total");
  const indexed = metrics.total("openwit_index_bytes_total");
  const stored = flushed + merged - metrics.total("openwit_compaction_read_bytes_total");
  return stored <= 0 ? 0 : (wal.stats.appendedBytes + flushed + merged + indexed) / stored;
}
