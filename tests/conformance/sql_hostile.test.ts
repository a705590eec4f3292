/**
 * Attempts to reach what a statement must not: files, settings, other tenants, the engine's own names; in every
 * spelling that comes to mind. Each is refused with its own words, and no answer ever holds a canary: values of another
 * tenant's memtable and files, and of a file beside the parquet folder.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { OpenWitError } from "../../core/error.ts";
import { canary, canaryFiles, plantCanaries } from "./sql_canaries.ts";
import { type Fixture, openFixture } from "./sql_fixture.ts";

let fixture: Fixture;
let endOther: () => Promise<void>;

beforeAll(async () => {
  fixture = await openFixture(50);
  endOther = await plantCanaries(fixture);
});
afterAll(async () => {
  await endOther();
  expect(fixture.pinned).toBe(0);
  await fixture.close();
});

/** How a name may be written so that a check by its text would miss it. */
const disguises = (name: string): string[] => [
  name,
  name.toUpperCase(),
  `"${name}"`,
  `"${name.toUpperCase()}"`,
  `main.${name}`,
  `"main"."${name}"`,
  `system.main.${name}`,
  `memory.main.${name}`,
  `temp.${name}`,
  `pg_catalog.${name}`,
  `/**/${name}/**/`,
  `${name} -- x\n`,
  `\t\n${name}\u00a0`,
  `\u200b${name}`,
  `${name}\u200b`,
  `${name.slice(0, 2)}\u0000${name.slice(2)}`,
  `U&"${name}"`,
  `[${name}]`,
  `\`${name}\``,
  name.replace(/[aeio]/, (letter) => ({ a: "\u0430", e: "\u0435", i: "\u0456", o: "\u043e" })[letter]!),
];

const file = canaryFiles.text;

