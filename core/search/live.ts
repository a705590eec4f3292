/**
 * A filter as a test of rows in memory, for a live tail: the same records as its conditions in SQL (filter.ts).
 * It reads the vectors, so that most rows are never made objects.
 */
import type { Chunk } from "../model/chunk.ts";
import { columnIndex, type Signal } from "../model/columns.ts";
import { valueOf } from "../model/row.ts";
import { formatTypedJson, parseTypedJson, type TypedValue } from "../model/value.ts";
import type { FixedVector, MapVector } from "../model/vector.ts";
import { finderOf, lowerText } from "../text/find.ts";
import { type FieldQuery, type MatchQuery, parseMatchQuery } from "../text/query.ts";
import { Bindings } from "./bindings.ts";
import { type AttributeColumn, type Field, resolveField } from "./field.ts";
import { filterConditions, hasQuery, type RecordFilter, textColumnOf } from "./filter.ts";

export type RowTest = (chunk: Chunk, row: number) => boolean;

/** @throws OpenWitError `invalid_argument` */
export function rowTest(signal: Signal, filter: RecordFilter): RowTest {
  filterConditions(signal, filter, new Bindings()); // refuses what SQL would refuse
  const tests: RowTest[] = [];
  const { services, severity } = filter;
  if (services.length > 0) {
    const read = columnReader(signal, "service_name");
    tests.push((chunk, row) => services.includes(read(chunk, row) ?? ""));
  }
  if (severity !== undefined) {
    const column = columnIndex(signal, "severity_number");
    tests.push((chunk, row) => {
      const number = (chunk.vectors[column] as FixedVector).words[row];
      return number >= severity.min && number <= severity.max;
    });
  }
  for (const { name, value } of filter.fields) {
    const field = resolveField(signal, name);
    tests.push(valueTest(signal, field, value, false));
  }
  const { grep } = filter;
  if (grep !== undefined && grep !== "") {
    const read = columnReader(signal, textColumnOf[signal]);
    tests.push((chunk, row) => (read(chunk, row) ?? "").includes(grep));
  }
  if (hasQuery(filter)) tests.push(queryTest(signal, parseMatchQuery(filter.query!), textColumnOf[signal]));
  return (chunk, row) => tests.every((test) => test(chunk, row));
}

function queryTest(signal: Signal, query: MatchQuery, column: string): RowTest {
  switch (query.kind) {
    case "and": {
      const tests = query.of.map((each) => queryTest(signal, each, column));
      return (chunk, row) => tests.every((test) => test(chunk, row));
    }
    case "or": {
      const tests = query.of.map((each) => queryTest(signal, each, column));
      return (chunk, row) => tests.some((test) => test(chunk, row));
    }
    case "not": {
      const test = queryTest(signal, query.of, column);
      return (chunk, row) => !test(chunk, row);
    }
    case "text": {
      const read = columnReader(signal, column);
      const finder = finderOf(query.pattern);
      return (chunk, row) => {
        const text = read(chunk, row);
        return text !== null && finder.isIn(text);
      };
    }
    case "field":
      return matchFieldTest(signal, query);
  }
}

/** `body:word` looks for words in the body; any other field has a value. */
function matchFieldTest(signal: Signal, { field: name, pattern }: FieldQuery): RowTest {
  const field = resolveField(signal, name);
  if (signal === "logs" && field.kind === "column" && field.column.name === "body") {
    return queryTest(signal, { kind: "text", pattern }, "body");
  }
  return valueTest(signal, field, pattern.text, pattern.isPrefix);
}

function valueTest(signal: Signal, field: Field, value: string, isPrefix: boolean): RowTest {
  const readers = field.kind === "column"
    ? [columnReader(signal, field.column.name)]
    : field.in.map((column) => attributeReader(signal, column, field.key));
  const fold = field.kind === "column" && field.case === "any" ? lowerText : (text: string) => text;
  const wanted = field.kind === "column" && field.case === "lower" ? value.toLowerCase() : fold(value);
  const isWanted = isPrefix
    ? (text: string) => wanted === "" ? text !== "" : text.startsWith(wanted)
    : (text: string) => text === wanted;
  return (chunk, row) =>
    readers.some((read) => {
      const text = read(chunk, row);
      return text !== null && isWanted(fold(text));
    });
}

type Reader = (chunk: Chunk, row: number) => string | null;

function columnReader(signal: Signal, name: string): Reader {
  const column = columnIndex(signal, name);
  return (chunk, row) => {
    const value = valueOf(chunk.vectors[column], row);
    return value === null ? null : String(value);
  };
}

function attributeReader(signal: Signal, name: AttributeColumn, key: string): Reader {
  const column = columnIndex(signal, name);
  if (name === "attributes") {
    return (chunk, row) => {
      const { offsets, keys, values } = chunk.vectors[column] as MapVector;
      for (let at = offsets[row]; at < offsets[row + 1]; at++) {
        if (keys.text(at) === key) return values.text(at);
      }
      return null;
    };
  }
  // Few resources send most records: each one's text is parsed once.
  const known = new Map<string, string | null>();
  const read = columnReader(signal, name);
  return (chunk, row) => {
    const json = read(chunk, row) ?? "";
    let value = known.get(json);
    if (value === undefined) {
      if (known.size >= knownMax) known.clear();
      known.set(json, value = jsonText(json, key));
    }
    return value;
  };
}

const knownMax = 1_000;

/** A key of a JSON object as text; NULL when there is none, or its value is null. */
function jsonText(json: string, key: string): string | null {
  const object: TypedValue = json === "" ? null : parseTypedJson(json);
  if (object === null || typeof object !== "object" || !("kvlist" in object)) return null;
  const value = object.kvlist.findLast(([name]) => name === key)?.[1] ?? null;
  return value === null || typeof value === "string" ? value : formatTypedJson(value);
}
