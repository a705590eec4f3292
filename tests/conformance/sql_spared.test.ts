/** What need not be decoded: times that a statement cannot tell apart, and what conditions on JSON keys leave out. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { systemClock } from "../../core/env/clock.ts";
import type { SqlEngine } from "../../core/query/engine.ts";
import { withKnownTimes } from "../../core/query/known_times.ts";
import { type PreparedMention, prepareStatement } from "../../core/query/prepare.ts";
import { defaultQueryLimits, runQuery } from "../../core/query/query.ts";
import { type Fixture, nowNs, openFixture } from "./sql_fixture.ts";

let fixture: Fixture;
beforeAll(async () => {
  fixture = await openFixture(1_000);
});
afterAll(() => fixture.close());

const signal = new AbortController().signal;

async function mentionOf(sql: string): Promise<PreparedMention> {
  const prepared = await prepareStatement({ sql, tenant: "default", limit: 100 }, nowNs, signal, fixture);
  await prepared.text;
  return prepared.mentions[0];
}

const noon = "'2026-01-02T12:00:00Z'";

test.each([
  [true, `SELECT count(*) FROM logs WHERE timestamp > ${noon}`],
  [true, `SELECT service_name, count(*) FROM logs WHERE timestamp BETWEEN ${noon} AND now() GROUP BY ALL`],
  [true, `SELECT l.body FROM logs l WHERE ${noon} < l.timestamp AND l.severity_number > 9 ORDER BY body`],
  [true, `SELECT count(*) FROM logs l JOIN spans s USING (trace_id) WHERE l.timestamp > ${noon}`],
  [true, "SELECT count(*) FROM logs WHERE timestamp > date_trunc('hour', now())"],
  [true, "SELECT count(*) FROM logs"],
  [false, `SELECT * FROM logs WHERE timestamp > ${noon}`],
  [false, `SELECT max(timestamp) FROM logs WHERE timestamp > ${noon}`],
  [false, `SELECT body FROM logs WHERE timestamp > ${noon} ORDER BY timestamp`],
  [false, `SELECT body AS timestamp FROM logs WHERE timestamp > ${noon} GROUP BY timestamp`],
  [false, `SELECT body FROM logs WHERE timestamp > ${noon} AND timestamp <> '2026-01-03'`],
  [false, `SELECT body FROM logs WHERE timestamp > ${noon} OR timestamp < '2026-01-01'`],
  [false, `SELECT body FROM logs WHERE timestamp > ${noon} AND epoch_ms(timestamp) % 2 = 0`],
  [false, `SELECT body FROM logs WHERE timestamp > ${noon} AND date_trunc('day', timestamp) = '2026-01-03'`],
  [false, `SELECT body FROM logs WHERE timestamp > ${noon} AND timestamp < observed_timestamp`],
  [false, `SELECT body FROM logs WHERE timestamp > 'never'`],
  [false, `SELECT logs FROM logs WHERE timestamp > ${noon}`],
  [false, `SELECT #1 FROM logs WHERE timestamp > ${noon}`],
  [false, `SELECT COLUMNS('time.*') FROM logs WHERE timestamp > ${noon}`],
  [false, `SELECT count(*) FROM logs l JOIN metrics m USING (timestamp) WHERE l.timestamp > ${noon}`],
  [false, `SELECT count(*) FROM logs NATURAL JOIN metrics WHERE timestamp > ${noon}`],
  [false, `SELECT (SELECT max(s.name) FROM spans s WHERE s.start_timestamp < l.timestamp) FROM logs l`],
  [false, `FROM (SELECT * FROM logs WHERE timestamp > ${noon}) SELECT max(timestamp)`],
])("whether a statement reads the time in its bounds alone, %p: %s", async (isAlone, sql) => {
  expect((await mentionOf(sql)).isTimeBoundAlone).toBe(isAlone);
});

test("a file whose times may touch an end of the range is read with its times", () => {
  const second = 1_000_000_000n;
  const file = (name: string, minTimeNs: bigint, maxTimeNs: bigint) => ({
    path: name,
    minTimeNs,
    maxTimeNs,
    rows: 1,
    bytes: 1,
  });
  const files = [
    file("inside", 101n * second, 199n * second),
    file("at the least", 100n * second, 150n * second),
    file("near the most", 150n * second, 199n * second + 1n),
    file("over both", 0n, 300n * second),
  ];
  const paths = new Map([...files, { path: "unknown", rows: 1, bytes: 1 }].map((each) => [each.path, each]));
  const reads = [...paths.keys()].map((path) => ({ path }));
  const range = { minNs: 100n * second, maxNs: 200n * second };
  const known = (isBoundAlone: boolean, window = {}) =>
    withKnownTimes(reads, paths, { range, window, isBoundAlone }).map(({ path, isInWindow, timeNs }) =>
      [path, isInWindow ?? false, timeNs !== undefined] as const
    ).filter(([, isInWindow, isKnown]) => isInWindow || isKnown);
  expect(known(false)).toEqual([]);
  expect(known(true).filter(([, , isKnown]) => isKnown).map(([path]) => path)).toEqual(["inside"]);
  expect(known(false, range)).toEqual([
    ["inside", true, false],
    ["at the least", true, false],
    ["near the most", true, false],
  ]);
  // Outside of the window there are rows that do not exist for the statement.
  expect(known(true, { minNs: 102n * second })).toEqual([["near the most", true, false]]);
});

const pod = "resource_attributes['k8s.pod.name']";

test.each([
  [`${pod} = 'pod-1'`, true],
  [`'pod-1' <> ${pod}`, true],
  [`logs.${pod} IN ('pod-1', 'x')`, true],
  [`${pod} LIKE 'pod%' AND severity_number > 9`, true],
  [`(${pod} = 'pod-1' OR service_name = 'cart')`, true],
  [`NOT ${pod} IS NULL`, true],
  [`match(${pod}, 'pod')`, false],
  ["service_name = 'cart'", false], // passes by itself
  ["body LIKE '%x%'", false],
  [`${pod} = 5`, false], // the text would have to be a number
  [`CAST(${pod} AS INTEGER) > 5`, false],
  [`length(${pod}) > 5`, false],
  [`(${pod} = 'pod-1' OR CAST(body AS INTEGER) = 1)`, false],
  [`(${pod} = 'pod-1' OR severity_number / 0 = 1)`, false],
  [`${pod} = (SELECT min(name) FROM spans)`, false],
  [`resource_attributes[service_name] = 'pod-1'`, false],
  ["json_extract_string(body, '/a') = 'pod-1'", false], // a body may be no JSON
  ["json_extract_string(nullif(body, ''), '/a') = 'pod-1'", false],
  ["json_extract_string(resource_attributes, '/a') = 'pod-1'", false],
])("what is tried while files are read: %s", async (condition, isTried) => {
  const { conditions } = await mentionOf(`SELECT count(*) FROM logs WHERE ${condition}`);
  const tried = await conditions;
  expect(tried !== undefined).toBe(isTried);
  if (tried !== undefined) expect(tried.alias).toBe("logs");
});

test("an alias and values with every sign are tried as they are written", async () => {
  const value = `x'); DROP TABLE "logs" -- /* WHERE`;
  const quoted = `'${value.replaceAll("'", "''")}'`;
  expect(
    await fixture.rows(`SELECT count(*) FROM logs "a ""b' WHERE" WHERE "a ""b' WHERE".${pod} = ${quoted}`),
  )
    .toEqual([["0"]]);
  expect(
    await fixture.rows(`SELECT count(*) FROM logs "a ""b' WHERE" WHERE "a ""b' WHERE".${pod} <> ${quoted}`),
  )
    .toEqual([["900"]]);
});

test("a condition that is printed as something else never runs", async () => {
  for (
    const sql of [
      "SELECT 1 FROM read_text('/etc/passwd')",
      "SELECT true, true",
      "SELECT true AS x",
      "SELECT true FROM logs",
      "SELECT true WHERE true",
      "SELECT true LIMIT 1",
    ]
  ) {
    let runs = 0, asked = 0;
    const { engine } = fixture;
    const changed: SqlEngine = {
      enter: (...args) => engine.enter(...args),
      parse: (...args) => engine.parse(...args),
      print: (...args) => engine.print(...args),
      async printAndParse(tree) {
        const printed = await engine.printAndParse(tree);
        return printed.sql.includes("FROM openwit_logs_1")
          ? printed
          : (asked++, { sql, tree: await engine.parse(sql) });
      },
      evaluateTimes: (...args) => engine.evaluateTimes(...args),
      run: (...args) => (runs++, engine.run(...args)),
      close: () => engine.close(),
    };
    const running = runQuery(
      {
        sql: `SELECT count(*) FROM logs WHERE ${pod} = 'pod-1'`,
        tenant: "default",
        ...defaultQueryLimits,
        sources: fixture.sources,
      },
      { engine: changed, clock: systemClock },
    );
    await expect(running).rejects.toThrow();
    expect({ runs, asked }).toEqual({ runs: 0, asked: 1 });
  }
  expect(fixture.pinned).toBe(0);
});
