/**
 * One request for each signal that sets every OTLP field, and the rows that it is: the meaning of the columns,
 * held still. In the files 64-bit integers are decimal text, and what JSON has no number for is text too.
 */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import protobuf from "protobufjs";
import { Chunk } from "../../core/model/chunk.ts";
import { type Signal, signals } from "../../core/model/columns.ts";
import { decodeRequest } from "../../core/otlp/decode.ts";
import { jsonToProtobuf } from "../../core/otlp/json.ts";
import { rowsOf } from "../fuzz/otlp_expected.ts";
import { requestType } from "../fuzz/otlp_messages.ts";

interface Golden {
  readonly received_at: string;
  /** OTLP/JSON. */
  readonly request: Record<string, unknown>;
  /** The same request, as protobufjs encodes it, in base64. */
  readonly protobuf: string;
  readonly rows: readonly Record<string, unknown>[];
}

/** Indexes into a string table that only profiles have. */
const unused = new Set(["AnyValue.stringValueStrindex", "KeyValue.keyStrindex"]);

for (const signal of signals) {
  const golden: Golden = JSON.parse(readFileSync(`${import.meta.dirname}/otlp/${signal}.json`, "utf8"));

  test(`${signal}: the golden request sets every field of OTLP`, () => {
    const seen = new Set<string>();
    noteFields(requestType(signal), [golden.request], seen);
    const missing = [...reachableFields(requestType(signal))].filter((field) => !seen.has(field));
    expect(missing.filter((field) => !unused.has(field))).toEqual([]);
  });

  test(`${signal}: the golden request as protobuf is the golden rows`, () => {
    expect(decodedRows(signal, Uint8Array.fromBase64(golden.protobuf), golden)).toEqual(golden.rows as never);
  });

  test(`${signal}: the golden request as JSON is the golden rows`, () => {
    const json = new TextEncoder().encode(JSON.stringify(golden.request));
    expect(decodedRows(signal, jsonToProtobuf(signal, json), golden)).toEqual(golden.rows as never);
  });
}

function decodedRows(signal: Signal, body: Uint8Array, golden: Golden): unknown {
  const chunk = new Chunk(signal);
  const report = decodeRequest(signal, body, chunk, BigInt(golden.received_at));
  expect(report.rejected).toBe(0);
  return plain(rowsOf(chunk));
}

function plain(value: unknown): unknown {
  if (typeof value === "bigint") return String(value);
  if (Object.is(value, -0)) return "-0";
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}

function noteFields(
  type: protobuf.Type,
  values: readonly Record<string, unknown>[],
  seen: Set<string>,
): void {
  for (const value of values) {
    for (const [key, inner] of Object.entries(value)) {
      seen.add(`${type.name}.${key}`);
      const { resolvedType } = type.fields[key];
      if (resolvedType instanceof protobuf.Type) noteFields(resolvedType, [inner].flat() as [], seen);
    }
  }
}

function reachableFields(type: protobuf.Type, found: Set<string> = new Set()): Set<string> {
  for (const field of type.fieldsArray) {
    const name = `${type.name}.${field.name}`;
    if (found.has(name)) continue;
    found.add(name);
    if (field.resolvedType instanceof protobuf.Type) reachableFields(field.resolvedType, found);
  }
  return found;
}
