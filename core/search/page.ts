/**
 * A list of records in the order of time, in pages that lose and repeat nothing.
 *
 * Records have no number of their own, and many can share one nanosecond. A page usually ends between two times, and
 * its cursor is the last time. Where it must end within one time, the records of that time are ordered by a hash of
 * all of their columns, and the cursor names the last hash and how many records of that hash (equal in every column,
 * so that it does not matter which) were given. Records that arrive later cannot shift what a cursor means.
 */
import { OpenWitError } from "../error.ts";
import { columnsOf, type Signal, timeColumnOf } from "../model/columns.ts";
import { timestampNs } from "../model/row.ts";
import { quoteIdentifier } from "../model/sql.ts";
import type { Json } from "../query/format.ts";
import { Bindings, type BuiltStatement } from "./bindings.ts";
import { filterConditions, type RecordFilter, timeCondition, where } from "./filter.ts";

export type JsonRow = { readonly [column: string]: Json };

export interface PageRequest {
  readonly signal: Signal;
  readonly filter: RecordFilter;
  readonly order: "asc" | "desc";
  /** Records of a page. */
  readonly limit: number;
  readonly after?: PageCursor;
}

/** Where a page ended: after all records of a time, or within them. */
export interface PageCursor {
  readonly timeNs: bigint;
  readonly within?: { readonly tie: string; readonly given: number };
}

export interface Page {
  readonly rows: readonly JsonRow[];
  /** Where the next page begins; absent at the end. */
  readonly next?: PageCursor;
}

/** Runs a statement. `truncated` when a limit that is not its own cut rows off: of their bytes, or the node's. */
export type Ask = (
  statement: BuiltStatement,
) => Promise<{ readonly rows: readonly JsonRow[]; readonly truncated?: "rows" | "bytes" }>;

/** @throws OpenWitError `too_large` when a single record does not fit an answer, and what `ask` throws */
export async function readPage(request: PageRequest, ask: Ask): Promise<Page> {
  const { rows, next } = await readUnsettled(request, ask);
  return { rows: settled(request.signal, rows), next };
}

/** Records of one time in an order that is the same whenever they are read: by when they came, then by their text. */
function settled(signal: Signal, rows: readonly JsonRow[]): JsonRow[] {
  const time = timeColumnOf[signal];
  const result: JsonRow[] = [];
  for (let start = 0; start < rows.length;) {
    let end = start + 1;
    while (end < rows.length && rows[end][time] === rows[start][time]) end++;
    const keyed = rows.slice(start, end).map((row) =>
      [end - start === 1 ? "" : `${row.ingest_timestamp} ${JSON.stringify(row)}`, row] as const
    );
    result.push(
      ...keyed.sort(([left], [right]) => left < right ? -1 : left > right ? 1 : 0).map(([, row]) => row),
    );
    start = end;
  }
  return result;
}

async function readUnsettled(request: PageRequest, ask: Ask): Promise<Page> {
  const { limit, after } = request;
  const rows: JsonRow[] = [];
  if (after?.within !== undefined) {
    const { tie, given } = after.within;
    const group = await readTies(request, after.timeNs, tie, given, limit, ask);
    rows.push(...group.rows);
    if (group.next !== undefined) return { rows, next: group.next };
  }
  const room = limit - rows.length;
  const { rows: batch, isCut } = await askRows(ask, timeStatement(request, room + 1));
  const isEnd = !isCut && batch.length <= room;
  if (isEnd) return { rows: [...rows, ...batch] };
  // One more than fits is read, or what is left of a batch that was cut off.
  const end = Math.min(room, batch.length - 1);
  if (end === 0 && rows.length > 0) return { rows, next: { timeNs: after!.timeNs } };
  if (end === 0) throw tooLarge();
  const lastNs = timeOf(request.signal, batch[end - 1]);
  if (timeOf(request.signal, batch[end]) !== lastNs) {
    return { rows: [...rows, ...batch.slice(0, end)], next: { timeNs: lastNs } };
  }
  const whole = batch.slice(0, end).filter((row) => timeOf(request.signal, row) !== lastNs);
  const group = await readTies(request, lastNs, undefined, 0, end - whole.length, ask);
  return { rows: [...rows, ...whole, ...group.rows], next: group.next ?? { timeNs: lastNs } };
}

/** At most `limit` records of one time in the order of their hashes, from a hash on, without those given already. */
async function readTies(
  request: PageRequest,
  timeNs: bigint,
  tie: string | undefined,
  given: number,
  limit: number,
  ask: Ask,
): Promise<Page> {
  const { rows, isCut } = await askRows(ask, tieStatement(request, timeNs, tie, given + limit + 1));
  const isGiven = (row: JsonRow, at: number) => at < given && row.tie === tie;
  const left = rows.filter((row, at) => !isGiven(row, at));
  const isEnd = !isCut && left.length <= limit;
  const kept = isEnd ? left : left.slice(0, Math.min(limit, left.length - 1));
  if (!isEnd && kept.length === 0) throw tooLarge();
  const plain = kept.map(({ tie: _, ...row }) => row);
  if (isEnd) return { rows: plain };
  const last = String(kept.at(-1)!.tie);
  const same = kept.filter((row) => row.tie === last).length + (last === tie ? given : 0);
  return { rows: plain, next: { timeNs, within: { tie: last, given: same } } };
}

async function askRows(
  ask: Ask,
  statement: BuiltStatement,
): Promise<{ readonly rows: readonly JsonRow[]; readonly isCut: boolean }> {
  const { rows, truncated } = await ask(statement);
  return { rows, isCut: truncated !== undefined };
}

function timeStatement({ signal, filter, order, after }: PageRequest, limit: number): BuiltStatement {
  const bindings = new Bindings();
  const conditions = [
    ...(after === undefined ? [] : [timeCondition(signal, order === "desc" ? "<" : ">", after.timeNs)]),
    ...filterConditions(signal, filter, bindings),
  ];
  const sql = `SELECT * FROM ${signal}${where(conditions)} ORDER BY ${
    timeColumnOf[signal]
  } ${order.toUpperCase()} LIMIT ${limit}`;
  return { sql, params: bindings.values, limit };
}

function tieStatement(
  { signal, filter }: PageRequest,
  timeNs: bigint,
  tie: string | undefined,
  limit: number,
): BuiltStatement {
  const bindings = new Bindings();
  const conditions = [
    timeCondition(signal, "=", timeNs),
    ...filterConditions(signal, filter, bindings),
    ...(tie === undefined ? [] : [`${tieHash(signal)} >= ${bindings.add(tie)}`]),
  ];
  const sql = `SELECT *, ${tieHash(signal)} AS tie FROM ${signal}${
    where(conditions)
  } ORDER BY tie LIMIT ${limit}`;
  return { sql, params: bindings.values, limit };
}

/** A hash of all columns of a record. */
function tieHash(signal: Signal): string {
  const texts = columnsOf[signal].map(({ name }) =>
    `coalesce(CAST(${quoteIdentifier(name)} AS VARCHAR), '')`
  );
  return `md5(concat_ws(chr(31), ${texts.join(", ")}))`;
}

function timeOf(signal: Signal, row: JsonRow): bigint {
  return timestampNs(String(row[timeColumnOf[signal]]));
}

function tooLarge(): OpenWitError {
  return new OpenWitError("too_large", "a single record is larger than an answer may be", {
    hint: "read it with SQL, without its widest columns",
  });
}
