/**
 * An engine over a temporary data folder: rows of each signal, some in Parquet files that the real encoder wrote and
 * some in memtable chunks. Everything is made from a seed.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock } from "../../core/env/clock.ts";
import { systemClock } from "../../core/env/clock.ts";
import { Chunk } from "../../core/model/chunk.ts";
import { columnIndex, type Signal, signals, timeColumnOf } from "../../core/model/columns.ts";
import type { SqlEngine } from "../../core/query/engine.ts";
import { type Json, rowsOf } from "../../core/query/format.ts";
import { defaultQueryLimits, type QueryRequest, type QueryResult, runQuery } from "../../core/query/query.ts";
import { PreparedStatements } from "../../core/query/prepared.ts";
import type { QuerySources, SourceFile, TableSource } from "../../core/query/sources.ts";
import type { SystemTable, SystemTableName } from "../../core/system/tables.ts";
import { defaultEngineOptions, duckDBEngine, type DuckDBEngineOptions } from "../../edge/duckdb/engine.ts";
import { inProcessEncoder } from "../../edge/parquet/in-process.ts";
import { baseTimeNs, buildChunk } from "../golden/segment-chunk.ts";

export const fixtureSeed = 11;
/** What now() is in these tests: 2026-01-02T03:10:00Z, ten minutes after the first row. */
export const nowNs = baseTimeNs + 600_000_000_000n;
export const clock: Clock = { ...systemClock, nowNs: () => nowNs };

export interface Fixture {
  readonly engine: SqlEngine;
  readonly dataDir: string;
  /** All rows of a signal in one chunk, as they were before they were divided. */
  readonly all: Readonly<Record<Signal, Chunk>>;
  /** Pins that were taken and not released. */
  pinned: number;
  readonly sources: (tables: ReadonlySet<Signal>) => QuerySources;
  start(sql: string, request?: Partial<QueryRequest>): Promise<QueryResult>;
  /** All rows of a statement, as JSON. */
  rows(sql: string, request?: Partial<QueryRequest>): Promise<Json[][]>;
  close(): Promise<void>;
}

/** @param rows of each signal: 2/5 and 1/5 in two files, the rest in two chunks. */
export async function openFixture(
  rows = 1_000,
  options: Partial<DuckDBEngineOptions> = {},
): Promise<Fixture> {
  const dataDir = mkdtempSync(join(tmpdir(), "openwit-sql-"));
  mkdirSync(join(dataDir, "parquet"));
  const all = Object.fromEntries(
    signals.map((each) => [each, buildChunk(each, fixtureSeed, rows)]),
  ) as Record<
    Signal,
    Chunk
  >;
  for (const signal of signals) giveJson(all[signal]);
  const tables = {} as Record<Signal, TableSource>;
  for (const signal of signals) {
    const cuts = [0, 0.4, 0.6, 0.9, 1].map((share) => Math.floor(rows * share));
    const parts = cuts.slice(1).map((end, at) => slice(all[signal], cuts[at], end));
    const files: SourceFile[] = [];
    for (const [at, part] of parts.slice(0, 2).entries()) {
      files.push(await writeSegment(dataDir, signal, part, at));
    }
    tables[signal] = { signal, files, chunks: parts.slice(2).map((chunk) => ({ chunk, rows: chunk.rows })) };
  }
  const engine = duckDBEngine({ ...defaultEngineOptions, dataDir, ...options });
  const statements = new PreparedStatements();
  const fixture: Fixture = {
    engine,
    dataDir,
    all,
    pinned: 0,
    sources: () => {
      fixture.pinned++;
      return { ...tables, release: () => void fixture.pinned-- };
    },
    start: (sql, request = {}) =>
      runQuery(
        {
          sql,
          tenant: "default",
          ...defaultQueryLimits,
          sources: fixture.sources,
          systemTables: noRows,
          ...request,
        },
        { engine, clock, statements },
      ),
    async rows(sql, request) {
      const result = await fixture.start(sql, request);
      const rows: Json[][] = [];
      for await (const batch of result.batches) rows.push(...rowsOf(batch, result.columns));
      return rows;
    },
    async close() {
      await engine.close();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
  return fixture;
}

async function noRows(names: ReadonlySet<SystemTableName>): Promise<SystemTable[]> {
  return [...names].map((name) => ({ name, rows: [] }));
}

/** Resource and scope attributes are JSON text, or empty, which the builder of chunks does not know. */
function giveJson(chunk: Chunk): void {
  for (const name of ["resource_attributes", "scope_attributes"]) {
    const vector = chunk.vectors[columnIndex(chunk.signal, name)];
    if (vector.kind !== "dictionary") throw new Error(`${name} is a dictionary`);
    vector.truncate(0);
    for (let row = 0; row < chunk.rows; row++) {
      vector.pushText(row % 10 === 9 ? "" : `{"k8s.pod.name":"pod-${row % 3}","n":${row % 5}}`);
    }
  }
}

async function writeSegment(dataDir: string, signal: Signal, chunk: Chunk, at: number): Promise<SourceFile> {
  const path = `parquet/${signal}-${at}.parquet`;
  const parts: Uint8Array[] = [];
  for await (const bytes of inProcessEncoder().encode(signal, [{ chunk, rowCount: chunk.rows }], {})) {
    parts.push(bytes);
  }
  writeFileSync(join(dataDir, path), Buffer.concat(parts));
  const vector = chunk.vectors[columnIndex(signal, timeColumnOf[signal])];
  if (vector.kind !== "fixed") throw new Error("times are of fixed width");
  const times = [...vector.bigints()].sort((left, right) => left < right ? -1 : 1);
  return { path, minTimeNs: times[0], maxTimeNs: times.at(-1)!, rows: chunk.rows, bytes: 0 };
}

function slice(source: Chunk, from: number, to: number): Chunk {
  const chunk = new Chunk(source.signal);
  for (let row = from; row < to; row++) chunk.appendRow(source, row);
  return chunk;
}
