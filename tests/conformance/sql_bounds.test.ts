import { afterAll, beforeAll, expect, test } from "bun:test";
import { pruneFiles, rangeOf, timeBounds } from "../../core/query/bounds.ts";
import { mentionsOf } from "../../core/query/mentions.ts";
import { rewriteStatement } from "../../core/query/rewrite.ts";
import { type Fixture, nowNs, openFixture } from "./sql_fixture.ts";

let fixture: Fixture;
beforeAll(async () => {
  fixture = await openFixture(10);
});
afterAll(() => fixture.close());

const second = 1_000_000_000n;
const at = (text: string) => BigInt(Date.parse(text)) * 1_000_000n;
const open = "open";
const noon = "'2026-01-02T12:00:00Z'", one = "'2026-01-02T13:00:00Z'";
const noonNs = at("2026-01-02T12:00:00Z"), oneNs = at("2026-01-02T13:00:00Z");

/** A statement, and the range of each mention of logs: least, greatest. */
const statements: readonly (readonly [sql: string, ...ranges: (bigint | string)[]])[] = [
  [`FROM logs WHERE timestamp > ${noon}`, noonNs, open],
  [`FROM logs WHERE timestamp >= ${noon} AND timestamp < ${one}`, noonNs, oneNs],
  [`FROM logs WHERE ${noon} <= timestamp AND ${one} > timestamp`, noonNs, oneNs],
  [`FROM logs WHERE timestamp BETWEEN ${noon} AND ${one}`, noonNs, oneNs],
  [`FROM logs WHERE timestamp = ${noon}`, noonNs, noonNs],
  [`FROM logs l WHERE l.timestamp > ${noon}`, noonNs, open],
  [
    `FROM logs WHERE logs.timestamp > ${noon} AND body LIKE '%x%' AND (severity_number = 1 OR flags = 2)`,
    noonNs,
    open,
  ],
  [`FROM logs WHERE timestamp > ${noon} AND timestamp > ${one}`, oneNs, open],
  ["FROM logs WHERE timestamp > now() - INTERVAL '15 minutes'", nowNs - 900n * second, open],
  ["FROM logs WHERE timestamp > current_timestamp - INTERVAL 1 DAY", nowNs - 86_400n * second, open],
  ["FROM logs WHERE timestamp >= date_trunc('hour', now())", at("2026-01-02T03:00:00Z"), open],
  [
    "FROM logs WHERE timestamp >= DATE '2026-01-02' AND timestamp < today() + INTERVAL 1 DAY",
    at("2026-01-02T00:00:00Z"),
    at("2026-01-03T00:00:00Z"),
  ],
  ["FROM logs WHERE timestamp >= TIMESTAMPTZ '2026-01-02T14:00:00+02:00'", noonNs, open],
  ["FROM logs WHERE timestamp >= to_timestamp(1767355200)", noonNs, open],
  ["FROM logs WHERE timestamp >= make_timestamp_ns(1767355200000000001)", noonNs + 1n, open],
  [
    `FROM logs WHERE timestamp::DATE = DATE '2026-01-02'`,
    at("2026-01-01T00:00:00Z"),
    at("2026-01-03T00:00:00Z"),
  ],
  [
    `FROM logs WHERE CAST(timestamp AS TIMESTAMP) >= TIMESTAMP '2026-01-02 12:00:00'`,
    noonNs - 1_000n,
    open,
  ],
  [`FROM logs WHERE timestamp IS NOT DISTINCT FROM ${noon}`, noonNs, noonNs],
  ["FROM logs WHERE epoch_ns(timestamp) >= 1767355200000000001", noonNs, open],
  ["FROM logs WHERE epoch_ms(timestamp) < 1767355200000.5", open, noonNs + 2_000_000n],
  ["FROM logs WHERE 1767355200 > epoch(timestamp)", open, noonNs + second],
  [`FROM logs WHERE (timestamp > ${noon} AND body = 'x') AND timestamp < ${one}`, noonNs, oneNs],
  // nothing to be sure of
  ["FROM logs", open, open],
  [`FROM logs WHERE timestamp > ${noon} OR body = 'x'`, open, open],
  [`FROM logs WHERE NOT timestamp > ${noon}`, open, noonNs], // the parser turns it round,
  [`FROM logs WHERE timestamp <> ${noon}`, open, open],
  [`FROM logs WHERE timestamp NOT BETWEEN ${noon} AND ${one}`, open, open],
  [`FROM logs WHERE timestamp IS DISTINCT FROM ${noon}::TIMESTAMP`, open, open],
  [`FROM logs WHERE (timestamp > ${noon}) IS NULL`, open, open],
  [`FROM logs WHERE CASE WHEN timestamp > ${noon} THEN true ELSE true END`, open, open],
  [`FROM logs WHERE observed_timestamp > ${noon}`, open, open],
  ["FROM logs WHERE timestamp > observed_timestamp", open, open],
  ["FROM logs WHERE timestamp > (SELECT max(timestamp) FROM spans_of)", open, open],
  ["FROM logs WHERE timestamp > now() - to_seconds(severity_number)", open, open],
  ["FROM logs WHERE timestamp > make_timestamp_ns((random() * 1000)::BIGINT)", open, open],
  [`FROM logs WHERE date_trunc('day', timestamp) > ${noon}`, noonNs - 86_400n * second, open],
  [`FROM logs WHERE date_trunc(body, timestamp) > ${noon}`, open, open],
  [`FROM logs WHERE timestamp + INTERVAL 1 DAY > ${noon}`, open, open],
  [`FROM logs WHERE attributes['timestamp'] > ${noon}`, open, open],
  [`FROM logs AS l(timestamp, a) WHERE l.timestamp > ${noon}`, open, open],
  [`SELECT count(*) FILTER (timestamp > ${noon}) FROM logs`, open, open],
  [`SELECT service_name FROM logs GROUP BY ALL HAVING max(timestamp) > ${noon}`, open, open],
  [`SELECT * FROM logs QUALIFY timestamp > ${noon}`, open, open],
  ["FROM logs WHERE timestamp > 'never'", open, open],
  // several tables
  [`FROM logs l JOIN spans s USING (trace_id) WHERE l.timestamp > ${noon}`, noonNs, open],
  [`FROM logs l, spans s WHERE l.timestamp > ${noon} AND l.trace_id = s.trace_id`, noonNs, open],
  [`FROM logs l, spans s WHERE timestamp > ${noon}`, noonNs, open],
  [`FROM logs l, spans s WHERE s.timestamp > ${noon}`, open, open],
  [`FROM spans s LEFT JOIN logs l USING (trace_id) WHERE l.timestamp > ${noon}`, open, open],
  [`FROM logs l LEFT JOIN spans s USING (trace_id) WHERE l.timestamp > ${noon}`, noonNs, open],
  [`FROM logs l LEFT JOIN spans s ON l.timestamp > ${noon}`, open, open],
  [`FROM spans s LEFT JOIN logs l ON l.timestamp > ${noon}`, noonNs, open],
  [`FROM logs l RIGHT JOIN spans s ON l.timestamp > ${noon} WHERE l.timestamp < ${one}`, noonNs, open],
  [`FROM logs l FULL JOIN spans s ON l.timestamp > ${noon} WHERE l.timestamp < ${one}`, open, open],
  [
    `FROM logs l ASOF JOIN spans s ON l.timestamp >= s.start_timestamp WHERE l.timestamp < ${one}`,
    open,
    open,
  ],
  [`FROM logs l NATURAL JOIN spans s WHERE l.timestamp < ${one}`, open, open],
  [`FROM logs l POSITIONAL JOIN spans s WHERE l.timestamp < ${one}`, open, open],
  [`FROM logs l SEMI JOIN spans s ON l.timestamp > ${noon} WHERE l.timestamp < ${one}`, open, oneNs],
  [`FROM logs l ANTI JOIN spans s ON l.timestamp > ${noon} WHERE l.timestamp < ${one}`, open, oneNs],
  [`FROM spans s ANTI JOIN logs l ON l.timestamp > ${noon}`, noonNs, open],
  [`FROM logs l JOIN spans s ON l.timestamp > ${noon}`, noonNs, open],
  [
    `FROM logs l JOIN metrics m USING (timestamp) WHERE m.timestamp > ${noon} AND timestamp < ${one}`,
    noonNs,
    oneNs,
  ],
  [`FROM logs l LEFT JOIN metrics m USING (timestamp) WHERE m.timestamp > ${noon}`, open, open],
  [
    `FROM (metrics m LEFT JOIN logs l ON l.timestamp > ${noon}) JOIN spans s ON l.timestamp < ${one}`,
    noonNs,
    open,
  ],
  [`FROM logs WHERE timestamp > ${noon} USING SAMPLE 5 ROWS`, open, open],
  [`FROM logs TABLESAMPLE 50% WHERE timestamp > ${noon}`, open, open],
  [`FROM logs AS body WHERE timestamp > ${noon}`, open, open],
  [
    `FROM spans s, LATERAL (SELECT * FROM logs l WHERE l.timestamp > ${noon} AND s.flags = 1) x`,
    noonNs,
    open,
  ],
  [
    `FROM logs a JOIN logs b USING (trace_id) WHERE a.timestamp > ${noon} AND b.timestamp > ${one}`,
    noonNs,
    open,
    oneNs,
    open,
  ],
  [`FROM logs a JOIN logs b USING (trace_id) WHERE a.timestamp > ${noon}`, noonNs, open, open, open],
  [
    `SELECT * FROM logs WHERE timestamp > ${noon} UNION ALL SELECT * FROM logs WHERE timestamp > ${one}`,
    noonNs,
    open,
    oneNs,
    open,
  ],
  [`SELECT * FROM logs WHERE timestamp > ${noon} UNION ALL SELECT * FROM logs`, noonNs, open, open, open],
  [`FROM logs WHERE timestamp > ${noon} AND body IN (SELECT body FROM logs)`, noonNs, open, open, open],
  [`FROM (SELECT * FROM logs) x WHERE x.timestamp > ${noon}`, noonNs, open],
  [`SELECT body FROM (SELECT body, timestamp AS t FROM logs l) x WHERE x.t > ${noon}`, noonNs, open],
  [`FROM (SELECT * FROM (SELECT timestamp AS a FROM logs) y) x WHERE ${noon} < a`, noonNs, open],
  [`WITH e AS (SELECT * FROM logs) SELECT body FROM e WHERE timestamp > ${noon}`, noonNs, open],
  [
    `WITH e AS (FROM logs WHERE timestamp < ${one}) SELECT body FROM e x WHERE x.timestamp > ${noon}`,
    noonNs,
    oneNs,
  ],
  [
    `WITH a AS (SELECT * FROM logs), b AS (SELECT timestamp AS t, body FROM a), c AS (SELECT t FROM b) SELECT t FROM c WHERE t > ${noon}`,
    noonNs,
    open,
  ],
  [
    `WITH e AS (SELECT * FROM logs) FROM spans s JOIN e USING (trace_id) WHERE e.timestamp > ${noon}`,
    noonNs,
    open,
  ],
  [`WITH e AS (SELECT * FROM logs) FROM spans s LEFT JOIN e ON e.timestamp > ${noon}`, noonNs, open],
  [
    `FROM (SELECT l.timestamp FROM logs l JOIN spans s USING (trace_id)) WHERE timestamp > ${noon}`,
    noonNs,
    open,
  ],
  [`FROM (SELECT timestamp FROM logs ORDER BY body) WHERE timestamp > ${noon}`, noonNs, open],
  // what does not pass
  [
    `WITH e AS (SELECT * FROM logs) FROM spans s LEFT JOIN e USING (trace_id) WHERE e.timestamp > ${noon}`,
    open,
    open,
  ],
  [
    `FROM (SELECT l.timestamp FROM spans s LEFT JOIN logs l USING (trace_id)) WHERE timestamp > ${noon}`,
    open,
    open,
  ],
  [
    `WITH e AS (SELECT * FROM logs) SELECT (SELECT count(*) FROM e) FROM e WHERE timestamp > ${noon}`,
    open,
    open,
  ],
  [`WITH e AS (SELECT * FROM logs), f AS (FROM e) FROM e, f WHERE e.timestamp > ${noon}`, open, open],
  [`WITH e(a, b) AS (SELECT body, timestamp FROM logs) FROM e WHERE b > ${noon}`, open, open],
  [`FROM (SELECT body, timestamp FROM logs) x(a, b) WHERE b > ${noon}`, open, open],
  [`FROM (SELECT * FROM logs LIMIT 5) WHERE timestamp > ${noon}`, open, open],
  [`FROM (SELECT DISTINCT timestamp FROM logs) WHERE timestamp > ${noon}`, open, open],
  [`FROM (SELECT timestamp, row_number() OVER () FROM logs) WHERE timestamp > ${noon}`, open, open],
  [
    `FROM (SELECT timestamp FROM logs QUALIFY row_number() OVER () = 1) WHERE timestamp > ${noon}`,
    open,
    open,
  ],
  [`FROM (SELECT max(timestamp) AS timestamp FROM logs) WHERE timestamp > ${noon}`, open, open],
  [`FROM (SELECT timestamp, count(*) FROM logs GROUP BY ALL) WHERE timestamp > ${noon}`, open, open],
  [`FROM (SELECT timestamp FROM logs USING SAMPLE 5 ROWS) WHERE timestamp > ${noon}`, open, open],
  [`FROM (SELECT * FROM logs) x TABLESAMPLE 50% WHERE timestamp > ${noon}`, open, open],
  [
    `FROM (SELECT timestamp FROM logs UNION ALL SELECT timestamp FROM metrics) WHERE timestamp > ${noon}`,
    open,
    open,
  ],
  [`FROM (SELECT observed_timestamp AS timestamp FROM logs) WHERE timestamp > ${noon}`, open, open],
  [`FROM (SELECT timestamp + INTERVAL 1 DAY AS timestamp FROM logs) WHERE timestamp > ${noon}`, open, open],
  [`FROM (SELECT timestamp, body AS timestamp FROM logs) WHERE timestamp > ${noon}`, open, open],
  [
    `FROM (SELECT * REPLACE (observed_timestamp AS timestamp) FROM logs) WHERE timestamp > ${noon}`,
    open,
    open,
  ],
  [
    `FROM (SELECT * RENAME (timestamp AS a, observed_timestamp AS timestamp) FROM logs) WHERE timestamp > ${noon}`,
    open,
    open,
  ],
  [`FROM (SELECT * FROM logs) x, metrics m WHERE m.timestamp > ${noon}`, open, open],
  [`FROM (SELECT * FROM logs) x WHERE timestamp > ${noon} OR body = 'x'`, open, open],
  [`FROM (SELECT * FROM logs WHERE timestamp > ${noon}) x`, noonNs, open],
  [
    `WITH x AS (SELECT * FROM logs WHERE timestamp > ${noon}) SELECT * FROM x WHERE timestamp > ${one}`,
    oneNs,
    open,
  ],
  [`WITH logs AS (SELECT * FROM logs) SELECT * FROM logs WHERE timestamp > ${noon}`, noonNs, open],
  [
    `FROM (WITH logs AS (SELECT * FROM logs) SELECT * FROM logs) a, logs b WHERE b.timestamp > ${noon}`,
    open,
    open,
    noonNs,
    open,
  ],
  [`SUMMARIZE SELECT * FROM logs WHERE timestamp > ${noon}`, noonNs, open],
];

