/**
 * What one mention of a table reads: an explicit projection of its Parquet files, UNION ALL the pinned memtable rows, which stand
 * as text where they are few (literal_rows.ts).
 * It stands as a WITH query before the statement, and not as a view, for DuckDB would open the first file of each
 * select once more to make the view: 0.8 ms for each.
 *
 * Files of which the same is read stand in one list (alike.ts), one for those of which all is read, and others for those of
 * which some rows are: DuckDB 1.5 skips the row groups beside them when the rows are the same in each file of a select, while
 * `file_index = 3 AND file_row_number BETWEEN …` joined by OR reads every file. `file_row_number` is a virtual column: it is not
 * in `SELECT *`. Files whose times are known to be within all bounds stand in lists of their own, in which the time is a
 * constant and is not read.
 */
import { resolve } from "node:path";
import { columnsOf, type Signal, timeColumnOf } from "../../core/model/columns.ts";
import { quoteIdentifier, quoteText, typedSelectList } from "../../core/model/sql.ts";
import type { TimeRange } from "../../core/query/bounds.ts";
import { type EngineTable, rowPlaceColumns, type RowRange } from "../../core/query/engine.ts";
import { alikeReads } from "./alike.ts";
import { literalRows } from "./literal_rows.ts";
import { memtableFunctionName } from "./memtable.ts";

/** The statement with its tables before it. @param tables name and select of each */
export function withTables(
  sql: string,
  tables: readonly { readonly name: string; readonly select: string }[],
): string {
  if (tables.length === 0) return sql;
  const list = tables.map(({ name, select }) => `${name} AS NOT MATERIALIZED (${select})`).join(", ");
  const [head] = /^WITH (RECURSIVE )?/.exec(sql) ?? [];
  if (head !== undefined) return `${head}${list}, ${sql.slice(head.length)}`;
  return `WITH ${list} ${/^(DESCRIBE|SUMMARIZE) /.test(sql) ? `SELECT * FROM (${sql})` : sql}`;
}

/** The select of one table. @param pin of the memtable rows */
export function selectOf(table: EngineTable, dataDir: string, pin: number): string {
  const { signal, conditions } = table;
  const places = (file: string, row: string) =>
    table.withPlaces === true ? `, ${file} AS ${rowPlaceColumns.file}, ${row} AS ${rowPlaceColumns.row}` : "";
  const select = (columns: string, from: string, where: readonly string[]) =>
    `SELECT ${columns} FROM ${from}${where.length === 0 ? "" : ` WHERE ${where.join(" AND ")}`}`;
  const tried = conditions === undefined ? [] : [`(${conditions.sql})`];
  const called = conditions === undefined ? "" : ` AS ${quoteIdentifier(conditions.alias)}`;
  const paths = table.files.map(({ path }) => quoteText(resolve(dataDir, path)));
  const parts = alikeReads(table.files).map(({ files, rows }) => {
    const { timeNs, isInWindow } = table.files[files[0]];
    const place = files.length === 1
      ? String(files[0])
      : `([${files.join(", ")}])[CAST(file_index AS BIGINT) + 1]`;
    return select(
      typedSelectList(signal, table.columns, givenTime(signal, timeNs)) + places(place, "file_row_number"),
      parquet(files.map((file) => paths[file])) + called,
      [
        ...rows === undefined ? [] : [rowsCondition(rows)],
        ...isInWindow === true ? [] : windowConditions(table),
        ...tried,
      ],
    );
  });
  if (table.chunks.some(({ rows }) => rows > 0)) {
    const needed = table.columns ?? table.needed;
    const literal = needed && literalRows(signal, table.chunks, needed);
    const columns = typedSelectList(signal, table.columns, literal?.given) + places("-1", "NULL");
    const from = literal?.from ?? `${memtableFunctionName(signal)}(${pin})`;
    parts.push(select(columns, from, windowConditions(table)));
  }
  if (parts.length === 0) {
    parts.push(`SELECT ${noValues(signal, table.columns)}${places("-1", "NULL")} WHERE false`);
  }
  return parts.join(" UNION ALL ");
}

/** A NULL of its type for each column: a relation without rows, for which nobody asks this thread, as the memtable's does. */
function noValues(signal: Signal, columns: ReadonlySet<string> | undefined): string {
  const none = Object.fromEntries(columnsOf[signal].map(({ name }) => [name, "NULL"]));
  return typedSelectList(signal, columns, none);
}

/** What stands for the time of a file whose times the statement cannot tell apart. */
function givenTime(signal: Signal, timeNs: bigint | undefined): Readonly<Record<string, string>> {
  return timeNs === undefined ? {} : { [timeColumnOf[signal]]: `make_timestamp_ns(${timeNs})` };
}

function parquet(paths: readonly string[]): string {
  return `read_parquet([${paths.join(", ")}], hive_partitioning = false)`;
}

function rowsCondition(ranges: readonly RowRange[]): string {
  const isSingle = ({ from, end, isToEnd }: RowRange) => end - from === 1 && isToEnd !== true;
  const single = ranges.filter(isSingle).map(({ from }) => from);
  const conditions = ranges.filter((range) => !isSingle(range)).map(({ from, end, isToEnd }) =>
    isToEnd === true ? `file_row_number >= ${from}` : `file_row_number BETWEEN ${from} AND ${end - 1}`
  );
  if (single.length > 0) conditions.push(`file_row_number IN (${single.join(", ")})`);
  return conditions.length === 0 ? "false" : `(${conditions.join(" OR ")})`;
}

function windowConditions(
  { signal, window }: { signal: EngineTable["signal"]; window?: TimeRange },
): string[] {
  const time = timeColumnOf[signal];
  return [
    ...(window?.minNs === undefined ? [] : [`${time} >= make_timestamp_ns(${window.minNs})`]),
    ...(window?.maxNs === undefined ? [] : [`${time} <= make_timestamp_ns(${window.maxNs})`]),
  ];
}
