/**
 * Where rows are by how fast they are reached: electric (in memory, and in the WAL), hot (segments on this box's disk),
 * cold (a bucket) and archive. Nothing is uploaded yet: the last two are empty.
 */
import { assert } from "../error.ts";
import type { MemtableChunk } from "../memtable/memtable.ts";
import { columnIndex, timeColumnOf } from "../model/columns.ts";
import type { Store } from "../store/store.ts";

export const tierNames = ["electric", "hot", "cold", "archive"] as const;
export type TierName = (typeof tierNames)[number];

export interface TierUsage {
  readonly rows: number;
  /** In memory; of segments, of their files. */
  readonly bytes: number;
  /** Event times, nanoseconds since 1970; `undefined` when there are no rows. */
  readonly oldestNs: bigint | undefined;
  readonly newestNs: bigint | undefined;
}

export function tierUsage(store: Store): Record<TierName, TierUsage> {
  const memtables = store.memtablesOf();
  const chunks = memtables.flatMap((memtable) => memtable.chunks.filter(({ rows }) => rows > 0));
  const segments = [...store.manifest.state.segments.values()];
  return {
    electric: {
      rows: memtables.reduce((sum, { rows }) => sum + rows, 0),
      bytes: memtables.reduce((sum, { usedBytes }) => sum + usedBytes, 0),
      ...rangeOf(chunks.map(timesOf)),
    },
    hot: {
      rows: segments.reduce((sum, { rows }) => sum + rows, 0),
      bytes: segments.reduce((sum, { bytes }) => sum + bytes, 0),
      ...rangeOf(segments.map(({ minTimeNs, maxTimeNs }) => [minTimeNs, maxTimeNs])),
    },
    cold: nothing,
    archive: nothing,
  };
}

const nothing: TierUsage = { rows: 0, bytes: 0, oldestNs: undefined, newestNs: undefined };

/** Least and greatest event time of a chunk's visible rows, of which there are some. */
function timesOf({ chunk, rows }: MemtableChunk): [bigint, bigint] {
  const vector = chunk.vectors[columnIndex(chunk.signal, timeColumnOf[chunk.signal])];
  assert(vector.kind === "fixed", "times are of fixed width");
  const times = vector.bigints(rows);
  let [least, greatest] = [times[0], times[0]];
  for (let row = 1; row < rows; row++) {
    const time = times[row];
    if (time < least) least = time;
    else if (time > greatest) greatest = time;
  }
  return [least, greatest];
}

function rangeOf(ranges: readonly (readonly [bigint, bigint])[]): Pick<TierUsage, "oldestNs" | "newestNs"> {
  let oldestNs: bigint | undefined;
  let newestNs: bigint | undefined;
  for (const [from, to] of ranges) {
    if (oldestNs === undefined || from < oldestNs) oldestNs = from;
    if (newestNs === undefined || to > newestNs) newestNs = to;
  }
  return { oldestNs, newestNs };
}
