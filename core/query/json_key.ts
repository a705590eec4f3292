/** Keys of the attribute columns that are JSON text, where people write a map's brackets. */
import { call, constantText, type SqlNode, textConstant } from "./tree.ts";

export const jsonColumns: ReadonlySet<string> = new Set(["resource_attributes", "scope_attributes"]);

/** A key's value as text; NULL when there is no such key. */
export function jsonKey(column: SqlNode, key: SqlNode): SqlNode {
  const literal = constantText(key);
  // A JSON pointer, unlike a path, needs no quotes round dots; RFC 6901 escapes its two signs.
  const pointer = literal !== undefined
    ? textConstant(`/${literal.replaceAll("~", "~0").replaceAll("/", "~1")}`)
    : call("||", [textConstant("/"), escaped(escaped(key, "~", "~0"), "/", "~1")], true);
  const json = call("nullif", [column, textConstant("")]); // not sent at all: no JSON text
  return call("json_extract_string", [json, pointer]);
}

function escaped(text: SqlNode, sign: string, by: string): SqlNode {
  return call("replace", [text, textConstant(sign), textConstant(by)]);
}
