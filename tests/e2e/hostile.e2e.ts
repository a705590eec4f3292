/**
 * Statements made to harm a running box of 512 MiB: each ends in a refusal or at a limit, in time, with an error that
 * says which; resident memory stays below memory.limit and 15%, nothing is left on disk, and another tenant's
 * statements go on all the while.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Box } from "./box.ts";

const limitBytes = 512 * 1024 * 1024;
const timeoutMs = 3_000;

const box = new Box();
const config = join(box.folder, "openwit.yaml");
let mostBytes = 0;
let mostOfAllBytes = 0;
let watching: ReturnType<typeof setInterval>;
/** How long the other tenant waited for each of its answers. */
const waits: number[] = [];
/** Its statements that were refused all the same. */
const refused: { code: string; retryable: boolean; message: string }[] = [];
let isOver = false;
let other: Promise<void>;

beforeAll(async () => {
  writeFileSync(
    config,
    `memory:\n  limit: 512MiB\nsearch:\n  timeout: ${timeoutMs}ms\n  spill_max: 256MiB\n  queue_tenant_max: 8\n`,
  );
  box.flags.push("--config", config);
  await box.start();
  for (const tenant of ["evil", "good"]) await fill(tenant);
  await box.run("flush");
  await fill("evil");
  watching = setInterval(() => mostBytes = Math.max(mostBytes, residentBytes()), 20);
  other = (async () => {
    while (!isOver) {
      const beganMs = performance.now();
      const response = await query({ sql: "SELECT count(*), min(body) FROM logs" }, "good");
      const answer = await response.json();
      waits.push(performance.now() - beganMs);
      if (response.ok) expect(answer.rows).toEqual([["3000", "canary of good 0"]]);
      else refused.push(answer.error);
      await Bun.sleep(50);
    }
  })();
  other.catch(() => {}); // told by the last test
}, 60_000);
afterAll(async () => {
  clearInterval(watching);
  await box[Symbol.asyncDispose]();
});

const doubling = (levels: number, first: string, next: (previous: string) => string) =>
  `WITH c0 AS (${first})${
    Array.from({ length: levels }, (_, at) => `, c${at + 1} AS (${next(`c${at}`)})`).join("")
  } SELECT count(*) FROM c${levels}`;

