/**
 * Finds rows of a mention before its statement runs, by the conditions that are of its columns alone: a statement of
 * its own, which reads few columns and gives where the rows lie.
 *
 * What it runs is the printed form of conditions that passed the check, and that form passes it again.
 */
import { timeColumnOf } from "../model/columns.ts";
import { type EngineTable, rowPlaceColumns, type SqlEngine } from "./engine.ts";
import type { Mention } from "./mentions.ts";
import { ownConditions } from "./needs.ts";
import { checkedText } from "./print.ts";
import { allOf, call, columnReference, selectTree, type SqlNode } from "./tree.ts";

/** A row that was found. */
export interface FoundRow {
  /** Position of its file among those that were read; below 0 is memory: -1 - i is chunk i, where the place is known. */
  readonly file: number;
  readonly row: number;
  readonly timeNs: bigint;
}

export interface FindStatement {
  readonly sql: string;
  readonly columns: ReadonlySet<string>;
}

/** The statement that finds rows. @param isDescending by time; absent where no order is wanted */
export async function findStatement(
  engine: SqlEngine,
  mention: Mention,
  isDescending: boolean | undefined,
): Promise<FindStatement> {
  const own = ownConditions(mention);
  const time = columnReference([timeColumnOf[mention.signal]]);
  const order: SqlNode = {
    type: isDescending === true ? "DESCENDING" : "ASCENDING",
    null_order: "ORDER_DEFAULT",
    expression: time,
  };
  const tree = selectTree({
    select_list: [
      columnReference([rowPlaceColumns.file]),
      columnReference([rowPlaceColumns.row]),
      call("epoch_ns", [time]),
    ],
    from_table: {
      type: "BASE_TABLE",
      alias: mention.alias,
      sample: null,
      schema_name: "",
      catalog_name: "",
      table_name: mention.name,
      column_name_alias: [],
      at_clause: null,
    },
    where_clause: own.conditions.length === 0 ? null : allOf(own.conditions),
    modifiers: isDescending === undefined ? [] : [{ type: "ORDER_MODIFIER", orders: [order] }],
  });
  return { sql: await checkedText(engine, tree), columns: own.columns };
}

/**
 * Rows of a table that meet the conditions; at most `rowsMax`, the first ones by the statement's order.
 * @throws OpenWitError
 */
export async function findRows(
  engine: SqlEngine,
  statement: FindStatement,
  table: Omit<EngineTable, "columns" | "withPlaces">,
  rowsMax: number,
  env: { readonly tenant: string; readonly signal: AbortSignal },
): Promise<FoundRow[]> {
  const result = await engine.run({
    ...env,
    sql: `${statement.sql} LIMIT ${rowsMax}`,
    tables: [{ ...table, columns: statement.columns, withPlaces: true }],
    rowsMax,
  });
  const found: FoundRow[] = [];
  try {
    for (let batch = await result.next(); batch !== undefined; batch = await result.next()) {
      const [files, rows, times] = batch.columns;
      for (let at = 0; at < batch.rows; at++) {
        found.push({ file: Number(files[at]), row: Number(rows[at]), timeNs: times[at] as bigint });
      }
    }
  } finally {
    await result.close();
  }
  return found;
}
