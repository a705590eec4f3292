/**
 * A few rows of a few columns, as text of a statement: what was found of many files is mostly that. The memtable's table function
 * is called on the server's thread, four times for each statement, and while that decodes requests each call waits its turn:
 * a count of twelve rows beside 60,000 records a second took 7 ms by it, and 3 so.
 */
import { columnIndex, columnsOf, type Signal } from "../../core/model/columns.ts";
import { quoteIdentifier, quoteText } from "../../core/model/sql.ts";
import type { FixedVector, Vector } from "../../core/model/vector.ts";
import type { SourceChunk } from "../../core/query/sources.ts";

export interface LiteralRows {
  /** `(VALUES …) AS found("body", …)` */
  readonly from: string;
  /** What stands for columns that are not there, by their names. */
  readonly given: Readonly<Record<string, string>>;
}

/** Values that the engine reads as text sooner than it calls: 64 take 0.2 ms, and 300 take 2 ms. */
const valuesMax = 64;
const textMax = 16 * 1024;
/** The engine does not come to it: no statement gets a value that nobody has read. */
const notRead = "error('a column was not read')";

/** `undefined` where they are too many, or of a kind that text does not give exactly. */
export function literalRows(
  signal: Signal,
  chunks: readonly SourceChunk[],
  needed: ReadonlySet<string>,
): LiteralRows | undefined {
  const rowCount = chunks.reduce((sum, { rows }) => sum + rows, 0);
  if (rowCount * needed.size > valuesMax) return undefined;
  const columns = columnsOf[signal];
  const named = columns.filter(({ name }) => needed.has(name));
  const rows: string[] = [];
  let length = 0;
  for (const { chunk, rows: count } of chunks) {
    const vectors = named.map(({ name }) => chunk.vectors[columnIndex(signal, name)]);
    for (let row = 0; row < count; row++) {
      const values = vectors.map((vector) => literal(vector, row));
      const text = `(${values.join(", ")})`;
      if (values.includes(undefined) || (length += text.length) > textMax) return undefined;
      rows.push(text);
    }
  }
  const names = named.map(({ name }) => quoteIdentifier(name));
  const others = columns.filter(({ name }) => !needed.has(name)).map(({ name }) => [name, notRead] as const);
  return {
    from: `(VALUES ${rows.join(", ")}) AS found(${names.join(", ")})`,
    given: Object.fromEntries(others),
  };
}

/** What the engine casts to exactly that value of the column. */
function literal(vector: Vector, row: number): string | undefined {
  switch (vector.kind) {
    case "fixed":
      return vector.validity.isNull(row) ? "NULL" : fixedLiteral(vector, row);
    case "utf8":
    case "dictionary":
      return textLiteral(vector.text(row));
    default:
      return undefined;
  }
}

function fixedLiteral(vector: FixedVector, row: number): string {
  switch (vector.type) {
    case "timestamp":
      return `make_timestamp_ns(${vector.bigints()[row]})`;
    case "int64":
      return quoteText(String(vector.bigints()[row]));
    case "uint64":
      return quoteText(String(BigInt.asUintN(64, vector.bigints()[row])));
    case "int32":
      return String(vector.words[row]);
    case "uint32":
      return String(vector.words[row] >>> 0);
    case "bool":
      return String(vector.bytes[row] !== 0);
    case "float64": {
      const value = vector.doubles()[row];
      return quoteText(Object.is(value, -0) ? "-0" : String(value));
    }
  }
}

/** A statement's text ends with a zero byte. */
function textLiteral(text: string | null): string | undefined {
  if (text === null) return "NULL";
  return text.includes("\0") ? undefined : quoteText(text);
}
