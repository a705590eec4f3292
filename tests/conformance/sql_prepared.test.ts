/** A statement that is asked again is not prepared again, and answers as if it were. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { systemClock } from "../../core/env/clock.ts";
import type { EngineRequest, SqlEngine } from "../../core/query/engine.ts";
import { type Prepared, prepareStatement } from "../../core/query/prepare.ts";
import { PreparedStatements } from "../../core/query/prepared.ts";
import { defaultQueryLimits, runQuery } from "../../core/query/query.ts";
import type { SqlTree } from "../../core/query/tree.ts";
import { type Fixture, nowNs, openFixture } from "./sql_fixture.ts";

let fixture: Fixture;
beforeAll(async () => {
  fixture = await openFixture(1_000);
});
afterAll(() => fixture.close());

/** The engine, counting what it is asked beside running. */
function counting(engine: SqlEngine, changes: Partial<SqlEngine> = {}) {
  const asked = { enter: 0, parse: 0, print: 0, evaluate: 0 };
  const counted: SqlEngine = {
    enter: (...args) => (asked.enter++, engine.enter(...args)),
    parse: (...args) => (asked.parse++, engine.parse(...args)),
    print: (...args) => (asked.print++, engine.print(...args)),
    printAndParse: (...args) => (asked.print++, engine.printAndParse(...args)),
    evaluateTimes: (...args) => (asked.evaluate++, engine.evaluateTimes(...args)),
    run: (...args) => engine.run(...args),
    close: () => engine.close(),
    ...changes,
  };
  return { engine: counted, asked };
}

/** Waits until it may be kept. */
async function settled({ text, mentions }: Prepared): Promise<void> {
  await Promise.all([text, ...mentions.map(({ conditions }) => conditions)]);
  await Bun.sleep(0);
}

const signal = new AbortController().signal;
const request = (sql: string) => ({ sql, tenant: "default", limit: 100 });

test("the second time nothing is asked of the engine", async () => {
  const { engine, asked } = counting(fixture.engine);
  const statements = new PreparedStatements();
  const sql = "SELECT service_name, count(*) FROM logs WHERE timestamp > '2026-01-02' GROUP BY ALL";
  const first = await prepareStatement(request(sql), nowNs, signal, { engine, statements });
  await settled(first);
  expect(asked).toEqual({ enter: 1, parse: 1, print: 1, evaluate: 0 });
  const again = await prepareStatement(request(sql), nowNs, signal, { engine, statements });
  expect(again).toBe(first);
  expect(asked).toEqual({ enter: 1, parse: 1, print: 1, evaluate: 0 });
});

test.each([
  ["SELECT now()"],
  ["SELECT current_date"],
  ["SELECT count(*) FROM logs WHERE timestamp > ago(INTERVAL 1 HOUR)"],
  ["SELECT age(timestamp) FROM logs LIMIT 1"],
  ["WITH x AS (SELECT today() AS d) SELECT * FROM x"],
])("what depends on the present is prepared each time: %s", async (sql) => {
  const { engine } = counting(fixture.engine);
  const statements = new PreparedStatements();
  const texts: string[] = [];
  for (const ns of [nowNs, nowNs + 86_400_000_000_000n]) {
    texts.push(await (await prepareStatement(request(sql), ns, signal, { engine, statements })).text);
  }
  expect(statements.size).toBe(0);
  expect(texts[0]).not.toBe(texts[1]);
});

test("other parameters, another limit and another tenant are other statements", async () => {
  const sql = "SELECT $1::INTEGER + range FROM range(20)";
  expect((await fixture.rows(sql, { params: [1] }))[0]).toEqual(["1"]);
  expect((await fixture.rows(sql, { params: [5] }))[0]).toEqual(["5"]);
  expect(await fixture.rows(sql, { params: [5], limit: 3 })).toHaveLength(3);
  expect(await fixture.rows(sql, { params: [5], limit: 30 })).toHaveLength(20);
  const { engine, asked } = counting(fixture.engine);
  const statements = new PreparedStatements();
  for (const tenant of ["a", "b"]) {
    await (await prepareStatement({ ...request("SELECT 1"), tenant }, nowNs, signal, { engine, statements }))
      .text;
  }
  expect(asked.print).toBe(2);
});

test("running a statement changes nothing of what is kept of it", async () => {
  const statements = new PreparedStatements();
  const { engine } = fixture;
  for (
    const sql of [
      "SELECT * FROM logs WHERE severity_number >= 9 AND resource_attributes['k8s.pod.name'] = 'pod-1' ORDER BY timestamp DESC LIMIT 5",
      "SELECT l.resource_attributes['n'], count(*) FROM logs l JOIN spans s USING (trace_id) GROUP BY ALL ORDER BY ALL",
      "SHOW TABLES",
      "DESCRIBE SELECT * FROM logs",
    ]
  ) {
    const prepared = await prepareStatement({ ...request(sql), limit: 10 }, nowNs, signal, {
      engine,
      statements,
    });
    await settled(prepared);
    const kept = () => JSON.stringify([prepared.tree, prepared.original, prepared.rowsMax], plainly);
    const before = kept();
    const answers: string[] = [];
    for (let round = 0; round < 2; round++) {
      const result = await runQuery(
        { sql, tenant: "default", ...defaultQueryLimits, limit: 10, sources: fixture.sources },
        { engine, clock: systemClock, statements },
      );
      const rows: unknown[] = [];
      for await (const batch of result.batches) rows.push(...batch.columns);
      answers.push(JSON.stringify(rows, plainly));
    }
    expect(kept()).toBe(before);
    expect(answers[1]).toBe(answers[0]);
  }
});

const plainly = (_name: string, value: unknown) => typeof value === "bigint" ? `${value}n` : value;

test("a text that does not pass the check never runs, however far the planning is, and is not kept", async () => {
  const statements = new PreparedStatements();
  let runs = 0;
  const { engine } = counting(fixture.engine, {
    async printAndParse() {
      await new Promise((resolve) => setTimeout(resolve, 50)); // the plan is made meanwhile
      const sql = "SELECT * FROM read_text('/etc/passwd')";
      return { sql, tree: await fixture.engine.parse(sql) as SqlTree };
    },
    run(request: EngineRequest) {
      runs++;
      return fixture.engine.run(request);
    },
  });
  for (
    const sql of [
      "SELECT count(*) FROM logs",
      "SELECT * FROM logs WHERE timestamp > date_trunc('day', now())",
    ]
  ) {
    const running = runQuery(
      { sql, tenant: "default", ...defaultQueryLimits, sources: fixture.sources },
      { engine, clock: systemClock, statements },
    );
    await expect(running).rejects.toThrow("read_text");
  }
  expect(runs).toBe(0);
  expect(statements.size).toBe(0);
  expect(fixture.pinned).toBe(0);
});
