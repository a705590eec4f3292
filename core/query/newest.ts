/**
 * Statements that want the newest (or the oldest) rows alone: `SELECT … FROM logs WHERE … ORDER BY timestamp DESC
 * LIMIT n`. They are answered from the newest slice of time first, which is widened until it holds n rows that meet
 * the conditions: then no older row can have a part in the answer.
 *
 * The n-th newest row that is found gives a bound, and every row at the bound or after it stays: of rows of the same
 * time the statement itself chooses.
 */
import { timeColumnOf } from "../model/columns.ts";
import type { TimeRange } from "./bounds.ts";
import { columnOf, type Mention } from "./mentions.ts";
import type { OwnConditions } from "./needs.ts";
import { isRowByRow } from "./row_by_row.ts";
import {
  columnNames,
  constantInteger,
  isNode,
  nodesIn,
  type SqlNode,
  type SqlValue,
  textOf,
} from "./tree.ts";

export interface Newest {
  /** Rows that the statement looks at: its limit and its offset. */
  readonly count: number;
  /** Newest first; else oldest first. */
  readonly isDescending: boolean;
}

/** More rows than these are as well read whole. */
export const newestRowsMax = 20_000;

/** Whether the query of a mention wants its newest or oldest rows alone. */
export function newestOf(mention: Mention, own: OwnConditions): Newest | undefined {
  const { query, isAlone } = mention;
  if (query === undefined || !isAlone || !own.isWhole || query.type !== "SELECT_NODE") return undefined;
  const isPlain = isEmpty(query.group_expressions) && isEmpty(query.group_sets) && query.having === null &&
    query.qualify === null && query.sample === null && query.aggregate_handling === "STANDARD_HANDLING";
  const items = nodesIn(query.select_list);
  if (!isPlain || !items.every(isRowByRow)) return undefined;
  const modifiers = nodesIn(query.modifiers);
  const order = modifiers.find(({ type }) => type === "ORDER_MODIFIER");
  const limit = modifiers.find(({ type }) => type === "LIMIT_MODIFIER");
  if (modifiers.length !== 2 || order === undefined || limit === undefined) return undefined;
  const rows = constantInteger(limit.limit);
  const offset = isNode(limit.offset) ? constantInteger(limit.offset) : 0n;
  if (rows === undefined || offset === undefined || rows < 1n || offset < 0n) return undefined;
  if (rows + offset > newestRowsMax) return undefined;
  const [first] = nodesIn(order.orders);
  if (first === undefined || !isByTime(first.expression, items, mention)) return undefined;
  return { count: Number(rows + offset), isDescending: first.type === "DESCENDING" };
}

/** Whether an ORDER BY is by the table's time: by its name, by another that the select list gives it, by its place. */
function isByTime(value: SqlValue | undefined, items: readonly SqlNode[], mention: Mention): boolean {
  if (!isNode(value)) return false;
  const isTime = (node: SqlNode) => columnOf(mention, node) === timeColumnOf[mention.signal];
  const place = constantInteger(value);
  if (place !== undefined) {
    const item = items[Number(place) - 1];
    return item !== undefined && isTime(item) && items.every(({ class: kind }) => kind !== "STAR");
  }
  if (value.class !== "COLUMN_REF") return false;
  const names = columnNames(value).map((name) => name.toLowerCase());
  if (names.length > 1) return isTime(value);
  // Names of the select list come before those of the table.
  const named = items.filter((item) => nameOf(item) === names[0]);
  const stars = items.filter(({ class: kind }) => kind === "STAR");
  const isChanged = stars.some((star) => !isEmpty(star.replace_list) || !isEmpty(star.rename_list));
  if (isChanged || !named.every(isTime)) return false;
  return named.length > 0 || isTime(value);
}

function nameOf(item: SqlNode): string {
  const alias = textOf(item.alias).toLowerCase();
  return alias === "" && item.class === "COLUMN_REF" ? (columnNames(item).at(-1) ?? "").toLowerCase() : alias;
}

