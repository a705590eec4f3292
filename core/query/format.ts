/**
 * Results as JSON, NDJSON and CSV, in pieces of text as the rows arrive. docs/query.md is the contract.
 *
 * Exact in each: integers of 64 bits and more and decimals are decimal text, times are ISO 8601 with nine decimals
 * and UTC, bytes are base64, and the doubles that JSON lacks are "NaN", "Infinity" and "-Infinity".
 *
 * The first piece comes after the first batch, so that an error before it can still be an answer of its own. An error
 * after it ends JSON and NDJSON with an `error` member or line; CSV has no place for one and throws.
 */
import { toOpenWitError } from "../error.ts";
import { isoTimestamp } from "../model/row.ts";
import type { QueryResult, QueryStats } from "./query.ts";
import type { IntervalValue, ResultBatch, ResultColumn, ResultType, ResultValue } from "./result.ts";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** `{"columns":[{"name","type"}],"rows":[[…]],"row_count",…}` */
export async function* toJson(result: QueryResult): AsyncGenerator<string, void, undefined> {
  const columns = result.columns.map(({ name, type }) => ({ name, type }));
  let isFirst = true;
  try {
    for await (const batch of result.batches) {
      const rows = rowsOf(batch, result.columns).map((row) => JSON.stringify(row)).join(",");
      yield isFirst ? `{"columns":${JSON.stringify(columns)},"rows":[${rows}` : `,${rows}`;
      isFirst = false;
    }
  } catch (error) {
    if (isFirst) throw error;
    yield `],"error":${JSON.stringify(toOpenWitError(error))}}`;
    return;
  }
  const head = isFirst ? `{"columns":${JSON.stringify(columns)},"rows":[` : "";
  yield `${head}],${JSON.stringify(statsJson(result.stats)).slice(1)}`;
}

/** One object a row, by column name; a name that comes again gets `:1`, `:2`, … */
export async function* toNdjson(result: QueryResult): AsyncGenerator<string, void, undefined> {
  const names = uniqueNames(result.columns).map((name) => JSON.stringify(name));
  let isFirst = true;
  try {
    for await (const batch of result.batches) {
      yield rowsOf(batch, result.columns)
        .map((row) => `{${row.map((value, at) => `${names[at]}:${JSON.stringify(value)}`).join(",")}}\n`)
        .join("");
      isFirst = false;
    }
  } catch (error) {
    if (isFirst) throw error;
    yield `${JSON.stringify({ error: toOpenWitError(error) })}\n`;
  }
}

/** RFC 4180 with a header line, but lines end in LF as in every Unix tool; NULL is an empty field, empty text is `""`, nested values are JSON. */
export async function* toCsv(result: QueryResult): AsyncGenerator<string, void, undefined> {
  const header = csvLine(result.columns.map(({ name }) => name));
  let isFirst = true;
  for await (const batch of result.batches) {
    const lines = rowsOf(batch, result.columns).map(csvLine).join("");
    yield isFirst ? header + lines : lines;
    isFirst = false;
  }
  if (isFirst) yield header;
}

/** Rows of a batch as JSON values. */
export function rowsOf(batch: ResultBatch, columns: readonly ResultColumn[]): Json[][] {
  return Array.from(
    { length: batch.rows },
    (_, row) => columns.map(({ shape }, column) => jsonValue(batch.columns[column][row], shape)),
  );
}

/** The members of a JSON answer after its rows. */
export function statsJson(stats: QueryStats): Record<string, Json> {
  return {
    row_count: stats.rows,
    truncated: stats.truncated ?? false,
    elapsed_ms: Math.round(stats.elapsedMs * 1_000) / 1_000,
    files_considered: stats.filesConsidered,
    files_pruned: stats.filesPruned,
    memtable_rows: stats.memtableRows,
  };
}

