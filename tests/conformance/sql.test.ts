import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { tableFromIPC } from "apache-arrow";
import { OpenWitError } from "../../core/error.ts";
import { columnsOf, signals } from "../../core/model/columns.ts";
import { sqlType } from "../../core/model/sql.ts";
import { toArrow } from "../../core/query/arrow.ts";
import { toCsv, toJson, toNdjson } from "../../core/query/format.ts";
import type { QueryResult } from "../../core/query/query.ts";
import { valueAt } from "../golden/segment-chunk.ts";
import { type Fixture, fixtureSeed, openFixture } from "./sql_fixture.ts";

const rowCount = 6_000;
let fixture: Fixture;
beforeAll(async () => {
  fixture = await openFixture(rowCount);
});
afterAll(async () => {
  expect(fixture.pinned).toBe(0);
  await fixture.close();
});

test.each(signals)(
  `every value of %s in files and memtable comes back as it was (seed ${fixtureSeed})`,
  async (signal) => {
    const time = signal === "spans" ? "start_timestamp" : "timestamp";
    const result = await fixture.start(`SELECT * FROM ${signal} ORDER BY ${time}`);
    expect(result.columns.map(({ name, type }) => `${name} ${type}`)).toEqual(
      columnsOf[signal].map(({ name, type }) => `${name} ${sqlType(type).replaceAll(/"(\w+)" /g, '"$1" ')}`),
    );
    let row = 0;
    for await (const batch of result.batches) {
      for (let at = 0; at < batch.rows; at++, row++) {
        for (const [column, { name }] of columnsOf[signal].entries()) {
          const expected = plain(valueAt(fixture.all[signal].vectors[column], row));
          const actual = plain(batch.columns[column][at]);
          if (!Bun.deepEquals(actual, expected)) {
            expect({ name, row, value: actual }).toEqual({ name, row, value: expected });
          }
        }
      }
    }
    expect(row).toBe(rowCount);
  },
);

/** Maps, structs and objects as lists of values, numbers as text: one shape for what two readers give. */
function plain(value: unknown): unknown {
  if (value === null || typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "bigint" || typeof value === "number") {
    return Object.is(value, -0) ? "-0" : String(value);
  }
  if (value instanceof Map) return [...value].map(plain);
  if (Array.isArray(value)) return value.map(plain);
  return Object.values(value as object).map(plain);
}

test("counts are exact over files and memtable together", async () => {
  for (const table of ["logs", "spans", "traces", "metrics"]) {
    expect(await fixture.rows(`SELECT count(*) FROM ${table}`)).toEqual([[String(rowCount)]]);
  }
});

test("a table without files and rows has its columns all the same", async () => {
  const sources = () => {
    const none = (signal: (typeof signals)[number]) => ({ signal, files: [], chunks: [] });
    return { logs: none("logs"), spans: none("spans"), metrics: none("metrics"), release() {} };
  };
  expect(await fixture.rows("SELECT count(*), max(timestamp) FROM logs", { sources })).toEqual([["0", null]]);
  const result = await fixture.start("SELECT events FROM spans", { sources });
  await result.close();
  expect(result.columns[0].type).toContain('STRUCT("timestamp" TIMESTAMP_NS');
});

test("integers of 64 bits, decimals and nanoseconds arrive exact in JSON", async () => {
  const [row] = await fixture.rows(
    `SELECT 9223372036854775807, (-9223372036854775808)::BIGINT, 18446744073709551615::UBIGINT,
    170141183460469231731687303715884105727::HUGEINT, 12345678901234567.89::DECIMAL(20,2), -0.05::DECIMAL(4,2),
    '2026-11-23T20:31:12.123456789Z'::TIMESTAMP_NS, '1969-12-31 23:59:59.999999999'::TIMESTAMP_NS, 42::INTEGER,
    'NaN'::DOUBLE, '-Infinity'::DOUBLE, 0.1::DOUBLE, NULL, DATE '2026-02-03', TIME '01:02:03.5',
    INTERVAL '1 month 2 days 3.5 seconds', '\\xFF\\x00'::BLOB, [1, NULL]::BIGINT[], MAP {'a': 1::BIGINT},
    {'x': 9007199254740993::BIGINT, 'y': [true]}`,
  );
  expect(row).toEqual([
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "170141183460469231731687303715884105727",
    "12345678901234567.89",
    "-0.05",
    "2026-11-23T20:31:12.123456789Z",
    "1969-12-31T23:59:59.999999999Z",
    42,
    "NaN",
    "-Infinity",
    0.1,
    null,
    "2026-02-03",
    "01:02:03.500000000",
    "P1M2DT3.5S",
    "/wA=",
    ["1", null],
    { a: "1" },
    { x: "9007199254740993", y: [true] },
  ]);
});