function isEmpty(value: SqlValue | undefined): boolean {
  return value === undefined || value === null || Array.isArray(value) && value.length === 0;
}

/** A file, or a block of one, with the times of its rows. */
export interface Piece {
  /** Position of its file among those of the mention. */
  readonly file: number;
  /** Absent where a file is read whole. */
  readonly block?: number;
  readonly rows: number;
  readonly minNs: bigint;
  readonly maxNs: bigint;
}

/** A file whose pieces are not yet looked up. */
export interface UnopenedFile {
  readonly minNs: bigint;
  readonly maxNs: bigint;
  open(): Promise<readonly Piece[]>;
}

export interface Slice {
  /** Times of the slice, both ends included. */
  readonly window: TimeRange;
  /** All pieces that may hold rows of it. */
  readonly pieces: readonly Piece[];
  /** Whether there is nothing beyond it. */
  readonly isLast: boolean;
}

/**
 * Cuts the pieces of files into slices of time, newest (or oldest) first; each is some times as large as the one
 * before. Files are opened when the slice reaches their time.
 * @param range times that count
 */
export async function* slicesOf(
  files: readonly UnopenedFile[],
  isDescending: boolean,
  range: TimeRange,
): AsyncGenerator<Slice, void, undefined> {
  const near = nearOf(isDescending);
  const far = (piece: Times) => isDescending ? piece.minNs : -piece.maxNs;
  const byNear = nearestFirst(isDescending);
  const unopened = [...files].sort(byNear);
  let waiting: Piece[] = [];
  let active: Piece[] = [];
  let upper: bigint | undefined;
  for (let rowsMax = firstSliceRows;; rowsMax *= sliceGrowth) {
    for (let rows = 0; rows < rowsMax;) {
      const file = unopened[0], piece = waiting[0];
      if (file !== undefined && (piece === undefined || near(file) >= near(piece))) {
        unopened.shift();
        const opened = (await file.open()).filter((each) => isWithin(each, range));
        waiting = [...waiting, ...opened].sort(byNear);
        continue;
      }
      if (piece === undefined) break;
      waiting.shift();
      active.push(piece);
      rows += piece.rows;
    }
    const next = [unopened[0], waiting[0]].filter((each) => each !== undefined).sort(byNear)[0];
    const lower = next === undefined ? undefined : near(next);
    const from = lower === undefined ? undefined : lower + 1n;
    const window = isDescending ? between(from, upper) : between(negated(upper), negated(from));
    const isEmptySlice = from !== undefined && upper !== undefined && from > upper;
    if (!isEmptySlice) yield { window, pieces: active, isLast: lower === undefined };
    if (lower === undefined) return;
    active = active.filter((piece) => far(piece) <= lower);
    upper = lower;
  }
}

type Times = Pick<Piece, "minNs" | "maxNs">;

/** The order in which slices come to files and pieces. */
export function nearestFirst(isDescending: boolean): (left: Times, right: Times) => number {
  const near = nearOf(isDescending);
  return (left, right) => near(left) > near(right) ? -1 : near(left) < near(right) ? 1 : 0;
}

/** The end that a slice meets first. Oldest first is newest first of times with the other sign. */
function nearOf(isDescending: boolean): (piece: Times) => bigint {
  return ({ minNs, maxNs }) => isDescending ? maxNs : -minNs;
}

/** Two row groups: as much as is read to look at one row. */
const firstSliceRows = 32_768;
const sliceGrowth = 4;

function isWithin(piece: Piece, { minNs, maxNs }: TimeRange): boolean {
  return (minNs === undefined || piece.maxNs >= minNs) && (maxNs === undefined || piece.minNs <= maxNs);
}

function between(minNs: bigint | undefined, maxNs: bigint | undefined): TimeRange {
  return { ...(minNs === undefined ? {} : { minNs }), ...(maxNs === undefined ? {} : { maxNs }) };
}

function negated(time: bigint | undefined): bigint | undefined {
  return time === undefined ? undefined : -time;
}
