/**
 * Choosing what to read never changes an answer: random statements over segments with and without an index and over
 * memory, planned, and read whole. `PRUNING_QUERIES` and `PRUNING_SEED` say how many and which.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import process from "node:process";
import { randomBelow, seededRandom } from "../../core/env/random.ts";
import { toOpenWitError } from "../../core/error.ts";
import type { IndexPredicate } from "../../core/index/predicate.ts";
import { type Signal, signals } from "../../core/model/columns.ts";
import { looksInto } from "../../core/parquet/read/filter.ts";
import { type Json, rowsOf } from "../../core/query/format.ts";
import { defaultQueryLimits, type QueryEnv, type QueryPlan, runQuery } from "../../core/query/query.ts";
import { PreparedStatements } from "../../core/query/prepared.ts";
import { ownConditions } from "../../core/query/needs.ts";
import { rowFilterOf } from "../../core/query/row_filter.ts";
import type { QuerySources, TableSource } from "../../core/query/sources.ts";
import type { TimeRange } from "../../core/query/bounds.ts";
import type { RowReader } from "../../core/query/row_reader.ts";
import type { SqlNode, SqlValue } from "../../core/query/tree.ts";
import { defaultEngineOptions, duckDBEngine } from "../../edge/duckdb/engine.ts";
import { rowReader } from "../../edge/rows/row-reader.ts";
import { clock } from "../conformance/sql_fixture.ts";
import { firstNs, openPruningData, type PruningData, spanNs } from "./pruning_data.ts";
import { anyQuery } from "./pruning_query.ts";

const seed = Number(process.env.PRUNING_SEED ?? 20_261);
const count = Number(process.env.PRUNING_QUERIES ?? 60);

let data: PruningData;
let env: QueryEnv;
let reader: RowReader;
beforeAll(async () => {
  data = await openPruningData(seed);
  const engine = duckDBEngine({ ...defaultEngineOptions, dataDir: data.dataDir });
  reader = rowReader(data.dataDir, (_level, message) => {
    throw new Error(message);
  });
  env = { engine, clock, indexes: data.indexes, statements: new PreparedStatements(), rowReader: reader };
}, 120_000);
afterAll(async () => {
  await env.engine.close();
  reader.close();
  data.close();
});

interface Answer {
  readonly rows: readonly string[];
  readonly plan?: QueryPlan;
  readonly error?: string;
}

async function answer(sql: string, sources: QuerySources, window: TimeRange | undefined): Promise<Answer> {
  try {
    const result = await runQuery(
      {
        sql,
        tenant: "default",
        ...defaultQueryLimits,
        timeoutMs: 120_000,
        limit: 200_000,
        window,
        sources: () => sources,
      },
      env,
    );
    const rows: Json[][] = [];
    for await (const batch of result.batches) rows.push(...rowsOf(batch, result.columns));
    return { rows: rows.map((row) => JSON.stringify(row)), plan: result.plan };
  } catch (error) {
    return { rows: [], error: toOpenWitError(error).code };
  }
}

/** The planner takes these files for large ones, of which it reads blocks. */
function asIfLarge(sources: QuerySources): QuerySources {
  const tables = signals.map((signal): [Signal, TableSource] => [signal, {
    ...sources[signal],
    files: sources[signal].files.map((file) => ({ ...file, bytes: 1e9 })),
  }]);
  return { ...Object.fromEntries(tables) as Record<Signal, TableSource>, release: () => {} };
}

function kindsIn(predicate: IndexPredicate): string[] {
  return predicate.kind === "and" || predicate.kind === "or"
    ? predicate.of.flatMap(kindsIn)
    : [predicate.kind];
}

function hasNode(value: SqlValue, node: SqlNode): boolean {
  if (typeof value !== "object" || value === null) return false;
  return value === node || Object.values(value).some((each) => hasNode(each, node));
}