test("a constant beyond 2^53 keeps its digits through parsing and printing", async () => {
  expect(
    await fixture.rows("SELECT 9007199254740993 = $1, 1700000000123456789 % 1000", {
      params: [9007199254740993n],
    }),
  )
    .toEqual(
      [[true, 789]].map((row) => row.map((value) => typeof value === "number" ? String(value) : value)),
    );
});

test("JSON tells columns with types, rows, and what it cost", async () => {
  const body = await text(toJson(await fixture.start("SELECT count(*) AS n, 'x' AS s FROM logs")));
  expect(JSON.parse(body)).toMatchObject({
    columns: [{ name: "n", type: "BIGINT" }, { name: "s", type: "VARCHAR" }],
    rows: [[String(rowCount), "x"]],
    row_count: 1,
    truncated: false,
    files_considered: 2,
    files_pruned: 0,
    memtable_rows: rowCount * 0.4,
  });
});

test("JSON of no rows still tells the columns", async () => {
  const body = await text(toJson(await fixture.start("SELECT body FROM logs WHERE false")));
  expect(JSON.parse(body)).toMatchObject({
    columns: [{ name: "body", type: "VARCHAR" }],
    rows: [],
    row_count: 0,
  });
});

test("NDJSON has an object a row, and tells equal names apart", async () => {
  const body = await text(
    toNdjson(await fixture.start("SELECT i, i * 2 AS i FROM range(2) t(i) ORDER BY 1")),
  );
  expect(body).toBe('{"i":"0","i:1":"0"}\n{"i":"1","i:1":"2"}\n');
});

test("CSV quotes what needs it, and tells NULL from empty text", async () => {
  const body = await text(
    toCsv(await fixture.start(`SELECT 'a"b' AS "x,y", NULL AS n, '' AS e, E'l\\nm' AS l, [1] AS v`)),
  );
  expect(body).toBe('"x,y",n,e,l,v\n"a""b",,"","l\nm",[1]\n');
});

test("an error in the middle of a large result is an error, never a shorter answer", async () => {
  const sql = "SELECT CASE WHEN i = 150000 THEN error('boom') ELSE 'fine' END AS v FROM range(200000) t(i)";
  for (const limit of [10_000, 1_000_000]) {
    const answer = await fixture.rows(sql, { limit, bytesMax: 1e9 }).catch((error) => error);
    if (limit < 150_000) expect(answer).toHaveLength(limit);
    else expect(answer).toMatchObject({ code: "invalid_argument", message: "boom" });
  }
});

test("a large result arrives whole and in order", async () => {
  const rows = await fixture.rows("SELECT i, i AS i, NULL AS n FROM range(100000) t(i) ORDER BY i DESC", {
    limit: 1_000_000,
  });
  expect(rows).toHaveLength(100_000);
  expect([rows[0], rows.at(-1)]).toEqual([["99999", "99999", null], ["0", "0", null]]);
});

test("an error after the first rows ends JSON and NDJSON with it", async () => {
  const broken = async (): Promise<QueryResult> => {
    const result = await fixture.start("SELECT 1 AS v");
    const batches = async function* () {
      yield* result.batches;
      throw new OpenWitError("io", "boom");
    };
    return { ...result, batches: batches() };
  };
  expect(JSON.parse(await text(toJson(await broken()))).error).toMatchObject({ code: "io", message: "boom" });
  const lines = (await text(toNdjson(await broken()))).trimEnd().split("\n");
  expect(JSON.parse(lines.at(-1)!).error.message).toBe("boom");
});

test.each(signals)(`the Arrow stream of %s has every value (seed ${fixtureSeed})`, async (signal) => {
  const time = signal === "spans" ? "start_timestamp" : "timestamp";
  const sql = `SELECT * FROM ${signal} ORDER BY ${time} LIMIT 3000`;
  const table = tableFromIPC(Buffer.concat(await pieces(toArrow(await fixture.start(sql)))));
  expect(table.numRows).toBe(3_000);
  for (const [index, column] of columnsOf[signal].entries()) {
    const vector = table.getChildAt(index)!;
    expect(vector.type.toString()).toContain(arrowNames[column.type.kind]);
    for (let row = 0; row < table.numRows; row += 97) {
      const expected = plain(valueAt(fixture.all[signal].vectors[index], row));
      if (column.type.kind === "timestamp" || column.type.kind === "list" || column.type.kind === "map") {
        continue;
      }
      expect(plain(vector.get(row))).toEqual(expected);
    }
  }
});

