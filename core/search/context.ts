/**
 * What the same process logged around a record: rows of its stream (the same service and resource) before and after,
 * within an hour of it, so that few files are looked at for each.
 *
 * Records of the same nanosecond have no order of their own: all of them but the record itself count as after it.
 */
import type { JsonRow } from "./page.ts";
import { Bindings, type BuiltStatement } from "./bindings.ts";
import { timeCondition } from "./filter.ts";
import { timestampNs } from "../model/row.ts";

const reachNs = 3_600_000_000_000n;

export interface ContextStatements {
  readonly before: BuiltStatement;
  readonly after: BuiltStatement;
}

export function contextStatements(hit: JsonRow, before: number, after: number): ContextStatements {
  const timeNs = timestampNs(String(hit.timestamp));
  return {
    before: streamStatement(
      hit,
      [timeCondition("logs", "<", timeNs), timeCondition("logs", ">=", timeNs - reachNs)],
      "DESC",
      before,
    ),
    after: streamStatement(
      hit,
      [timeCondition("logs", ">=", timeNs), timeCondition("logs", "<=", timeNs + reachNs)],
      "ASC",
      after + 1, // the record itself is among them
    ),
  };
}

/** Rows before a record, oldest first. @param rows what the statement gave, newest first */
export function rowsBefore(rows: readonly JsonRow[]): JsonRow[] {
  return rows.toReversed();
}

/** Rows after a record, oldest first. @param rows what the statement gave, the record itself among them */
export function rowsAfter(hit: JsonRow, rows: readonly JsonRow[], after: number): JsonRow[] {
  const own = JSON.stringify(hit);
  const at = rows.findIndex((row) => JSON.stringify(row) === own);
  return rows.filter((_, index) => index !== at).slice(0, after);
}

function streamStatement(
  hit: JsonRow,
  conditions: readonly string[],
  order: "ASC" | "DESC",
  limit: number,
): BuiltStatement {
  const bindings = new Bindings();
  const stream = ["service_name", "resource_attributes"].map((column) =>
    `${column} = ${bindings.add(String(hit[column]))}`
  );
  const sql = `SELECT * FROM logs WHERE ${
    [...conditions, ...stream].join(" AND ")
  } ORDER BY timestamp ${order} LIMIT ${limit}`;
  return { sql, params: bindings.values, limit };
}
