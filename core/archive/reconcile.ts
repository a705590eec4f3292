/**
 * Decides which segments of an archive a node has already, so that importing twice, or a later archive of the same
 * node, doubles nothing.
 *
 * A segment's id settles it where it still stands here, or is named by the one that it was merged into. Merges on both
 * sides lose ids in time. What they never change is which node a row came from, its stream, its lane and the LSN of its
 * request: segments of one node, stream and lane whose LSNs do not overlap have no row in common. Where they do
 * overlap, the rows themselves are compared:
 *
 *   none in common           the segment is added
 *   all are here             it is passed over
 *   those here are all in the archive's, and were imported        the archive's take their place, in the same edit
 *   anything else            it is left out, and told: its rows cannot be told apart from those that are here
 *
 * For this the planner of merges keeps what came from different nodes apart. What was evicted here is not remembered:
 * importing it again brings it back.
 */
import type { SegmentMeta } from "../manifest/manifest.ts";
import type { Signal } from "../model/columns.ts";
import { parseSegmentPath } from "../segment/path.ts";

/** Rows that are in both sets of files, as often as in both; paths within the data folder. @throws OpenWitError */
export type RowsInCommon = (
  signal: Signal,
  some: readonly string[],
  others: readonly string[],
) => Promise<number>;

/** A segment of an archive, and where its bytes lie meanwhile. */
export interface StagedSegment {
  readonly segment: SegmentMeta;
  readonly file: string;
}

export interface Reconciliation {
  readonly add: readonly StagedSegment[];
  /** What each of these takes the place of. */
  readonly takeOver: readonly { readonly staged: StagedSegment; readonly from: readonly SegmentMeta[] }[];
  readonly alreadyHere: readonly SegmentMeta[];
  readonly leftOut: readonly { readonly segment: SegmentMeta; readonly why: string }[];
}

/** Whether a node has the rows of a segment by its id. */
export function isHere(
  id: string,
  here: ReadonlyMap<string, SegmentMeta>,
  mergedIds: ReadonlySet<string>,
): boolean {
  return here.has(id) || mergedIds.has(id);
}

/** Ids that segments name as merged into them. */
export function mergedIdsOf(here: Iterable<SegmentMeta>): Set<string> {
  return new Set([...here].flatMap(({ replaces }) => replaces));
}

/** @throws OpenWitError what reading the files throws */
export async function reconcile(
  staged: readonly StagedSegment[],
  here: ReadonlyMap<string, SegmentMeta>,
  rowsInCommon: RowsInCommon,
): Promise<Reconciliation> {
  const add: StagedSegment[] = [];
  const takeOver: Reconciliation["takeOver"][number][] = [];
  const alreadyHere: SegmentMeta[] = [];
  const leftOut: Reconciliation["leftOut"][number][] = [];
  const merged = mergedIdsOf(here.values());
  const lanes = Map.groupBy(here.values(), laneOf);
  const unclear: { staged: StagedSegment; overlaps: SegmentMeta[] }[] = [];
  for (const each of staged) {
    const { segment, file } = each;
    if (isHere(segment.id, here, merged)) {
      alreadyHere.push(segment);
      continue;
    }
    const overlaps = (lanes.get(laneOf(segment)) ?? []).filter((other) => overlap(segment, other));
    const common = overlaps.length === 0
      ? 0
      : await rowsInCommon(segment.signal, [file], overlaps.map(({ path }) => path));
    if (common === 0) add.push(each);
    else if (common === segment.rows) alreadyHere.push(segment);
    else unclear.push({ staged: each, overlaps });
  }
  for (const group of Map.groupBy(unclear, ({ staged }) => laneOf(staged.segment)).values()) {
    const from = [...new Set(group.flatMap(({ overlaps }) => overlaps))];
    const rows = from.reduce((sum, segment) => sum + segment.rows, 0);
    const isOwn = from.some(({ origin }) => origin === undefined);
    const common = isOwn ? 0 : await rowsInCommon(
      from[0].signal,
      group.map(({ staged }) => staged.file),
      from.map(({ path }) => path),
    );
    for (const { staged } of group) {
      if (!isOwn && common === rows) takeOver.push({ staged, from });
      else {
        const why = `some of its rows are here already, in ${from.map(({ path }) => path).join(", ")}, ` +
          "beside others that the archive has not";
        leftOut.push({ segment: staged.segment, why });
      }
    }
  }
  return { add, takeOver, alreadyHere, leftOut };
}

const hoursOfDay = 24;

/** Rows never move to another: node, stream, and the hour of their events or, when late, the day of their ingest. */
function laneOf(segment: SegmentMeta): string {
  const { tenant, signal, late, hour } = segment;
  const lane = late ? `late ${Math.floor(hour / hoursOfDay)}` : hour;
  return `${nodeOf(segment)}/${tenant}/${signal}/${lane}`;
}

/** To which node a segment's rows came. */
export function nodeOf({ origin, path }: SegmentMeta): string {
  return origin?.nodeId ?? parseSegmentPath(path).nodeId;
}

function overlap(a: SegmentMeta, b: SegmentMeta): boolean {
  const [x, y] = [a.origin ?? a, b.origin ?? b];
  return x.lsnFrom <= y.lsnTo && y.lsnFrom <= x.lsnTo;
}
