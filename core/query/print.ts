/**
 * Trees as the text that runs: what is printed is parsed and checked once more, for were printing to change its
 * meaning, the check would see it.
 */
import { OpenWitError } from "../error.ts";
import { checkStatement } from "./check.ts";
import type { ScanConditions, SqlEngine } from "./engine.ts";
import type { Mention } from "./mentions.ts";
import { scanConditions } from "./scan_conditions.ts";
import { allOf, isNode, nodesIn, selectTree, type SqlNode, type SqlTree } from "./tree.ts";

/** @throws OpenWitError */
export async function checkedText(engine: SqlEngine, tree: SqlTree): Promise<string> {
  const printed = await engine.printAndParse(tree);
  checkStatement(printed.tree, true);
  return printed.sql;
}

/** The conditions of a mention that are tried while files are read. @throws OpenWitError */
export async function checkedConditions(
  engine: SqlEngine,
  mention: Mention,
): Promise<ScanConditions | undefined> {
  const conditions = scanConditions(mention);
  if (conditions.length === 0) return undefined;
  const { sql, tree } = await engine.printAndParse(selectTree({ select_list: [allOf(conditions)] }));
  checkStatement(tree, true);
  const node = tree.statements[0].node as SqlNode;
  const items = nodesIn(node.select_list);
  // What stands behind SELECT is one expression and nothing else, so it may stand behind WHERE.
  const isAlone = items.length === 1 && items[0].alias === "" && isNode(node.from_table) &&
    node.from_table.type === "EMPTY" && node.where_clause === null && nodesIn(node.modifiers).length === 0;
  const [, text] = /^SELECT\s+(.+)$/s.exec(sql) ?? [];
  if (!isAlone || text === undefined) {
    throw new OpenWitError("internal", "a condition was printed as something else");
  }
  return { sql: text, alias: mention.alias };
}