const attempts: readonly string[] = [
  ...disguises("read_csv").map((name) => `SELECT * FROM ${name}('${file}')`),
  ...disguises("read_text").map((name) => `SELECT content FROM ${name}('secret.csv')`),
  ...disguises("getenv").map((name) => `SELECT ${name}('OPENWIT_TEST_CANARY')`),
  ...disguises("openwit_memtable_logs").map((name) => `SELECT * FROM ${name}(1)`),
  // every reader, and in every place of a statement
  ...("read_csv_auto read_parquet parquet_scan read_json read_json_auto read_json_objects read_json_objects_auto " +
    "read_ndjson read_ndjson_auto read_ndjson_objects read_blob read_duckdb glob sniff_csv parquet_metadata " +
    "parquet_schema parquet_file_metadata parquet_kv_metadata parquet_bloom_probe parquet_full_metadata arrow_scan " +
    "arrow_scan_dumb pandas_scan python_map_function seq_scan index_scan st_read iceberg_scan delta_scan " +
    "sqlite_scan postgres_scan mysql_scan read_xlsx read_avro read_gsheet httpfs_get http_get shellfs query " +
    "query_table json_execute_serialized_sql from_substrait from_substrait_json duckdb_secrets which_secret " +
    "duckdb_memory duckdb_temporary_files duckdb_logs duckdb_approx_database_count test_all_types test_vector_types " +
    "pragma_storage_info pragma_database_size pragma_user_agent pragma_last_profiling_output storage_info summary " +
    "repeat_row checkpoint force_checkpoint duckdb_prepared_statements enable_logging enable_profiling " +
    "sql_auto_complete icu_calendar_names pg_timezone_names unnest_files")
    .split(" ").map((name) => `SELECT * FROM ${name}('${file}')`),
  `SELECT * FROM logs WHERE body = (SELECT content FROM read_text('${file}'))`,
  `SELECT * FROM logs WHERE body > ALL (SELECT content FROM read_text('${file}'))`,
  `SELECT list_transform([1], lambda x: (SELECT content FROM read_text('${file}')))`,
  `SELECT [x FOR x IN (SELECT list(content) FROM read_text('${file}'))]`,
  `SELECT * FROM (VALUES ((SELECT content FROM read_text('${file}'))))`,
  `SELECT * FROM logs LIMIT (SELECT count(*) FROM read_text('${file}'))`,
  `SELECT * FROM logs OFFSET (SELECT count(*) FROM read_text('${file}'))`,
  `SELECT * FROM logs ORDER BY (SELECT max(content) FROM read_text('${file}'))`,
  `SELECT count(*) FROM logs GROUP BY (SELECT max(content) FROM read_text('${file}'))`,
  `SELECT count(*) FROM logs HAVING EXISTS (FROM read_text('${file}'))`,
  `SELECT count(*) OVER (PARTITION BY (SELECT max(content) FROM read_text('${file}'))) FROM logs`,
  `SELECT count(*) FILTER (EXISTS (FROM read_text('${file}'))) FROM logs`,
  `SELECT string_agg(body ORDER BY getenv('HOME')) FROM logs`,
  `SELECT DISTINCT ON (getenv('HOME')) body FROM logs`,
  `SELECT * FROM logs JOIN spans ON getenv('HOME') = ''`,
  `SELECT * FROM logs ASOF JOIN read_csv('${file}') c ON logs.timestamp >= c.a`,
  `SELECT * FROM logs POSITIONAL JOIN read_csv('${file}')`,
  `SELECT * FROM logs SEMI JOIN read_csv('${file}') c ON true`,
  `SELECT * FROM logs NATURAL JOIN '${file}'`,
  `SELECT * FROM (SELECT body FROM logs) PIVOT (max(getenv('HOME')) FOR body IN ('a'))`,
  `SELECT * FROM (FROM read_csv('${file}')) PIVOT (count(*) FOR a IN ('a'))`,
  `SELECT * FROM read_csv('${file}') UNPIVOT (v FOR n IN (a, b))`,
  `SELECT * FROM logs TABLESAMPLE 10% WHERE getenv('HOME') = ''`,
  `WITH a AS MATERIALIZED (FROM read_csv('${file}')) SELECT 1`,
  `WITH a AS NOT MATERIALIZED (FROM '${file}') SELECT * FROM a`,
  `WITH RECURSIVE a AS (SELECT 1 UNION ALL SELECT b FROM read_csv('${file}')) SELECT * FROM a`,
  `WITH RECURSIVE a(x) USING KEY (x) AS (SELECT 1 UNION SELECT x FROM a) SELECT * FROM a`,
  `SELECT 1 UNION BY NAME FROM '${file}'`,
  `(((SELECT 1))) INTERSECT (((FROM '${file}')))`,
  // files as tables
  ...[
    ...Object.values(canaryFiles),
    "./secret.csv",
    "../secret.csv",
    "parquet/../secret.csv",
    "parquet/*",
    "parquet/logs-0.parquet",
    "/proc/self/environ",
    "/etc/passwd",
    "file:///etc/passwd",
    "file:secret.csv",
    "parquet/other/*.parquet",
    "https://example.org/x.csv",
    "s3://bucket/x.parquet",
    "hf://datasets/x/y.csv",
    "/dev/stdin",
    "secret.csv.gz",
    "x.db",
  ].flatMap((path) => [`SELECT * FROM '${path}'`, `SELECT * FROM "${path}"`, `FROM '${path}' AS logs`]),
  `FROM E'secret\\x2ecsv'`,
  `FROM $$secret.csv$$`,
  `FROM x'7365637265742e637376'`,
  `FROM 'secret' || '.csv'`,
  // the engine's names, its catalog, other schemas
  ...[
    "openwit_logs_1",
    "openwit_logs_2",
    "openwit_t1",
    "openwit_result",
    "openwit_system_segments",
    "OPENWIT_LOGS_1",
  ]
    .flatMap((
      name,
    ) => [`SELECT * FROM ${name}`, `SELECT * FROM "${name}"`, `SELECT * FROM temp.main.${name}`]),
  `WITH openwit_logs_1 AS (SELECT 1 AS body) SELECT * FROM logs`,
  `WITH "OPENWIT_LOGS_1" AS (SELECT 1 AS body) SELECT * FROM logs`,
  `WITH openwit_memtable_logs AS (SELECT 1) SELECT * FROM openwit_memtable_logs`,
  ...[1, 2, 3, 4, 5].map((pin) => `SELECT * FROM openwit_memtable_spans(${pin})`),
  `SELECT openwit_memtable_logs(1)`,
  `SELECT * FROM logs, LATERAL openwit_memtable_logs(severity_number)`,
  ...[
    "information_schema.tables",
    "information_schema.columns",
    "pg_catalog.pg_tables",
    "sqlite_schema",
    "duckdb_views",
    "duckdb_columns",
    "pg_views",
    "main.spans",
    "memory.logs",
    "temp.main.logs",
    "system.main.logs",
    "other.logs",
    "other.main.logs",
    "default.logs",
    "system.secrets",
    "system.main.duckdb_settings",
    "system.segments.x",
    "memory.system.segments",
    `"system.segments"`,
    "system.information_schema.tables",
  ].map((name) => `SELECT * FROM ${name}`),
  // statements that are none, or hide in one
  ...[
    "COPY (SELECT 1) TO 'x.csv'",
    "COPY logs FROM 'x.csv'",
    "ATTACH 'x.db' AS x",
    "DETACH memory",
    "INSTALL json",
    "FORCE INSTALL json",
    "LOAD json",
    "LOAD './x.so'",
    "PRAGMA version",
    "PRAGMA database_list",
    "PRAGMA memory_limit='1TB'",
    "SET threads=64",
    "SET GLOBAL threads=64",
    "SET SESSION threads=64",
    "SET VARIABLE x = getenv('HOME')",
    "RESET ALL",
    "RESET threads",
    "CALL pragma_version()",
    "CALL checkpoint()",
    "CREATE VIEW v AS SELECT 1",
    "CREATE TEMP VIEW logs AS SELECT 1",
    "CREATE OR REPLACE TEMP MACRO abs(x) AS 1",
    "CREATE SCHEMA s",
    "CREATE TYPE t AS ENUM ('a')",
    "CREATE SEQUENCE s",
    "CREATE INDEX i ON logs(body)",
    "ALTER TABLE logs ADD COLUMN x INT",
    "TRUNCATE logs",
    "MERGE INTO logs USING spans ON true WHEN MATCHED THEN DELETE",
    "INSERT INTO logs VALUES (1)",
    "COMMENT ON TABLE logs IS 'x'",
    "ANALYZE",
    "BEGIN TRANSACTION",
    "COMMIT",
    "ROLLBACK",
    "DEALLOCATE x",
    "IMPORT DATABASE 'x'",
    "EXPLAIN ANALYZE SELECT 1",
    "EXPLAIN (FORMAT json) SELECT 1",
    "DESCRIBE 'secret.csv'",
    "SUMMARIZE 'secret.csv'",
    "SHOW ALL TABLES",
    "SHOW TABLES FROM memory",
    "SHOW VARIABLES",
    "USE memory",
    "LOAD httpfs; SELECT 1",
    "SELECT 1; COPY logs TO 'x'",
    "SELECT 1;;SELECT getenv('HOME')",
    "/* SELECT */ COPY logs TO 'x'",
    "-- SELECT\nCOPY logs TO 'x'",
    "SELECT 1 INTO OUTFILE 'x'",
    "WITH x AS (INSERT INTO logs VALUES (1) RETURNING *) SELECT * FROM x",
    "WITH x AS (DELETE FROM logs) SELECT 1",
    "SELECT * FROM (COPY logs TO 'x')",
    "SELECT * FROM (SHOW DATABASES)",
    "SELECT * FROM (EXPLAIN SELECT 1)",
  ],
  // functions that tell of the engine, wait, or make something
  ...[
    "current_setting('threads')",
    "current_schemas(true)",
    "current_user",
    "session_user",
    "current_catalog",
    "current_role",
    "pg_get_viewdef(1)",
    "pg_table_size('logs')",
    "has_table_privilege('logs', 'select')",
    "pg_size_bytes('x')",
    "getvariable('x')",
    "currval('s')",
    "nextval('s')",
    "uuid()",
    "gen_random_uuid()",
    "sleep_ms(1000)",
    "sleep(10)",
    "pg_sleep(10)",
    "system.main.sleep_ms(10)",
    "write_log('x')",
    "setseed(1)",
    "txid_current()",
    "query('SELECT 1')",
    "json_serialize_plan('SELECT 1')",
    "json_deserialize_sql('{}')",
    "create_sort_key(1, 'ASC')",
    "invoke(lambda x: x, 1)",
    "vector_type(1)",
    "stats(1)",
    "in_search_path('a', 'b')",
    "get_block_size('memory')",
    "add_parquet_key('a', 'b')",
    "parse_duckdb_log_message('a', 'b')",
    "enum_range(NULL)",
    "1::getenv",
    "x'00'::system.main.t",
    "CAST('x' AS \"secret.csv\")",
    "list_aggregate([1], 'getenv')",
    "list_aggr([1], 'openwit_memtable_logs')",
    "apply([1], getenv)",
    "list_transform(['HOME'], getenv)",
    "macro_that_is_none(1)",
    "lcase.getenv('HOME')",
    "struct_pack(a := getenv('HOME'))",
    "{'a': getenv('HOME')}",
    "[getenv('HOME')]",
    "MAP {getenv('HOME'): 1}",
    "getenv('HOME') IS NULL",
    "'x' || getenv('HOME')",
    "getenv('HOME')::INT",
    "CASE getenv('HOME') WHEN '' THEN 1 END",
    "1 BETWEEN 0 AND length(getenv('HOME'))",
    "getenv('HOME') COLLATE NOCASE",
    "interval (length(getenv('HOME'))) day",
    "(getenv('HOME')).x",
    "getenv('H')[1]",
  ].map((expression) => `SELECT ${expression}`),
];

