/**
 * What one mention of a table reads: an explicit projection of its Parquet files, UNION ALL the pinned memtable rows.
 * It stands as a WITH query before the statement, and not as a view, for DuckDB would open the first file of each
 * select once more to make the view: 0.8 ms for each.
 *
 * Files that are read whole stand in one list. Each file of which some rows are read is a select of its own, for only
 * then does DuckDB 1.5 skip the row groups beside them: `file_index = 3 AND file_row_number BETWEEN …` joined by OR
 * reads every file. `file_row_number` is a virtual column: it is not in `SELECT *`.
 */
import { resolve } from "node:path";
import { timeColumnOf } from "../../core/model/columns.ts";
import { quoteText, typedSelectList } from "../../core/model/sql.ts";
import type { TimeRange } from "../../core/query/bounds.ts";
import { type EngineTable, rowPlaceColumns, type RowRange } from "../../core/query/engine.ts";
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
  const columns = typedSelectList(table.signal, table.columns);
  const places = (file: string, row: string) =>
    table.withPlaces === true ? `, ${file} AS ${rowPlaceColumns.file}, ${row} AS ${rowPlaceColumns.row}` : "";
  const window = windowConditions(table);
  const select = (extra: string, from: string, conditions: readonly string[]) =>
    `SELECT ${columns}${extra} FROM ${from}${
      conditions.length === 0 ? "" : ` WHERE ${conditions.join(" AND ")}`
    }`;
  const parts: string[] = [];
  const whole: number[] = [];
  const paths = table.files.map(({ path }) => quoteText(resolve(dataDir, path)));
  for (const [index, { rows }] of table.files.entries()) {
    if (rows === undefined) whole.push(index);
    else {
      const conditions = [rowsCondition(rows), ...window];
      parts.push(select(places(String(index), "file_row_number"), parquet(paths[index]), conditions));
    }
  }
  if (whole.length > 0) {
    const from = parquet(`[${whole.map((index) => paths[index]).join(", ")}]`);
    parts.push(
      select(
        places(`([${whole.join(", ")}])[CAST(file_index AS BIGINT) + 1]`, "file_row_number"),
        from,
        window,
      ),
    );
  }
  if (table.chunks.length > 0 || parts.length === 0) {
    parts.push(select(places("-1", "NULL"), `${memtableFunctionName(table.signal)}(${pin})`, window));
  }
  return parts.join(" UNION ALL ");
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
