import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Parameters } from "../../core/query/rewrite.ts";
import { type Fixture, openFixture } from "./sql_fixture.ts";

let fixture: Fixture;
beforeAll(async () => {
  fixture = await openFixture(1_000);
});
afterAll(() => fixture.close());

const guide = readFileSync(join(import.meta.dirname!, "../../docs/query.md"), "utf8");
const examples = [...guide.matchAll(/```sql\n([^]*?)```/g)].map((match) => match[1].trim());

test("the query guide has examples", () => expect(examples.length).toBeGreaterThan(30));

test.each(examples)("the guide's example runs: %s", async (sql) => {
  expect(await fixture.rows(sql)).toBeArray();
});

/** Rows run from 03:00:00 on, 50 ms apart, 1,000 of them; now() is 03:10:00. */
test.each(
  [
    ["timestamp > now() - INTERVAL '15 minutes'", 1_000],
    ["timestamp > now() - INTERVAL '9 minutes 30 seconds'", 399],
    ["timestamp >= now() - INTERVAL 570 SECOND", 400],
    ["now() - INTERVAL '570 s' <= timestamp", 400],
    ["timestamp + INTERVAL '570 seconds' >= now()", 400],
    ["timestamp > current_timestamp - to_seconds(570)", 399],
    ["timestamp > localtimestamp - INTERVAL 1 SECOND * 570", 399],
    ["timestamp > ago(INTERVAL '570 seconds')", 399],
    ["timestamp >= '2026-01-02T03:00:30Z'", 400],
    ["timestamp >= '2026-01-02T05:00:30+02:00'", 400],
    ["timestamp >= '2026-01-02T05:00:30+02:00'::TIMESTAMPTZ", 400],
    ["timestamp >= TIMESTAMPTZ '2026-01-02 03:00:30Z'", 400],
    ["timestamp >= TIMESTAMP '2026-01-02 03:00:30'", 400],
    ["timestamp > TIMESTAMP '2026-01-02 03:00:29.999999999'", 400],
    ["timestamp >= CAST('2026-01-02 03:00:30.000000001' AS TIMESTAMP)", 399],
    ["timestamp BETWEEN '2026-01-02T03:00:30Z' AND '2026-01-02T03:00:31Z'", 21],
    ["timestamp NOT BETWEEN '2026-01-02T03:00:30Z' AND '2026-01-02T03:00:31Z'", 979],
    ["timestamp = '2026-01-02T03:00:30.05Z'", 1],
    ["timestamp IN ('2026-01-02T03:00:30.05Z'::TIMESTAMPTZ, '2026-01-02T03:00:31Z')", 2],
    ["timestamp >= today()", 1_000],
    ["timestamp >= current_date AND timestamp < current_date + 1", 1_000],
    ["timestamp < DATE '2026-01-02'", 0],
    ["timestamp::DATE = current_date", 1_000],
    ["date_trunc('second', timestamp) = '2026-01-02 03:00:30'", 20],
    ["date_trunc('minute', timestamp) = date_trunc('minute', now() - INTERVAL '10 minutes')", 1_000],
    ["time_bucket(INTERVAL '10 seconds', timestamp) = TIMESTAMP '2026-01-02 03:00:30'", 200],
    ["timestamp >= to_timestamp(1767322830)", 400],
    ["timestamp >= epoch_ms(1767322830000)", 400],
    ["timestamp >= make_timestamp_ns(1767322830000000000)", 400],
    ["timestamp >= make_timestamp(2026, 1, 2, 3, 0, 30.0)", 400],
    ["epoch_ns(timestamp) >= 1767322830000000000", 400],
    ["epoch_ms(timestamp) >= 1767322830000", 400],
    ["extract(second FROM timestamp) = 30", 20],
    ["strftime(timestamp, '%H:%M:%S') = '03:00:30'", 20],
    ["timestamp >= strptime('2026-01-02 03:00:30', '%Y-%m-%d %H:%M:%S')", 400],
    ["age(timestamp, TIMESTAMP '2026-01-02 03:00:00') >= INTERVAL '30 seconds'", 400],
    ["now() - timestamp <= INTERVAL '570 seconds'", 400],
    ["date_diff('second', timestamp, now()) < 570", 380],
    ["timestamp > (SELECT max(timestamp) FROM logs) - INTERVAL '1 second'", 20],
    ["timestamp >= (SELECT min(timestamp) + INTERVAL '30 seconds' FROM logs)", 400],
    ["hour(timestamp AT TIME ZONE 'UTC' AT TIME ZONE 'Europe/Berlin') = 4", 1_000],
    ["hour(now() AT TIME ZONE 'Europe/Berlin') = 4", 1_000],
    ["timestamp > $1", 399, ["2026-01-02T03:00:30Z"]],
    ["timestamp > $1::TIMESTAMPTZ - $2::INTERVAL", 399, ["2026-01-02T03:01:30Z", "1 minute"]],
    ["timestamp > make_timestamp_ns($since)", 399, { since: 1_767_322_830_000_000_000n }],
    ["epoch_ns(timestamp) > $1", 399, ["1767322830000000000"]],
    ["extract(second FROM timestamp) = $1 AND $2 AND $3 IS NULL", 20, [30, true, null]],
  ] as readonly (readonly [string, number, Parameters?])[],
)("%s finds %d of 1,000 rows", async (...[where, count, params]) => {
  const rows = await fixture.rows(
    `SELECT count(*) FROM logs WHERE ${where}`,
    params === undefined ? {} : { params },
  );
  expect(rows).toEqual([[String(count)]]);
});

