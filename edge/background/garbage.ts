/**
 * Collects what merges leave, in time: the collector learns late of what buffers take, and a row group and what it was
 * made of are tens of megabytes.
 */

/** About two row groups of log records; a collection takes 8 ms, a row group 60 to 100. */
const rowGroupBytesMax = 10 * 1024 * 1024;

/** What a merger is to call after each row group. */
export function collectGarbage(): (rowGroupBytes: number) => void {
  let bytes = 0;
  return (rowGroupBytes) => {
    bytes += rowGroupBytes;
    if (bytes < rowGroupBytesMax) return;
    Bun.gc(true);
    bytes = 0;
  };
}