test(`${count} statements are answered the same, planned and read whole (seed ${seed})`, async () => {
  const random = seededRandom(seed);
  const methods: Record<string, number> = {};
  const asked = new Set<string>();
  let blocks = 0, read = 0, rows = 0, fetched = 0;
  const fetchedOf = new Set<Signal>();
  const foundBy: Record<string, number> = {};
  const sought: Record<string, number> = { newest: 0, rows: 0, "beside others": 0 };
  const spared = { time: 0, window: 0, conditions: 0, passed: 0, memory: 0, allMemory: 0 };
  for (let number = 0; number < count; number++) {
    const { sql, isOrdered } = anyQuery(random);
    const minutes = (share: number) => firstNs + spanNs * BigInt(share) / 100n;
    const window = randomBelow(random, 6) === 0
      ? { minNs: minutes(randomBelow(random, 80)), maxNs: minutes(20 + randomBelow(random, 90)) }
      : undefined;
    const areSmall = number % 4 === 0;
    const planned = await answer(sql, areSmall ? data.sources : asIfLarge(data.sources), window);
    const whole = await answer(sql, data.whole, window);
    const order = (list: readonly string[]) => isOrdered ? list : [...list].sort();
    const isSame = planned.error === whole.error &&
      JSON.stringify(order(planned.rows)) === JSON.stringify(order(whole.rows));
    if (!isSame) {
      throw new Error(
        `statement ${number} of seed ${seed} gives ${
          planned.error ?? `${planned.rows.length} rows`
        } planned and ` +
          `${whole.error ?? `${whole.rows.length} rows`} whole, by ${
            planned.plan?.mentions.map(({ method }) => method)
          }:\n${sql}\n${
            JSON.stringify(window, (_, value) => typeof value === "bigint" ? String(value) : value)
          }`,
      );
    }
    rows += whole.rows.length;
    for (const mention of planned.plan?.mentions ?? []) {
      if (areSmall) expect(mention.method).not.toBe("blocks"); // small files are read whole
      methods[mention.method] = (methods[mention.method] ?? 0) + 1;
      for (const kind of kindsIn(mention.predicate)) asked.add(kind);
      if (mention.foundBy !== undefined) foundBy[mention.foundBy] = (foundBy[mention.foundBy] ?? 0) + 1;
      const { filter, isWhole } = rowFilterOf(mention.mention, ownConditions(mention.mention));
      if (mention.foundBy === "pages" && filter.columns.some(looksInto)) {
        sought[isWhole ? mention.method : "beside others"]++;
      }
      if (mention.fetched !== undefined) {
        fetched++;
        fetchedOf.add(mention.mention.signal);
        expect(mention.table.files).toEqual([]);
      }
      blocks += mention.blocks.considered;
      read += mention.blocks.read;
      const { files, conditions } = mention.table;
      if (files.some(({ timeNs }) => timeNs !== undefined)) spared.time++;
      if (files.some(({ isInWindow }) => isInWindow === true)) spared.window++;
      if (files.length > 0 && conditions !== undefined) spared.conditions++;
      const { query, conditions: own } = mention.mention;
      const { considered, read: readOfMemory } = mention.memtable;
      if (readOfMemory > 0 && readOfMemory < considered) spared.memory++;
      if (readOfMemory === 0) spared.allMemory++;
      if (query !== undefined && own.some((each) => !hasNode(query, each))) spared.passed++;
    }
    expect(whole.plan?.mentions.every(({ method }) => method === "scan") ?? true).toBe(true);
  }
  // Each way of reading was taken, much was left out, and there was something to find.
  expect(Object.keys(methods).sort()).toEqual(["blocks", "newest", "rows", "scan"]);
  expect([...asked]).toEqual(
    expect.arrayContaining(["equal", "word", "part", "level", "folded", "pair"]),
  );
  expect(read).toBeLessThan(blocks * 0.8);
  expect(rows).toBeGreaterThan(count);
  // Rows of each signal were read from their pages.
  expect(fetched).toBeGreaterThan(count / 10);
  expect(foundBy.pages).toBeGreaterThan(count / 10);
  expect(foundBy.engine).toBeGreaterThan(count / 20);
  // Texts were looked for in them.
  expect(sought.newest).toBeGreaterThan(count / 30);
  expect(sought.rows).toBeGreaterThan(count / 100);
  expect(sought["beside others"]).toBeGreaterThan(count / 200);
  expect([...fetchedOf].sort()).toEqual(["logs", "metrics", "spans"]);
  // So was each way of sparing what would be decoded.
  expect(Object.entries(spared).filter(([, times]) => times < count / 60)).toEqual([]);
}, 1_800_000);