const arrowNames = {
  timestamp: "Timestamp<NANOSECOND>",
  int64: "Int64",
  uint64: "Uint64",
  int32: "Int32",
  uint32: "Uint32",
  float64: "Float64",
  bool: "Bool",
  utf8: "Utf8",
  dictionary: "Utf8",
  map: "Map",
  list: "List",
  struct: "Struct",
} as const;

test("Arrow holds the extremes of every scalar type", async () => {
  const sql = `SELECT 9223372036854775807 AS a, 18446744073709551615::UBIGINT AS b, (-7)::HUGEINT AS c,
    '2026-11-23T20:31:12.123456789Z'::TIMESTAMP_NS AS d, true AS e, NULL::VARCHAR AS f, (-1)::TINYINT AS g`;
  const table = tableFromIPC(Buffer.concat(await pieces(toArrow(await fixture.start(sql)))));
  expect(table.getChild("a")!.get(0)).toBe(9223372036854775807n);
  expect(table.getChild("b")!.get(0)).toBe(18446744073709551615n);
  expect([...table.getChild("c")!.get(0)].map((word: number) => word | 0)).toEqual([-7, -1, -1, -1]);
  expect(table.getChild("d")!.data[0].values[0]).toBe(1_795_465_872_123_456_789n);
  expect([table.getChild("e")!.get(0), table.getChild("f")!.get(0), table.getChild("g")!.get(0)]).toEqual([
    true,
    null,
    -1,
  ]);
});

test("rows beyond the limit are cut off, and the answer says so", async () => {
  const result = await fixture.start("SELECT * FROM logs ORDER BY timestamp", { limit: 10 });
  let rows = 0;
  for await (const batch of result.batches) rows += batch.rows;
  expect([rows, result.stats.rows, result.stats.truncated]).toEqual([10, 10, "rows"]);
});

test("a result of exactly the limit is not called truncated", async () => {
  const result = await fixture.start("SELECT * FROM range(10)", { limit: 10 });
  for await (const _ of result.batches);
  expect(result.stats).toMatchObject({ rows: 10 });
  expect(result.stats.truncated).toBeUndefined();
});

test("a result of too many bytes is cut off, and the answer says so", async () => {
  const result = await fixture.start("SELECT repeat('x', 1000) FROM range(5000)", {
    bytesMax: 100_000,
    limit: 5_000,
  });
  for await (const _ of result.batches);
  expect(result.stats.truncated).toBe("bytes");
  expect(result.stats.rows).toBeLessThan(110);
});

const endless = "SELECT count(*) FROM logs a, logs b, logs c WHERE a.body <> b.body AND b.body <> c.body";

test("a statement that takes too long is stopped within its time-out", async () => {
  const begun = performance.now();
  const error = await fixture.rows(endless, { timeoutMs: 300 }).catch((error) => error);
  expect(error).toMatchObject({ code: "deadline_exceeded" });
  expect(performance.now() - begun).toBeLessThan(2_000);
});

test("a client that goes away stops its statement", async () => {
  const abort = new AbortController();
  setTimeout(() => abort.abort(), 100);
  const begun = performance.now();
  const error = await fixture.rows(endless, { signal: abort.signal }).catch((error) => error);
  expect(error).toMatchObject({ code: "cancelled" });
  expect(performance.now() - begun).toBeLessThan(2_000);
  expect(await fixture.rows("SELECT 1")).toEqual([[1]]);
});

test("an engine that is closed ends what runs and what waits, and opens again when used", async () => {
  const runs = Array.from({ length: 6 }, () => fixture.rows(endless).catch((error) => error.code));
  const load = () => fixture.engine.load!;
  const underWay = () => load().running + load().waiting;
  while (underWay() < runs.length) await Bun.sleep(5);
  await fixture.engine.close();
  expect(await Promise.all(runs)).toEqual(runs.map(() => "unavailable"));
  expect(await fixture.rows("SELECT count(*) FROM logs")).toEqual([[String(rowCount)]]);
});

test("statements beyond those that may wait are refused as overloaded", async () => {
  const small = await openFixture(10, { concurrency: 1, waitingMax: 1 });
  const cross = "SELECT count(*) FROM range(100000) a, range(100000) b";
  const runs = Array.from(
    { length: 3 },
    () => small.rows(cross, { timeoutMs: 500 }).catch((error) => error.code),
  );
  expect((await Promise.all(runs)).sort()).toEqual(["deadline_exceeded", "deadline_exceeded", "overloaded"]);
  await small.close();
});

