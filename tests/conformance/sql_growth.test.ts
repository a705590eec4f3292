/**
 * Statements that are short and would become huge, each refused before it runs, and their harmless likes, each answered.
 * On a running server, with what can only be stopped while it runs: tests/e2e/hostile.e2e.ts.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { type Fixture, openFixture } from "./sql_fixture.ts";

let fixture: Fixture;
beforeAll(async () => {
  fixture = await openFixture(50);
});
afterAll(async () => {
  expect(fixture.pinned).toBe(0);
  await fixture.close();
});

const levels = (count: number, first: string, next: (previous: string) => string, last = "count(*)") =>
  `WITH c0 AS (${first})${
    Array.from({ length: count }, (_, at) => `, c${at + 1} AS (${next(`c${at}`)})`).join("")
  } SELECT ${last} FROM c${count}`;
const many = (count: number, each: (at: number) => string, by = ", ") =>
  Array.from({ length: count }, (_, at) => each(at)).join(by);
const gathered = "(SELECT list(i) AS l, string_agg(i::VARCHAR) AS s FROM range(1000) t(i))";

test.each([
  // values
  ["repeat(body, 65)", "SELECT repeat(body, 65) FROM logs"],
  ["repeat of what is long already", "SELECT repeat(s, 1000) FROM (SELECT rpad(body, 1000) AS s FROM logs)"],
  ["repeat of a count a row", "SELECT repeat('x', severity_number) FROM logs"],
  ["lpad to 10,000", "SELECT lpad(body, 10000, 'x') FROM logs"],
  ["range a row", "SELECT range(severity_number) FROM logs"],
  ["range in a lambda", "SELECT list_transform([1], lambda x: range(x)) FROM logs"],
  ["a list of 100,000", "SELECT list_append(range(100000), severity_number) FROM logs"],
  ["bins a row", "SELECT equi_width_bins(0, 10, severity_number, true) FROM logs"],
  ["the body for each letter of it", "SELECT list_transform(str_split(body, ''), lambda x: body) FROM logs"],
  ["concat of one column", `SELECT concat(${many(70, () => "body")}) FROM logs`],
  ["a list of one column", `SELECT [${many(70, () => "body")}] FROM logs`],
  ["replace by the body", "SELECT replace(body, 'a', body) FROM logs"],
  ["translate of what is long", "SELECT translate(rpad(body, 4000), 'a', 'b') FROM logs"],
  ["to_json of what is long", "SELECT to_json(rpad(body, 2000)) FROM logs"],
  ["a time of many parts", `SELECT strftime(timestamp, '${"%c".repeat(2_000)}') FROM logs`],
  ["many places of a format", `SELECT format('${"{0}".repeat(200)}', body) FROM logs`],
  ["a constant of 2 MB", "SELECT repeat('x', 2000000)"],
  ["a parameter repeated", "SELECT repeat($1, 64) FROM logs"],
  [
    "texts doubled by WITH",
    levels(20, "SELECT body AS b FROM logs", (from) => `SELECT b || b AS b FROM ${from}`),
  ],
  [
    "texts doubled by nesting",
    `SELECT b FROM ${"(SELECT b || b AS b FROM ".repeat(20)}(SELECT body AS b FROM logs)${")".repeat(20)}`,
  ],
  [
    "texts doubled by LATERAL",
    `SELECT z FROM logs, LATERAL (SELECT ${many(9, () => "body", " || ")} AS x), LATERAL (SELECT ${
      many(9, () => "x", " || ")
    } AS y), LATERAL (SELECT y || y AS z)`,
  ],
  [
    "texts doubled by aliases",
    `SELECT ${many(9, () => "body", " || ")} AS b, (SELECT ${many(9, () => "b", " || ")}) FROM logs`,
  ],
  [
    "texts doubled by renamed columns",
    levels(20, "SELECT body FROM logs", (from) => `SELECT a || a FROM ${from} AS t(a)`),
  ],
  [
    "texts doubled by recursion",
    "WITH RECURSIVE r(s) AS (SELECT 'x' UNION ALL SELECT s || s FROM r) SELECT max(s) FROM r",
  ],
  [
    "texts doubled by a window",
    levels(20, "SELECT body AS b FROM logs", (from) => `SELECT lag(b) OVER () || b AS b FROM ${from}`),
  ],
  ["lists doubled by list_reduce", "SELECT list_reduce([[1], [2], [3]], lambda a, x: list_concat(a, a))"],
  [
    "lambdas in lambdas",
    "SELECT list_transform(range(1000), lambda x: list_transform(range(1000), lambda y: x + y))",
  ],
  ["what was gathered, beside each row", `SELECT g.s || body FROM ${gathered} g, logs`],
  ["what was gathered, by WITH", `WITH g AS ${gathered} SELECT upper(s) FROM g JOIN logs ON true`],
  ["what was gathered, by a subquery", `SELECT list_append((SELECT l FROM ${gathered}), 1) FROM logs`],
  ["what a window gathers", "SELECT array_to_string(list(body) OVER (ORDER BY timestamp), ',') FROM logs"],
  ["two long texts", "SELECT levenshtein(body, event_name) FROM logs"],
  ["two long texts by another name", "SELECT jaro_winkler_similarity(body, event_name) FROM logs"],
  // plans
  ["structs doubled", levels(12, "SELECT 1 AS s", (from) => `SELECT {a: s, b: s} AS s FROM ${from}`)],
  ["columns doubled", levels(12, "SELECT 1 AS s", (from) => `SELECT *, * FROM ${from}`)],
  [
    "columns doubled by COLUMNS",
    levels(12, "SELECT 1 AS s", (from) => `SELECT COLUMNS(*), COLUMNS(*) FROM ${from}`),
  ],
  [
    "columns doubled by a join",
    levels(8, "SELECT * FROM logs", (from) => `SELECT * FROM ${from} a, ${from} b`),
  ],
  ["tables doubled", levels(10, "SELECT 1 AS s", (from) => `SELECT a.s FROM ${from} a, ${from} b`)],
  [
    "tables doubled in conditions",
    levels(10, "SELECT 1 AS s", (from) => `SELECT 1 AS s WHERE 1 IN (FROM ${from}) AND 2 IN (FROM ${from})`),
  ],
  ["tables doubled by UNION", levels(10, "SELECT 1 AS s", (from) => `FROM ${from} UNION ALL FROM ${from}`)],
  ["nested subqueries", `SELECT ${"(SELECT ".repeat(11)}1${")".repeat(11)}`],
  ["many columns", `SELECT ${many(2_001, (at) => `${at}`)}`],
  ["many conditions", `SELECT 1 FROM logs WHERE ${many(6_000, (at) => `body = '${at}'`, " OR ")}`],
  ["many tables", `SELECT count(*) FROM ${many(257, (at) => `logs l${at}`)}`],
  [
    "a pivot of many columns",
    `SELECT * FROM (SELECT kind, status_code FROM spans) PIVOT (count(*) FOR kind IN (${
      many(50, (at) => `${at}`)
    }) status_code IN (${many(50, (at) => `${at}`)}))`,
  ],
  ["a sample of many rows", "SELECT * FROM logs USING SAMPLE 1000000 ROWS"],
])("%s: refused", async (_, sql) => {
  const error = await fixture.rows(sql, { params: ["x".repeat(100_000)], timeoutMs: 5_000 }).catch((error) =>
    error
  );
  expect(error).toMatchObject({ code: "forbidden", retryable: false, hint: expect.any(String) });
});

test.each([
  "SELECT repeat('-', 80), lpad(severity_text, 20, ' '), rpad(service_name, 20, '.') FROM logs",
  "SELECT concat_ws(' ', severity_text, service_name, body, trace_id, span_id, event_name, scope_name) FROM logs",
  "SELECT body || ' ' || service_name || ' ' || severity_text || ' ' || coalesce(event_name, '') FROM logs",
  "SELECT regexp_replace(body, '\\d+', '<n>', 'g'), replace(body, 'a', 'hello'), upper(trim(body)) FROM logs",
  "SELECT list_filter(map_keys(attributes), lambda k: k LIKE 'h%'), list_sort(map_keys(attributes)) FROM logs",
  "SELECT list_transform(map_keys(attributes), lambda k: k || '=' || attributes[k]) FROM logs",
  "SELECT array_to_string(list_transform(map_entries(attributes), lambda e: e.key || '=' || e.value), ' ') FROM logs",
  "SELECT service_name, string_agg(DISTINCT severity_text, ', '), upper(string_agg(body, '')) FROM logs GROUP BY 1",
  "SELECT g.services FROM (SELECT trace_id, list(service_name) AS services FROM spans GROUP BY 1) g JOIN logs USING (trace_id)",
  "SELECT len(g.l), list_contains(g.l, severity_number) FROM (SELECT list(severity_number) AS l FROM logs) g, logs",
  "SELECT list(body) OVER (ORDER BY timestamp ROWS 3 PRECEDING) FROM logs",
  "WITH RECURSIVE r(n, path) AS (SELECT 0, 'x' UNION ALL SELECT n + 1, path || '/' || n FROM r WHERE n < 20) SELECT max(path) FROM r",
  "SELECT list_reduce([1, 2, 3], lambda a, x: a + x), list_reduce(['a', 'b'], lambda a, x: a || x)",
  "SELECT levenshtein(service_name, 'checkout'), jaro_winkler_similarity('pay', service_name) FROM logs",
  "SELECT json_object('a', body, 'b', json_object('c', service_name)), to_json(attributes) FROM logs",
  "SELECT s.b.c FROM (SELECT {a: body, b: {c: service_name, d: [1, 2]}} AS s FROM logs)",
  "SELECT upper((SELECT string_agg(body, '') FROM logs))",
  "SELECT range(1000), generate_series(0, 10) FROM logs",
  "SELECT count(*) FROM range(1000000)",
  "SELECT count(*) FROM logs WHERE trace_id IN (SELECT unnest(from_json($1, '[\"VARCHAR\"]')))",
  "SELECT strftime(timestamp, '%Y-%m-%dT%H:%M:%S'), printf('%05d', severity_number), format('{:>20}', body) FROM logs",
  `SELECT 1 FROM logs WHERE severity_number IN (${many(5_000, (at) => `${at}`)})`,
  `SELECT ${many(500, (at) => `severity_number % 7 + ${at} AS c${at}`)} FROM logs`,
  `SELECT count(*) FROM logs WHERE ${many(500, (at) => `body LIKE '%${at}%'`, " OR ")}`,
  levels(60, "SELECT severity_number AS n FROM logs", (from) => `SELECT n + 1 AS n FROM ${from}`),
  "SELECT * FROM logs a JOIN spans b ON a.trace_id = b.trace_id JOIN metrics c ON c.service_name = a.service_name LIMIT 1",
])("%s is answered", async (sql) => {
  const answer = await fixture.rows(sql, { params: [JSON.stringify(Array(2_000).fill("a"))] })
    .catch((error) => ({ error: error.message }));
  expect(answer).toBeArray();
});
