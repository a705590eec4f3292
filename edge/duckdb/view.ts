/**
 * What one mention of a table reads: an explicit projection of its Parquet files, UNION ALL the pinned memtable rows.
 * It stands as a WITH query before the statement, and not as a view, for DuckDB would open the first file of each
 * select once more to make the view: 0.8 ms for each.
 *
 * Files that are read whole stand in one list. Each file of which some rows are read is a select of its own, for only
 * then does DuckDB 1.5 skip the row groups beside them: `file_index = 3 AND file_row_number BETWEEN …` joined by OR
 * reads every file. `file_row_number` is a virtual column: it is not in `SELECT *`. Files whose times are known to be
 * within all bounds stand in a list of their own, in which the time is a constant and is not read.
 */
import { resolve } from "node:path";
import { type Signal, timeColumnOf } from "../../core/model/columns.ts";
import { quoteIdentifier, quoteText, typedSelectList } from "../../core/model/sql.ts";
import type { TimeRange } from "../../core/query/bounds.ts";
import { type EngineTable, type FileRead, rowPlaceColumns, type RowRange } from "../../core/query/engine.ts";
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
  const ofFiles = (files: string, { isInWindow, timeNs }: FileRead, place: string, where: string[] = []) =>
    select(
      typedSelectList(signal, table.columns, givenTime(signal, timeNs)) + places(place, "file_row_number"),
      parquet(files) + called,
      [...where, ...isInWindow === true ? [] : windowConditions(table), ...tried],
    );
  const parts: string[] = [];
  const whole = new Map<string, number[]>();
  const paths = table.files.map(({ path }) => quoteText(resolve(dataDir, path)));
  for (const [index, file] of table.files.entries()) {
    if (file.rows !== undefined) {
      parts.push(ofFiles(paths[index], file, String(index), [rowsCondition(file.rows)]));
      continue;
    }
    const kind = file.timeNs !== undefined ? "time known" : file.isInWindow === true ? "in window" : "";
    const list = whole.get(kind);
    if (list === undefined) whole.set(kind, [index]);
    else list.push(index);
  }
  for (const list of whole.values()) {
    const files = `[${list.map((index) => paths[index]).join(", ")}]`;
    const place = `([${list.join(", ")}])[CAST(file_index AS BIGINT) + 1]`;
    parts.push(ofFiles(files, table.files[list[0]], place));
  }
  if (table.chunks.length > 0 || parts.length === 0) {
    const columns = typedSelectList(signal, table.columns) + places("-1", "NULL");
    parts.push(select(columns, `${memtableFunctionName(signal)}(${pin})`, windowConditions(table)));
  }
  return parts.join(" UNION ALL ");
}

/** What stands for the time of a file whose times the statement cannot tell apart. */
function givenTime(signal: Signal, timeNs: bigint | undefined): Readonly<Record<string, string>> {
  return timeNs === undefined ? {} : { [timeColumnOf[signal]]: `make_timestamp_ns(${timeNs})` };
}

function parquet(files: string): string {
  return `read_parquet(${files}, hive_partitioning = false)`;
}

function rowsCondition(ranges: readonly RowRange[]): string {
  const single = ranges.filter(({ from, end }) => end - from === 1).map(({ from }) => from);
  const conditions = ranges.filter(({ from, end }) => end - from > 1)
    .map(({ from, end }) => `file_row_number BETWEEN ${from} AND ${end - 1}`);
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