test("a file that is gone is not found, and the next statement runs", async () => {
  const path = "parquet/gone.parquet";
  const sources = () => ({
    ...fixture.sources(new Set()),
    logs: { signal: "logs" as const, files: [{ path, rows: 1, bytes: 1 }], chunks: [] },
  });
  const error = await fixture.rows("SELECT count(*) FROM logs", { sources }).catch((error) => error);
  expect(error).toMatchObject({ code: "not_found" });
  expect(await fixture.rows("SELECT 1")).toEqual([[1]]);
});

test("a reader that stops early releases what was pinned", async () => {
  const result = await fixture.start("SELECT * FROM range(1000000)", { limit: 1_000_000 });
  for await (const _ of result.batches) break;
  expect(fixture.pinned).toBe(0);
});

test("eight statements at once all answer, and none waits for ever", async () => {
  const sqls = Array.from(
    { length: 8 },
    (_, at) => `SELECT count(*), ${at}::INTEGER FROM logs l, range(20) WHERE body IS NOT NULL OR true`,
  );
  const answers = await Promise.all(sqls.map((sql) => fixture.rows(sql)));
  expect(answers).toEqual(sqls.map((_, at) => [[String(rowCount * 20), at]]));
});

test("rows added to a chunk after the pin are not seen, and growth of its buffers disturbs nobody", async () => {
  const chunk = fixture.all.logs;
  const source = { signal: "logs", files: [], chunks: [{ chunk, rows: 100 }] } as const;
  const sources = () => ({
    ...fixture.sources(new Set()),
    logs: source,
    release: () => void fixture.pinned--,
  });
  const result = await fixture.start("SELECT body FROM logs", { sources });
  for (let row = 0; row < 2_000; row++) chunk.appendRow(chunk, row);
  let rows = 0;
  for await (const batch of result.batches) rows += batch.rows;
  chunk.truncate(rowCount);
  expect(rows).toBe(100);
});

test(
  "a statement that does not fit in memory spills into the folder for it, and leaves nothing there",
  async () => {
    const small = await openFixture(10, { memoryBytes: 48 * 1024 * 1024, threads: 1 });
    const spill = join(small.dataDir, "tmp/query");
    const sql = "SELECT count(DISTINCT repeat(i::VARCHAR, 20)) FROM range(400000) t(i)";
    let spilled = 0;
    const watch = setInterval(
      () => spilled = Math.max(spilled, existsSync(spill) ? readdirSync(spill).length : 0),
      5,
    );
    const rows = await small.rows(sql, { timeoutMs: 25_000 });
    clearInterval(watch);
    expect(rows).toEqual([["400000"]]);
    expect(spilled).toBeGreaterThan(0);
    await small.engine.close();
    expect(existsSync(spill) ? readdirSync(spill) : []).toEqual([]);
    await small.close();
  },
  30_000,
);

test("memory that runs out refuses the statement, and the next one runs", async () => {
  const small = await openFixture(100, {
    memoryBytes: 24 * 1024 * 1024,
    spillBytes: 1024 * 1024,
    threads: 1,
  });
  const error = await small.rows(
    "SELECT i, list(hash(i, j)) FROM range(3000) a(i), range(3000) b(j) GROUP BY i ORDER BY 1",
    { timeoutMs: 20_000 },
  ).catch((error) => error);
  expect(error).toMatchObject({ code: "overloaded", retryable: true });
  expect(await small.rows("SELECT count(*) FROM logs")).toEqual([["100"]]);
  await small.close();
}, 30_000);

test("a fault of the engine is told as one, without its trace, and the next statement runs", async () => {
  const own = await openFixture(100);
  const statement =
    "SELECT TRY(json_extract_string(resource_attributes, '/a')), count(*) FROM logs GROUP BY ALL";
  const error: OpenWitError = await own.rows(statement).catch((error) => error);
  expect(error).toMatchObject({ code: "internal", hint: expect.stringContaining("another way") });
  expect(error.message).toContain("the SQL engine failed on the statement");
  expect(error.message).not.toMatch(/\.so|\n/);
  expect(await own.rows("SELECT count(*) FROM logs")).toEqual([["100"]]);
  await own.close();
}, 30_000);

async function text(parts: AsyncIterable<string>): Promise<string> {
  return (await pieces(parts)).join("");
}

async function pieces<T>(parts: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const part of parts) all.push(part);
  return all;
}