test.each(statements)("%s", async (sql, ...expected) => {
  const { tree } = rewriteStatement(await fixture.engine.parse(sql), nowNs);
  const ranges: (bigint | string)[] = [];
  for (const mention of mentionsOf(tree).filter(({ signal }) => signal === "logs")) {
    const bounds = timeBounds(mention);
    const range = rangeOf(bounds, await fixture.engine.evaluateTimes(bounds.map(({ value }) => value)));
    ranges.push(range.minNs ?? open, range.maxNs ?? open);
  }
  expect(ranges).toEqual(expected);
});

test.each([["infinity"], ["-infinity"]])("a bound of %s leaves every row", async (value) => {
  const all = await fixture.rows(
    `SELECT count(*) FROM logs WHERE timestamp ${value === "infinity" ? "<" : ">"} '${value}'`,
  );
  expect(all).toEqual([["10"]]);
});

test("a file is left out only when none of its rows can be in the range", () => {
  const file = (minTimeNs: bigint, maxTimeNs: bigint) => ({
    path: `${minTimeNs}`,
    minTimeNs,
    maxTimeNs,
    rows: 1,
    bytes: 1,
  });
  const files = [file(0n, 10n), file(10n, 20n), file(21n, 30n), { path: "unknown", rows: 1, bytes: 1 }];
  const kept = (range?: { minNs?: bigint; maxNs?: bigint }) =>
    pruneFiles(files, range).map(({ path }) => path);
  expect(kept()).toEqual(["0", "10", "21", "unknown"]);
  expect(kept({ minNs: 10n })).toEqual(["0", "10", "21", "unknown"]);
  expect(kept({ minNs: 11n, maxNs: 20n })).toEqual(["10", "unknown"]);
  expect(kept({ maxNs: -1n })).toEqual(["unknown"]);
});

test("a query of WITH may have the name of the table that it reads", async () => {
  const sql = "WITH traces AS (SELECT * FROM traces WHERE kind IS NOT NULL) SELECT count(*) FROM traces";
  expect(await fixture.rows(sql)).toEqual([["10"]]);
});