/** What each ends in: a refusal before it runs, or a limit while it does; `rows` where it is harmless after all. */
const bombs: readonly (readonly [what: string, sql: string, ends: "refused" | "limit" | "rows"])[] = [
  // rows without end
  ["a cross join of all with all", "SELECT count(*) FROM logs a, logs b, logs c, logs d", "limit"],
  ["a cross join of series", "SELECT count(*) FROM range(10000000) a, range(10000000) b", "limit"],
  [
    "a sorted cross join",
    "SELECT * FROM (SELECT a.body || b.body AS x FROM logs a, logs b) ORDER BY x",
    "rows",
  ],
  [
    "a recursion without end",
    "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r) SELECT count(*) FROM r",
    "limit",
  ],
  [
    "a recursion that multiplies",
    "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r, range(10)) SELECT count(*) FROM r",
    "limit",
  ],
  [
    "a recursion of distinct rows",
    "WITH RECURSIVE r(i) AS (SELECT 1 UNION SELECT i + 1 FROM r) SELECT count(*) FROM r",
    "limit",
  ],
  [
    "a positional join",
    "SELECT sum(hash(a)) FROM range(4000000000) a POSITIONAL JOIN range(4000000000) b",
    "limit",
  ],
  [
    "an ASOF join",
    "SELECT count(*) FROM range(100000000) a(i) ASOF JOIN range(100000000) b(j) ON a.i >= b.j",
    "limit",
  ],
  [
    "natural joins",
    `SELECT count(*) FROM logs a0 ${
      Array.from({ length: 10 }, (_, at) => `NATURAL JOIN logs a${at + 1}`).join(" ")
    }`,
    "rows",
  ],
  // states that grow with the rows
  ["a median of a thousand million", "SELECT median(i) FROM range(1000000000) t(i)", "limit"],
  ["a quantile of a thousand million", "SELECT quantile_cont(i, 0.9) FROM range(1000000000) t(i)", "limit"],
  ["a mode of a thousand million", "SELECT mode(i) FROM range(1000000000) t(i)", "limit"],
  [
    "a histogram of a thousand million",
    "SELECT cardinality(histogram(i)) FROM range(1000000000) t(i)",
    "limit",
  ],
  ["a mad of a thousand million", "SELECT mad(i::DOUBLE) FROM range(1000000000) t(i)", "limit"],
  ["an entropy of a thousand million", "SELECT entropy(i) FROM range(1000000000) t(i)", "limit"],
  ["a list of a thousand million", "SELECT len(list(i)) FROM range(1000000000) t(i)", "limit"],
  [
    "a text of a thousand million",
    "SELECT length(string_agg(i::VARCHAR, ',')) FROM range(1000000000) t(i)",
    "limit",
  ],
  ["JSON of a thousand million", "SELECT length(json_group_array(i)) FROM range(1000000000) t(i)", "limit"],
  ["distinct of a thousand million", "SELECT count(DISTINCT hash(i)) FROM range(1000000000) t(i)", "limit"],
  [
    "groups of a thousand million",
    "SELECT count(*) FROM (SELECT i, count(*) FROM range(1000000000) t(i) GROUP BY i)",
    "limit",
  ],
  [
    "lists by group",
    "SELECT count(*) FROM (SELECT i % 1000 AS g, list(i::VARCHAR) FROM range(1000000000) t(i) GROUP BY g)",
    "limit",
  ],
  [
    "medians by group",
    "SELECT count(*) FROM (SELECT i % 100000 AS g, median(i) FROM range(1000000000) t(i) GROUP BY g)",
    "limit",
  ],
  ["the greatest million", "SELECT len(max(i, 999999)) FROM range(1000000000) t(i)", "limit"],
  [
    "a sort of a thousand million",
    "SELECT count(*) FROM (SELECT row_number() OVER (ORDER BY hash(i)) FROM range(1000000000) t(i))",
    "limit",
  ],
  [
    "a window over all",
    "SELECT sum(x) FROM (SELECT sum(i) OVER (ORDER BY i ROWS BETWEEN 1000000 PRECEDING AND 1000000 FOLLOWING) AS x FROM range(30000000) t(i))",
    "limit",
  ],
  [
    "a list in each window",
    "SELECT sum(len(x)) FROM (SELECT list(i) OVER (ORDER BY i) AS x FROM range(1000000) t(i))",
    "limit",
  ],
  [
    "a text in each window",
    "SELECT sum(length(x)) FROM (SELECT string_agg(i::VARCHAR, '') OVER (ORDER BY i) AS x FROM range(1000000) t(i))",
    "limit",
  ],
  [
    "a median in each window",
    "SELECT sum(x) FROM (SELECT median(i) OVER (ORDER BY hash(i)) AS x FROM range(10000000) t(i))",
    "limit",
  ],
  [
    "a join that cannot spill",
    "SELECT count(*) FROM range(1000000000) a(i) JOIN range(1000000000) b(j) ON hash(a.i) = hash(b.j)",
    "limit",
  ],
  [
    "a large sample",
    "SELECT count(*) FROM (SELECT * FROM range(100000000) USING SAMPLE reservoir(50000000 ROWS))",
    "refused",
  ],
  [
    "a cube",
    "SELECT count(*) FROM (SELECT count(*) FROM logs GROUP BY CUBE (body, service_name, severity_number, trace_id, span_id, flags, event_name, scope_name, timestamp, observed_timestamp))",
    "limit",
  ],
  ["all of it as rows", "SELECT a.body, b.body FROM logs a, logs b, logs c", "rows"],
  // values that grow
  ["a repeated body", "SELECT sum(length(repeat(body, 1000000))) FROM logs", "refused"],
  ["a repeat of repeats", "SELECT sum(length(repeat(repeat(body, 1000), 1000))) FROM logs", "refused"],
  ["a body padded", "SELECT sum(length(lpad(body, 1000000, 'x'))) FROM logs", "refused"],
  [
    "a list for each row",
    "SELECT sum(len(list_append(range(1000000), severity_number))) FROM logs",
    "refused",
  ],
  [
    "the body a million times",
    "SELECT sum(len(list_transform(range(1000000), lambda x: body))) FROM logs",
    "refused",
  ],
  [
    "lambdas in lambdas",
    "SELECT list_transform(range(1000), lambda x: list_transform(range(1000), lambda y: list_transform(range(1000), lambda z: x + y + z)))",
    "refused",
  ],
  [
    "a list reduced by doubling",
    "SELECT list_reduce(list_transform(range(60), lambda q: 'ab'), lambda a, x: a || a)",
    "refused",
  ],
  [
    "texts doubled by WITH",
    doubling(30, "SELECT body AS b FROM logs", (from) => `SELECT b || b AS b FROM ${from}`),
    "refused",
  ],
  [
    "JSON doubled by WITH",
    doubling(
      30,
      "SELECT body AS b FROM logs",
      (from) => `SELECT json_object('a', b, 'b', b) AS b FROM ${from}`,
    ),
    "refused",
  ],
  [
    "texts doubled by recursion",
    "WITH RECURSIVE r(s) AS (SELECT 'xx' UNION ALL SELECT s || s FROM r) SELECT max(length(s)) FROM r",
    "refused",
  ],
  [
    "lists doubled by recursion",
    "WITH RECURSIVE r(s) AS (SELECT [1] UNION ALL SELECT list_concat(s, s) FROM r) SELECT max(len(s)) FROM r",
    "refused",
  ],
  [
    "text that grows by recursion",
    "WITH RECURSIVE r(s) AS (SELECT 'x' UNION ALL SELECT s || repeat('y', 1000) FROM r) SELECT max(length(s)) FROM r",
    "limit",
  ],
  [
    "a replacement for each letter",
    `SELECT sum(length(replace(replace(body, 'a', '${"a".repeat(100)}'), 'a', '${
      "a".repeat(100)
    }'))) FROM logs`,
    "refused",
  ],
  [
    "a match at each letter",
    String
      .raw`SELECT sum(length(regexp_replace(regexp_replace(body, '.', '\0\0\0\0\0\0\0\0\0\0', 'g'), '.', '\0\0\0\0\0\0\0\0\0\0', 'g'))) FROM logs`,
    "refused",
  ],
  [
    "a format of many places",
    `SELECT sum(length(format('${"{0}".repeat(5_000)}', body))) FROM logs`,
    "refused",
  ],
  [
    "a time of many parts",
    `SELECT sum(length(strftime(timestamp, '${"%c".repeat(50_000)}'))) FROM logs`,
    "refused",
  ],
  [
    "a long concat",
    `SELECT sum(length(concat(${Array(10_000).fill("body").join(",")}))) FROM logs`,
    "refused",
  ],
  [
    "what was gathered, beside each row",
    "SELECT sum(length(g.s || l.body)) FROM (SELECT string_agg(body, '') AS s FROM logs, range(200)) g, logs l",
    "refused",
  ],
  [
    "what a subquery gathered, in each row",
    "SELECT sum(length((SELECT string_agg(i::VARCHAR) FROM range(1000000) t(i)) || body)) FROM logs",
    "refused",
  ],
  [
    "a gathered list changed in each row",
    "SELECT sum(len(list_transform(g.l, lambda x: x + severity_number))) FROM (SELECT list(i) AS l FROM range(1000000) t(i)) g, logs",
    "refused",
  ],
  [
    "what was gathered, given out with each row",
    "SELECT g.s FROM (SELECT string_agg(i::VARCHAR) AS s FROM range(1000000) t(i)) g, logs",
    "limit",
  ],
  ["long values given out", "SELECT repeat('x', 30000) || i AS x FROM range(1000000) t(i)", "limit"],
  ["a distance of long texts", "SELECT levenshtein(repeat('a', 1000000), repeat('b', 1000000))", "refused"],
  ["a table of distances", "SELECT damerau_levenshtein(repeat('a', 100000), repeat('b', 100000))", "refused"],
  ["an array for each row", "SELECT range(100000)::INTEGER[100000] FROM logs", "refused"],
  // statements that grow while they are planned
  [
    "structs doubled by WITH",
    doubling(40, "SELECT 1 AS s", (from) => `SELECT {a: s, b: s} AS s FROM ${from}`),
    "refused",
  ],
  ["columns doubled by WITH", doubling(40, "SELECT 1 AS s", (from) => `SELECT *, * FROM ${from}`), "refused"],
  [
    "columns doubled by nesting",
    `SELECT * FROM ${"(SELECT *, * FROM ".repeat(30)}logs${")".repeat(30)}`,
    "refused",
  ],
  [
    "joins doubled by WITH",
    doubling(40, "SELECT 1 AS s", (from) => `SELECT a.s FROM ${from} a, ${from} b`),
    "refused",
  ],
  [
    "subqueries doubled by WITH",
    doubling(
      40,
      "SELECT 1 AS s",
      (from) => `SELECT (SELECT max(s) FROM ${from}) + (SELECT min(s) FROM ${from}) AS s`,
    ),
    "refused",
  ],
  ["nested subqueries", `SELECT ${"(SELECT ".repeat(120)}1${")".repeat(120)}`, "refused"],
  [
    "thousands of columns",
    `SELECT ${Array.from({ length: 5_000 }, (_, at) => `severity_number + ${at}`).join(",")} FROM logs`,
    "refused",
  ],
  [
    "thousands of conditions",
    `SELECT count(*) FROM logs WHERE ${
      Array.from({ length: 10_000 }, (_, at) => `body = '${at}'`).join(" OR ")
    }`,
    "refused",
  ],
  [
    "thousands of unions",
    Array.from({ length: 2_000 }, () => "SELECT body FROM logs").join(" UNION ALL "),
    "refused",
  ],
  [
    "a pivot of two dimensions",
    `SELECT * FROM (SELECT body, severity_number, flags FROM logs) PIVOT (count(*) FOR severity_number IN (${
      Array.from({ length: 300 }, (_, at) => at)
    }) flags IN (${Array.from({ length: 300 }, (_, at) => at)}))`,
    "refused",
  ],
  ["ten megabytes of text", `SELECT '${"x".repeat(4_000_000)}'`, "refused"],
  [
    "a list of a million",
    `SELECT count(*) FROM logs WHERE severity_number IN (${Array.from({ length: 400_000 }, (_, at) => at)})`,
    "refused",
  ],
  [
    "a list of some thousands",
    `SELECT count(*) FROM logs WHERE severity_number IN (${Array.from({ length: 10_000 }, (_, at) => at)})`,
    "rows",
  ],
  // patterns
  [
    "a pattern of stars",
    String.raw`SELECT count(*) FROM logs WHERE regexp_matches(body, '(a*)*(a*)*(a|a)*b')`,
    "rows",
  ],
  [
    "a pattern of counts",
    `SELECT count(*) FROM logs WHERE regexp_matches(body, '((((x{1,30}){1,30}){1,30}){1,30})')`,
    "refused",
  ],
  [
    "a pattern of many alternatives",
    `SELECT count(*) FROM logs WHERE regexp_matches(body, '${
      Array.from({ length: 1_000 }, (_, at) => `(a${at}.*b)?`).join("")
    }c')`,
    "rows",
  ],
  ["a LIKE of many signs", `SELECT count(*) FROM logs WHERE body LIKE '${"%a".repeat(5_000)}b'`, "rows"],
  [
    "a pattern that matches everywhere",
    "SELECT count(*) FROM range(100000000) t(i) WHERE regexp_matches(i::VARCHAR || 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', '(a+)+$')",
    "limit",
  ],
];