/** One value as exact JSON. */
export function jsonValue(value: ResultValue, type: ResultType): Json {
  if (value === null) return null;
  switch (type.kind) {
    case "boolean":
      return value as boolean;
    case "text":
      return value as string;
    case "null":
      return null;
    case "integer":
      return type.bits <= 32 ? Number(value) : String(value);
    case "float":
      return Number.isFinite(value) ? value as number : String(value);
    case "decimal":
      return decimalText(value as bigint, type.scale);
    case "blob":
      return base64(value as Uint8Array);
    case "timestamp":
      return timestampText(value as bigint, nsPerUnit[type.unit]);
    case "date":
      return dateText(value as number);
    case "time":
      return timeText(value as bigint * nsPerUnit[type.unit]);
    case "interval":
      return intervalText(value as IntervalValue);
    case "list":
      return (value as readonly ResultValue[]).map((each) => jsonValue(each, type.element));
    case "struct": {
      const fields = value as readonly ResultValue[];
      return Object.fromEntries(type.fields.map(({ name, type }, at) => [name, jsonValue(fields[at], type)]));
    }
    case "map":
      return Object.fromEntries(
        (value as readonly (readonly [ResultValue, ResultValue])[]).map(([key, inner]) => [
          keyText(jsonValue(key, type.key)),
          jsonValue(inner, type.value),
        ]),
      );
  }
}

/** One value as a person reads it in a table; NULL is `null`. */
export function displayText(value: ResultValue, type: ResultType): string | null {
  const json = jsonValue(value, type);
  return json === null ? null : keyText(json);
}

/** Names as they are, and with `:1`, `:2`, … where they come again. */
export function uniqueNames(columns: readonly { readonly name: string }[]): string[] {
  const taken = new Set<string>();
  return columns.map(({ name }) => {
    let unique = name;
    for (let count = 1; taken.has(unique); count++) unique = `${name}:${count}`;
    taken.add(unique);
    return unique;
  });
}

const nsPerUnit = { s: 1_000_000_000n, ms: 1_000_000n, us: 1_000n, ns: 1n } as const;

const infinity = 0x7fff_ffff_ffff_ffffn;

function timestampText(value: bigint, scale: bigint): string {
  if (value === infinity) return "infinity";
  if (value === -infinity) return "-infinity";
  const ns = value * scale;
  // A Date reaches 271821 BC to AD 275760; microseconds reach further.
  if (ns > 8_640_000_000_000_000_000_000n || ns < -8_640_000_000_000_000_000_000n) {
    return `${ns} ns since 1970`;
  }
  return isoTimestamp(ns);
}

function dateText(days: number): string {
  if (Math.abs(days) > 100_000_000) {
    return days === 0x7fff_ffff
      ? "infinity"
      : days === -0x7fff_ffff
      ? "-infinity"
      : `${days} days since 1970`;
  }
  return new Date(days * 86_400_000).toISOString().replace(/T.*/, "");
}

function timeText(ns: bigint): string {
  const seconds = ns / 1_000_000_000n;
  const parts = [seconds / 3_600n, seconds / 60n % 60n, seconds % 60n].map((part) =>
    String(part).padStart(2, "0")
  );
  return `${parts.join(":")}.${String(ns % 1_000_000_000n).padStart(9, "0")}`;
}

/** ISO 8601 duration: `P1M2DT3.000004S`. */
function intervalText({ months, days, micros }: IntervalValue): string {
  const magnitude = micros < 0n ? -micros : micros;
  const fraction = String(magnitude % 1_000_000n).padStart(6, "0").replace(/0+$/, "");
  const seconds = `${micros < 0n ? "-" : ""}${magnitude / 1_000_000n}${
    fraction === "" ? "" : `.${fraction}`
  }`;
  const date = `${months === 0 ? "" : `${months}M`}${days === 0 ? "" : `${days}D`}`;
  return `P${date}${micros === 0n && date !== "" ? "" : `T${seconds}S`}`;
}

function decimalText(value: bigint, scale: number): string {
  if (scale === 0) return String(value);
  const digits = String(value < 0n ? -value : value).padStart(scale + 1, "0");
  return `${value < 0n ? "-" : ""}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

function base64(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

function keyText(value: Json): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** One line of CSV. */
export function csvLine(values: readonly Json[]): string {
  return `${values.map(csvField).join(",")}\n`;
}

function csvField(value: Json): string {
  if (value === null) return "";
  const text = keyText(value);
  return text === "" || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
