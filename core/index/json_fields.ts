/**
 * The fields of the columns of JSON text (resource_attributes, scope_attributes): each key of the object with the
 * text that `column['key']` gives in SQL, or `undefined` where only JSON says what that is.
 */

export interface JsonFields {
  /** A key may come twice, and both are there: an index may let through too much, never too little. */
  readonly fields: readonly (readonly [key: string, value: string | undefined])[];
  /** False when the text is no object of JSON as we write it: then there may be more. */
  readonly isWhole: boolean;
}

export function jsonFields(text: string): JsonFields {
  const fields: [string, string | undefined][] = [];
  if (text === "" || text === "{}") return { fields, isWhole: true };
  let at = text.indexOf("{") + 1;
  while (at > 0 && at < text.length) {
    const key = stringAt(text, at);
    if (key === undefined) break;
    at = skipSpace(text, key.end);
    if (text[at] !== ":") break;
    at = skipSpace(text, at + 1);
    const string = stringAt(text, at);
    if (string !== undefined) {
      fields.push([key.value, string.value]);
      at = string.end;
    } else {
      const end = valueEnd(text, at);
      const raw = text.slice(at, end).trim();
      fields.push([key.value, /^(-?\d{1,18}|true|false|null)$/.test(raw) ? raw : undefined]);
      at = end;
    }
    at = skipSpace(text, at);
    if (text[at] === "}") return { fields, isWhole: true };
    if (text[at] !== ",") break;
    at = skipSpace(text, at + 1);
  }
  return { fields, isWhole: false };
}

function stringAt(text: string, at: number): { value: string; end: number } | undefined {
  pattern.lastIndex = at;
  const found = pattern.exec(text)?.[0];
  if (found === undefined) return undefined;
  try {
    return { value: JSON.parse(found), end: at + found.length };
  } catch {
    return undefined; // not JSON after all: then nothing of it can be told
  }
}

const pattern = /"(?:[^"\\]|\\.)*"/sy;

function skipSpace(text: string, at: number): number {
  while (text[at] === " " || text[at] === "\n" || text[at] === "\t" || text[at] === "\r") at++;
  return at;
}

/** Where a number, a word, an array or an object ends. */
function valueEnd(text: string, at: number): number {
  let depth = 0;
  while (at < text.length) {
    const character = text[at];
    if (character === '"') {
      at = stringAt(text, at)?.end ?? text.length;
      continue;
    }
    if (depth === 0 && (character === "," || character === "}")) return at;
    if (character === "{" || character === "[") depth++;
    if (character === "}" || character === "]") depth--;
    at++;
  }
  return at;
}