test.each(bombs)("%s: %#", async (what, sql, ends) => {
  const beganMs = performance.now();
  mostBytes = residentBytes();
  const response = await query({ sql, limit: 100_000 }, "evil");
  const text = await response.text();
  const elapsedMs = performance.now() - beganMs;
  const error = JSON.parse(text).error;
  const said = error === undefined
    ? "rows"
    : refusals.has(error.code)
    ? "refused"
    : limits.has(error.code)
    ? "limit"
    : error.code;
  // On a busy machine what is harmless may come to its time-out.
  const wanted = ends === "rows" ? ["rows", "limit"] : [ends];
  expect({ what, said, message: error?.message, isWanted: wanted.includes(said) }).toMatchObject({
    isWanted: true,
  });
  if (error !== undefined) {
    expect(error.message).not.toMatch(/\bSET\b|0x|DuckDB|\/tmp\//);
    if (error.code !== "invalid_argument") expect(error.hint).toBeString();
    expect(error.retryable).toBe(error.code === "overloaded");
    expect(response.headers.has("Retry-After")).toBe(error.retryable);
  }
  expect(elapsedMs).toBeLessThan(timeoutMs + 2_000);
  mostOfAllBytes = Math.max(mostOfAllBytes, mostBytes);
  expect(mostBytes).toBeLessThan(limitBytes * 1.15);
}, 30_000);

const refusals: ReadonlySet<string> = new Set(["forbidden", "invalid_argument", "too_large"]);
const limits: ReadonlySet<string> = new Set(["deadline_exceeded", "overloaded"]);

test("many at once wait or are refused, and the other tenant is served between them", async () => {
  const before = waits.length;
  const outcomes = await Promise.all(
    Array.from({ length: 40 }, async () => {
      const response = await query(
        { sql: "SELECT count(*) FROM range(10000000) a, range(10000000) b" },
        "evil",
      );
      return (await response.json()).error.code;
    }),
  );
  expect(new Set(outcomes)).toEqual(new Set(["deadline_exceeded", "overloaded"]));
  expect(waits.length - before).toBeGreaterThan(3);
  const metrics = await (await fetch(`${box.endpoints.http}/metrics`)).text();
  expect(Number(/^openwit_queries_refused_total\{reason="tenant"\} (\d+)/m.exec(metrics)?.[1]))
    .toBeGreaterThan(10);
  expect(metrics).toMatch(/^openwit_queries_running \d+$/m);
}, 60_000);

test("all the while the other tenant was served, memory stayed in its bound, and nothing is left", async () => {
  isOver = true;
  await other;
  const longest = waits.reduce((most, each) => Math.max(most, each), 0);
  console.log(
    `${waits.length} statements of the other tenant, ${refused.length} refused, the longest ${
      Math.round(longest)
    } ms; ` +
      `at most ${Math.round(mostOfAllBytes / 1024 / 1024)} MiB resident`,
  );
  expect(waits.length).toBeGreaterThan(100);
  // Now and then the engine's memory is all another's; what comes then is told to come again.
  expect(refused.filter(({ retryable }) => !retryable)).toEqual([]);
  expect(refused.length).toBeLessThan(waits.length / 50);
  expect(longest).toBeLessThan(timeoutMs);
  const spilled = () => spillFiles(join(box.dataDir, "tmp/query"));
  for (let tries = 0; tries < 100 && spilled().length > 0; tries++) await Bun.sleep(20);
  expect(spilled()).toEqual([]);
  expect(box.stderr).not.toContain("internal");
});

function spillFiles(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap((entry) =>
    entry.isFile() ? [entry.name] : []
  );
}

async function fill(tenant: string): Promise<void> {
  const logRecords = Array.from({ length: 3_000 }, (_, at) => ({
    timeUnixNano: String(BigInt(Date.now()) * 1_000_000n + BigInt(at)),
    severityNumber: 1 + at % 24,
    body: { stringValue: `canary of ${tenant} ${at}` },
  }));
  const response = await fetch(`${box.endpoints.otlp_http}/v1/logs`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Scope-OrgID": tenant },
    body: JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords }] }] }),
  });
  expect(response.status).toBe(200);
}

function query(body: unknown, tenant: string): Promise<Response> {
  return fetch(`${box.endpoints.http}/api/v1/query`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Scope-OrgID": tenant },
    body: JSON.stringify(body),
  });
}

function residentBytes(): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${box.pid}/status`, "utf8"))?.[1]) * 1024;
}
