/**
 * A message that sets every field of OTLP, sent to the executable as protobuf and as JSON, is found again by SQL:
 * every column exactly, from memory and from the Parquet file. What is expected is the golden rows of tests/golden.
 */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { columnsOf, type ColumnType, type Signal, signals } from "../../core/model/columns.ts";
import { isoTimestamp } from "../../core/model/row.ts";
import { Box } from "./box.ts";

const paths: Record<Signal, string> = { logs: "/v1/logs", spans: "/v1/traces", metrics: "/v1/metrics" };

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

test("every field of OTLP is found again by SQL, exactly, before and after a flush", async () => {
  await using box = new Box();
  await box.start();
  for (const signal of signals) {
    const golden = JSON.parse(readFileSync(join(import.meta.dir, `../golden/otlp/${signal}.json`), "utf8"));
    const bodies = {
      protobuf: { type: "application/x-protobuf", body: Uint8Array.fromBase64(golden.protobuf) },
      json: { type: "application/json", body: JSON.stringify(golden.request) },
    };
    const expected = golden.rows.map((row: Record<string, Json>) =>
      expectedRow(signal, row, golden.received_at)
    );
    for (const [tenant, { type, body }] of Object.entries(bodies)) {
      const response = await fetch(box.endpoints.otlp_http + paths[signal], {
        method: "POST",
        headers: { "Content-Type": type, "X-Scope-OrgID": tenant },
        body,
      });
      expect([response.status, (await response.arrayBuffer()).byteLength]).toEqual([
        200,
        tenant === "json" ? 2 : 0,
      ]);
    }
    for (const stage of ["from memory", "from Parquet"]) {
      for (const tenant of Object.keys(bodies)) {
        const found = (await rowsOf(box, signal, tenant)).map((row) => JSON.stringify(row)).sort();
        expect([stage, tenant, ...found]).toEqual([
          stage,
          tenant,
          ...expected.map((row: Json) => JSON.stringify(row)).sort(),
        ]);
      }
      await fetch(`${box.endpoints.http}/api/v1/admin/flush`, { method: "POST" });
    }
    expect(await box.value(`SELECT count(*) FROM ${signal}`, { "X-Scope-OrgID": "json" })).toBe(
      String(expected.length),
    );
  }
}, 60_000);

/** Rows by SQL in the columns' order, with the time of receipt, which differs, under a name. */
async function rowsOf(box: Box, signal: Signal, tenant: string): Promise<Json[]> {
  const names = columnsOf[signal].map(({ name }) => name);
  const rows = await box.rows(`SELECT ${names.join(", ")} FROM ${signal}`, { "X-Scope-OrgID": tenant });
  return rows.map((row) => {
    const received = row[names.indexOf("ingest_timestamp")];
    return row.map((value) => value === received ? "RECEIVED" : value) as Json;
  });
}

function expectedRow(signal: Signal, row: Record<string, Json>, receivedAt: string): Json {
  return columnsOf[signal].map(({ name, type }) => expectedValue(row[name], type, receivedAt));
}

/** A golden value in the form of the API's JSON: ISO times, maps as objects. */
function expectedValue(value: Json, type: ColumnType, receivedAt: string): Json {
  if (value === null) return null;
  switch (type.kind) {
    case "timestamp":
      return value === receivedAt ? "RECEIVED" : isoTimestamp(BigInt(value as string));
    case "map":
      return Object.fromEntries(value as [string, Json][]);
    case "list":
      return (value as Json[]).map((each) => expectedValue(each, type.element, receivedAt));
    case "struct":
      return Object.fromEntries(
        type.fields.map((field) => [
          field.name,
          expectedValue((value as Record<string, Json>)[field.name], field.type, receivedAt),
        ]),
      );
    default:
      return value;
  }
}
