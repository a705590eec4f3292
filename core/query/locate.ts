/**
 * Where in the user's text an engine's error lies. The engine saw the rewritten text, so its own position is of no
 * use; the name that its message puts in quotes is looked up in the tree of what the user wrote.
 */
import { OpenWitError } from "../error.ts";
import { columnNames, isNode, positionOf, type SqlNode, type SqlValue, textOf } from "./tree.ts";

/** The same error with a position, when one name in it stands in the tree. */
export function withLocation(error: unknown, tree: SqlNode): unknown {
  if (!(error instanceof OpenWitError) || error.code !== "invalid_argument" || error.position !== undefined) {
    return error;
  }
  if (/convert|\bcast\b/i.test(error.message)) return error; // what it quotes is a value, not a name
  for (const [, quoted, called] of error.message.matchAll(/"([^"]+)"|'?\b([a-z_][a-z0-9_]*)\(/gi)) {
    const position = find(tree, (quoted ?? called).toLowerCase());
    if (position === undefined) continue;
    const { code, message, hint, cause } = error;
    return new OpenWitError(code, message, { ...(hint === undefined ? {} : { hint }), position, cause });
  }
  return error;
}

function find(value: SqlValue, name: string): number | undefined {
  if (Array.isArray(value)) {
    for (const each of value) {
      const found = find(each, name);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  if (!isNode(value)) return undefined;
  const isNamed = value.class === "COLUMN_REF"
    ? columnNames(value).some((part) => part.toLowerCase() === name)
    : textOf(value.function_name).toLowerCase() === name || textOf(value.table_name).toLowerCase() === name;
  if (isNamed) {
    const position = positionOf(value);
    if (position !== undefined) return position;
  }
  for (const inner of Object.values(value)) {
    const found = find(inner, name);
    if (found !== undefined) return found;
  }
}
