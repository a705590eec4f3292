/**
 * Values that no answer to the tenant under test may ever hold: in another tenant's memtable, which a statement of its
 * own keeps pinned in the same engine, in another tenant's file in the parquet folder, in files elsewhere, and in the
 * process's environment.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { Chunk } from "../../core/model/chunk.ts";
import { columnsOf, type Signal, signals } from "../../core/model/columns.ts";
import type { QuerySources } from "../../core/query/sources.ts";
import { inProcessEncoder } from "../../edge/parquet/in-process.ts";
import type { Fixture } from "./sql_fixture.ts";

export const canary = "CANARY7f3a";

/** Files that hold it, relative to the data folder. */
export const canaryFiles = {
  parquet: "parquet/other/secret.parquet",
  text: "parquet/secret.csv",
  outside: "secret.csv",
} as const;

/** Plants them; what it returns ends the other tenant's statement. */
export async function plantCanaries(fixture: Fixture): Promise<() => Promise<void>> {
  const chunks = Object.fromEntries(signals.map((signal) => [signal, canaryChunk(fixture, signal)]));
  process.env.OPENWIT_TEST_CANARY = canary;
  mkdirSync(join(fixture.dataDir, "parquet/other"), { recursive: true });
  for (const path of [canaryFiles.text, canaryFiles.outside]) {
    writeFileSync(join(fixture.dataDir, path), `a,b\n${canary},1\n`);
  }
  const parts: Uint8Array[] = [];
  for await (const bytes of inProcessEncoder().encode("logs", [{ chunk: chunks.logs, rowCount: 1 }], {})) {
    parts.push(bytes);
  }
  writeFileSync(join(fixture.dataDir, canaryFiles.parquet), Buffer.concat(parts));

  const sources = (): QuerySources => ({
    ...Object.fromEntries(
      signals.map((signal) => [signal, { signal, files: [], chunks: [{ chunk: chunks[signal], rows: 1 }] }]),
    ) as unknown as QuerySources,
    release: () => {},
  });
  const statements = await Promise.all(
    ["SELECT body FROM logs", "SELECT name FROM spans"].map((sql) =>
      fixture.start(sql, { tenant: "other", sources, timeoutMs: 3_600_000 })
    ),
  );
  return async () => {
    // It was there to be found: the other tenant reads it.
    for (const statement of statements) {
      const batches = await Array.fromAsync(statement.batches);
      if (!JSON.stringify(batches).includes(canary)) throw new Error("the canary was not where it should be");
    }
  };
}

function canaryChunk(fixture: Fixture, signal: Signal): Chunk {
  const chunk = new Chunk(signal);
  chunk.appendRow(fixture.all[signal], 0);
  for (const [index, { name }] of columnsOf[signal].entries()) {
    const vector = chunk.vectors[index];
    const isText = vector.kind === "utf8" || vector.kind === "dictionary";
    if (!isText || !["body", "name", "service_name"].includes(name)) continue;
    vector.truncate(0);
    vector.pushText(canary);
  }
  return chunk;
}