test(`there are at least 150 attempts, each its own`, () => {
  expect(new Set(attempts).size).toBe(attempts.length);
  expect(attempts.length).toBeGreaterThan(150);
});

test.each(attempts.map((sql) => [JSON.stringify(sql), sql]))("%s", async (_, sql) => {
  const outcome = await fixture.rows(sql).catch((error) => error);
  expect(JSON.stringify(outcome) + String(outcome?.message)).not.toContain(canary);
  if (Array.isArray(outcome)) throw new Error(`it was answered: ${JSON.stringify(outcome).slice(0, 200)}`);
  expect(outcome).toBeInstanceOf(OpenWitError);
  expect(["forbidden", "invalid_argument"]).toContain(outcome.code);
  expect(outcome.retryable).toBe(false);
  expect(outcome.message.length).toBeGreaterThan(5);
});

test("a name of a system table cannot be given to something else", async () => {
  expect(await fixture.rows("WITH segments AS (SELECT 1 AS x) SELECT x FROM segments")).toEqual([[1]]);
  expect(await fixture.rows("SELECT * FROM system.segments")).toEqual([]);
});

test("a reader who stops reading holds nothing beyond the statement's time", async () => {
  const before = fixture.pinned;
  const sql = "SELECT i, body FROM logs, range(1000) AS series(i)";
  const result = await fixture.start(sql, { timeoutMs: 4_000, limit: 50_000 });
  const batches = result.batches[Symbol.asyncIterator]();
  await batches.next();
  expect(fixture.pinned).toBe(before + 1);
  for (let tries = 0; tries < 500 && fixture.pinned > before; tries++) await Bun.sleep(20);
  expect(fixture.pinned).toBe(before);
  const reading = async () => {
    for (;;) if ((await batches.next()).done) return;
  };
  await expect(reading()).rejects.toMatchObject({ code: "deadline_exceeded" });
}, 30_000);

test("a parameter that is named again and again counts each time", async () => {
  const text = "x".repeat(100_000);
  const sql = `SELECT ${Array(60).fill("length($1)").join(" + ")}`;
  await expect(fixture.rows(sql, { params: [text] })).rejects.toMatchObject({ code: "too_large" });
  expect(await fixture.rows("SELECT length($1)", { params: [text] })).toEqual([["100000"]]);
});