test.each([
  [
    "'2026-01-02T03:04:05.123456789Z'::TIMESTAMP_NS - INTERVAL '1 microsecond'",
    "2026-01-02T03:04:05.123455789Z",
  ],
  ["'2026-01-02T03:04:05.123456789Z'::TIMESTAMPTZ - INTERVAL '1 hour'", "2026-01-02T02:04:05.123456789Z"],
  ["INTERVAL 1 MONTH + TIMESTAMP '2026-01-31 00:00:00.000000001'", "2026-02-28T00:00:00.000000001Z"],
  ["TIMESTAMP '1969-12-31 23:59:59.999999999' - INTERVAL '1 second'", "1969-12-31T23:59:58.999999999Z"],
  ["TIMESTAMP '1969-12-31 23:59:59.999999999' + INTERVAL '1 second'", "1970-01-01T00:00:00.999999999Z"],
  [
    "greatest(TIMESTAMP '2026-01-02 03:04:05.000000007', now()) + INTERVAL '0 s'",
    "2026-01-02T03:10:00.000000000Z",
  ],
  ["now()", "2026-01-02T03:10:00.000000000Z"],
  ["current_date", "2026-01-02"],
  ["current_time", "03:10:00.000000000"],
  ["TIMESTAMP '1066-10-14 09:00:00'", "1066-10-14T09:00:00.000000000Z"],
  ["NULL::TIMESTAMP_NS - INTERVAL '1 second'", null],
])("%s is %s, to the nanosecond", async (sql, expected) => {
  expect(await fixture.rows(`SELECT ${sql}`)).toEqual([[expected]]);
});

test("a time of a CTE or subquery keeps its nanoseconds when an interval is taken off", async () => {
  const sql =
    `WITH w AS (SELECT TIMESTAMP '2026-01-02 03:04:05.123456789' AS t) SELECT t - INTERVAL '1 hour' FROM w`;
  expect(await fixture.rows(sql)).toEqual([["2026-01-02T02:04:05.123456789Z"]]);
});

test("columns of rewritten expressions keep the names that they would have had", async () => {
  const result = await fixture.start(
    "SELECT now(), timestamp - INTERVAL '1 second', resource_attributes['a.b'], current_date, timestamp AS t FROM logs",
  );
  await result.close();
  expect(result.columns.map(({ name }) => name)).toEqual([
    "now()",
    "(\"timestamp\" - CAST('1 second' AS INTERVAL))",
    "resource_attributes['a.b']",
    "current_date",
    "t",
  ]);
});

test("a parameter that is not sent is named", async () => {
  const error = await fixture.rows("SELECT $1, $2", { params: [1] }).catch((error) => error);
  expect(error).toMatchObject({
    code: "invalid_argument",
    message: "there is no value for the parameter $2",
  });
});

test("text in a parameter is text, whatever it looks like", async () => {
  const hostile = "x' OR getenv('HOME') = '$2 -- \\ \u0000".replace("\u0000", "");
  expect(await fixture.rows("SELECT $1, $name", { params: undefined }).catch((error) => error.code)).toBe(
    "invalid_argument",
  );
  expect(await fixture.rows("SELECT $1 AS v", { params: [hostile] })).toEqual([[hostile]]);
});

test("keys of resource attributes are exact, whatever signs they hold", async () => {
  const keys = ["k8s.pod.name", "a/b", "a~b", 'quo"te', "it's", "*", "$.x", "0", "~1", "ключ"];
  const json = JSON.stringify(Object.fromEntries(keys.map((key, at) => [key, `v${at}`])));
  for (const [at, key] of keys.entries()) {
    for (const bracket of [`'${key.replaceAll("'", "''")}'`, `concat('', '${key.replaceAll("'", "''")}')`]) {
      const sql =
        `SELECT resource_attributes[${bracket}], resource_attributes['none'] FROM (SELECT $1 AS resource_attributes)`;
      expect(await fixture.rows(sql, { params: [json] })).toEqual([[`v${at}`, null]]);
    }
  }
  const empty = "SELECT resource_attributes['k'] FROM (SELECT '' AS resource_attributes)";
  expect(await fixture.rows(empty)).toEqual([[null]]);
});

test("files outside the time range are not opened, and no row is lost", async () => {
  const start = async (where: string) => {
    const result = await fixture.start(`SELECT count(*) FROM logs WHERE ${where}`);
    let count: unknown;
    for await (const batch of result.batches) count = batch.columns[0][0];
    return [result.stats.filesPruned, count];
  };
  expect(await start("timestamp >= '2026-01-02T03:00:30Z'")).toEqual([2, 400n]);
  expect(await start("timestamp >= now() - INTERVAL '575 seconds' AND body IS NOT DISTINCT FROM body"))
    .toEqual([1, 500n]);
  expect(await start("timestamp < '2026-01-02T03:00:19.999Z'")).toEqual([1, 400n]);
  expect(await start("timestamp < '2026-01-02T03:00:20.00Z' OR body IS NULL OR body IS NOT NULL")).toEqual([
    0,
    1_000n,
  ]);
  expect(await start("NOT (timestamp > '2026-01-02T03:00:20.00Z')")).toEqual([0, 401n]);
});
