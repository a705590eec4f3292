/**
 * Which rows of which input row groups make each row group of a merged file. Pure; time_merger.ts does it.
 *
 * Flushes follow each other in time, so a row group takes its rows from a few of its inputs', and each of those is read
 * about twice. Where it is not so, the plan says how often.
 */
import { rowGroupRows } from "../segment/encoder.ts";

/** A row group of an input. Rows are numbered through all inputs, one after the other. */
export interface InputGroup {
  readonly firstRow: number;
  readonly rows: number;
  /** About what a row takes before it is compressed. */
  readonly rowBytes: number;
}

export interface RowGroupPlan {
  /** Row groups that it takes rows from, by their place in the list, ascending; and which, by number in the group. */
  readonly parts: readonly { readonly group: number; readonly rows: Int32Array }[];
  /** The rows of the parts, one part after the other, in the order that the file has; undefined when they are. */
  readonly order: Int32Array | undefined;
}

/** Bytes of rows above which a row group takes fewer of them: what bounds the memory of a merge of large rows. */
const rowGroupBytesMax = 16 * 1024 * 1024;

/**
 * Ends of the row groups that rows in this order make.
 * @param groups that are not empty, ascending
 */
export function cutRowGroups(
  order: Int32Array,
  groups: readonly InputGroup[],
): { readonly ends: readonly number[]; readonly reads: number } {
  const groupOf = groupsOfRows(groups);
  const lastReader = new Int32Array(groups.length).fill(-1);
  const ends: number[] = [];
  let from = 0, bytes = 0, reads = 0;
  for (let at = 0; at < order.length; at++) {
    const group = groupOf[order[at]], { rowBytes } = groups[group];
    if (at - from === rowGroupRows || (at > from && bytes + rowBytes > rowGroupBytesMax)) {
      ends.push(at);
      from = at;
      bytes = 0;
    }
    bytes += rowBytes;
    if (lastReader[group] === ends.length) continue;
    lastReader[group] = ends.length;
    reads++;
  }
  if (order.length > from) ends.push(order.length);
  return { ends, reads };
}

/** The row group of rows `[from, to)` of an order. */
export function planRowGroup(
  order: Int32Array,
  from: number,
  to: number,
  groups: readonly InputGroup[],
): RowGroupPlan {
  const count = to - from;
  // A row and its place in one number: sorted, they are the rows as they are read, and where each of them goes.
  const keys = new Float64Array(count);
  let isInOrder = true;
  for (let at = 0; at < count; at++) {
    keys[at] = order[from + at] * count + at;
    if (at > 0 && order[from + at] < order[from + at - 1]) isInOrder = false;
  }
  if (!isInOrder) keys.sort();
  const places = new Int32Array(count);
  const parts: { group: number; rows: Int32Array }[] = [];
  for (let at = 0, group = 0; at < count;) {
    const first = Math.floor(keys[at] / count);
    while (groups[group].firstRow + groups[group].rows <= first) group++;
    const { firstRow, rows } = groups[group];
    const own = new Int32Array(Math.min(count - at, rows));
    let taken = 0;
    for (; at < count; at++) {
      const row = Math.floor(keys[at] / count);
      if (row >= firstRow + rows) break;
      places[keys[at] - row * count] = at;
      own[taken++] = row - firstRow;
    }
    parts.push({ group, rows: own.subarray(0, taken) });
  }
  return { parts, order: isInOrder ? undefined : places };
}

function groupsOfRows(groups: readonly InputGroup[]): Uint16Array {
  const last = groups.at(-1);
  const groupOf = new Uint16Array(last === undefined ? 0 : last.firstRow + last.rows);
  for (const [index, { firstRow, rows }] of groups.entries()) groupOf.fill(index, firstRow, firstRow + rows);
  return groupOf;
}
