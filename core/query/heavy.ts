/**
 * What memory a statement takes, roughly, when it has to hold rows: a sort, a DISTINCT, a join, a window, or a large
 * result. One that only streams, or keeps a few rows of each group, takes little however much it reads.
 *
 * An estimate, by which merges and heavy statements take turns (core/budget/memory-share.ts); what holds a statement is
 * the engine's own limit.
 */
import { aggregateFunctions } from "./functions.ts";
import { isNode, nodesIn, type SqlNode, type SqlTree, type SqlValue, textOf } from "./tree.ts";

/** Bytes; 0 for a statement that takes little. @param readBytes encoded bytes of the files, and of rows in memory */
export function heldBytes(tree: SqlTree, readBytes: number, rowsMax: number): number {
  const bytes = readBytes * unpackedFactor;
  if (bytes < heavyBytesMin) return 0;
  return holdsRows(tree) || rowsMax > resultRowsMax && givesRowsAsTheyAre(tree) ? bytes : 0;
}

/** Whether each row that it reads may be one of its result: an aggregate gives a row a group, and mostly few. */
function givesRowsAsTheyAre({ statements: [{ node }] }: SqlTree): boolean {
  if (!isNode(node) || node.type !== "SELECT_NODE") return true;
  return nodesIn(node.group_expressions).length === 0 && !nodesIn(node.select_list).some(hasAggregate);
}

function hasAggregate(value: SqlValue | undefined): boolean {
  if (Array.isArray(value)) return value.some(hasAggregate);
  if (!isNode(value)) return false;
  return value.class === "FUNCTION" && aggregateFunctions.has(textOf(value.function_name).toLowerCase()) ||
    Object.values(value).some(hasAggregate);
}

/** Parquet of these tables unpacks to some six times its bytes; a statement seldom needs all columns. */
const unpackedFactor = 3;

/** A statement that reads less is over before it can be in the way. */
const heavyBytesMin = 32 * 1024 * 1024;

/** More rows than these are kept in a table until they are fetched. */
const resultRowsMax = 20_000;

function holdsRows(value: SqlValue | undefined): boolean {
  if (Array.isArray(value)) return value.some(holdsRows);
  if (!isNode(value)) return false;
  return isHolding(value) || Object.values(value).some(holdsRows);
}

function isHolding(node: SqlNode): boolean {
  if (node.class === "WINDOW" || node.type === "JOIN") return true;
  const kinds = nodesIn(node.modifiers).map(({ type }) => textOf(type));
  // An order with a limit keeps the first rows alone; limitRows gives the outermost one a limit.
  return kinds.includes("DISTINCT_MODIFIER") ||
    kinds.includes("ORDER_MODIFIER") && !kinds.includes("LIMIT_MODIFIER");
}
