/**
 * Statements that nobody would write: valid ones cut, doubled, swapped and mixed, and soups of words, through parsing,
 * checking, rewriting and running over a small fixture. Each is answered or refused in time with an error that is ours,
 * never `internal`, and no answer holds another tenant's canaries (tests/conformance/sql_canaries.ts).
 *
 * SQL_ROUNDS (1500) is how many, SEED (7) where they begin.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { type Random, randomBelow, seededRandom } from "../../core/env/random.ts";
import { OpenWitError } from "../../core/error.ts";
import { allowedFunctions } from "../../core/query/functions.ts";
import { canary, canaryFiles, plantCanaries } from "../conformance/sql_canaries.ts";
import { type Fixture, openFixture } from "../conformance/sql_fixture.ts";

const rounds = Number(process.env.SQL_ROUNDS ?? 1_500);
const seed = Number(process.env.SEED ?? 7);
const timeoutMs = 400;

let fixture: Fixture;
let endOther: () => Promise<void>;
beforeAll(async () => {
  fixture = await openFixture(60, { memoryBytes: 128 * 1024 * 1024, spillBytes: 64 * 1024 * 1024 });
  endOther = await plantCanaries(fixture);
});
afterAll(async () => {
  await endOther();
  expect(fixture.pinned).toBe(0);
  await fixture.close();
});

/** The guide's examples, and statements with what they lack. */
const valid = [
  ...readFileSync(join(import.meta.dir, "../../docs/query.md"), "utf8").matchAll(/```sql\n([^`]*)```/g),
].map(([, sql]) => sql).concat([
  "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT sum(i) FROM n",
  "SELECT list_transform([1, 2], lambda x: x * 2), list_reduce([1, 2], lambda a, x: a + x), {'a': body}.a FROM logs",
  "SELECT * FROM (SELECT kind, status_code FROM spans) PIVOT (count(*) FOR status_code IN (0, 1, 2))",
  "SELECT service_name, count(*) FROM logs GROUP BY GROUPING SETS ((service_name), ()) HAVING count(*) > 1",
  "SELECT a.body FROM logs a ASOF JOIN spans b ON a.timestamp >= b.start_timestamp QUALIFY row_number() OVER () < 3",
  "SELECT body FROM logs WHERE EXISTS (SELECT 1 FROM spans WHERE spans.trace_id = logs.trace_id) OR body LIKE '%a%'",
  "SELECT COLUMNS('.*_attributes'), * EXCLUDE (body) REPLACE (1 AS flags) FROM logs USING SAMPLE 3 ROWS",
  "SELECT json_extract_string(resource_attributes, '$.x'), regexp_replace(body, '(a+)', '\\1\\1', 'g') FROM logs",
  "SELECT * FROM logs WHERE match(body, 'a OR \"b c\" -d* service:x') AND severity_number IN (1, 2) LIMIT 3 OFFSET 1",
  "SELECT unnest([1, 2]), unnest(events, recursive := true) FROM spans UNION BY NAME SELECT 1 AS x EXCEPT SELECT 2",
]);

const words = [
  ...("SELECT FROM WHERE GROUP BY ORDER LIMIT OFFSET HAVING QUALIFY WINDOW WITH RECURSIVE AS UNION ALL INTERSECT EXCEPT " +
    "JOIN LEFT FULL OUTER CROSS NATURAL ASOF POSITIONAL SEMI ANTI LATERAL ON USING DISTINCT CASE WHEN THEN ELSE END " +
    "CAST IN NOT AND OR IS NULL LIKE ILIKE SIMILAR TO BETWEEN EXISTS ANY OVER PARTITION ROWS RANGE PRECEDING FOLLOWING " +
    "UNBOUNDED CURRENT ROW EXCLUDE REPLACE COLUMNS PIVOT UNPIVOT FOR VALUES DESCRIBE SUMMARIZE SHOW TABLES SAMPLE " +
    "TABLESAMPLE INTERVAL TIMESTAMP DATE FILTER ORDINALITY MAP STRUCT lambda COPY ATTACH SET PRAGMA INSERT CALL EXPLAIN")
    .split(" "),
  ..."logs spans traces metrics system.segments system openwit_logs_1 openwit_memtable_logs t a b x n range unnest"
    .split(" "),
  ..."body timestamp attributes resource_attributes severity_number trace_id events name duration_ns value i"
    .split(" "),
  ..."read_csv read_text read_parquet glob getenv query query_table current_user duckdb_settings repeat lpad"
    .split(" "),
  ..."( ) ( ) , , . ; * + - / % = <> < > <= || :: -> ->> [ ] { } : ? $1 $a @ # ! ~ ^ & | \\ ' \" ` -- /* */ $$ \n"
    .split(
      " ",
    ),
  ...Object.values(canaryFiles).map((path) => `'${path}'`),
  "'OPENWIT_TEST_CANARY'",
  ..."0 1 -1 2 9223372036854775807 -9223372036854775808 170141183460469231731687303715884105727 1e308 1e-400 .5 0x1F"
    .split(" "),
  ..."'' 'a' 'x''y' '2026-01-02T03:00:00Z' '%' '(((' '[a' 'é\u0301' '\u0000' '\ud800' '😀' E'\\n' x'00' NaN"
    .split(" "),
  "INTERVAL 1 DAY",
  "now()",
  "TIMESTAMP '2026-01-02'",
  "::VARCHAR",
  "::INTEGER[]",
  "AT TIME ZONE 'UTC'",
];
const names =
  ("body timestamp attributes resource_attributes severity_number trace_id span_id service_name events name " +
    "duration_ns value logs spans traces metrics start_timestamp bucket_counts read_text getenv").split(" ");
const values = [
  ..."0 1 -1 2 1000 0.5 NULL true body timestamp attributes severity_number now() [1,2] ['a'] 'a' '' '%' '(a+)+' '{\"a\":1}'"
    .split(" "),
  "9223372036854775807",
  "1e308",
  "'2026-01-02T03:00:00Z'",
  "'secret.csv'",
  "INTERVAL '1 day'",
  "{'a': 1}",
  "MAP {'a': 1}",
  "lambda x: x",
  "range(100)",
  "x'00ff'",
];
const functions = [...allowedFunctions].filter((name) => /^[a-z]/.test(name));

const tokenise = (sql: string): string[] => sql.match(/'(?:[^']|'')*'|"[^"]*"|[\w.]+|\s+|[^\w\s]/g) ?? [];

function nextStatement(random: Random): string {
  const below = (count: number) => randomBelow(random, count);
  const pick = <Item>(items: readonly Item[]): Item => items[below(items.length)];
  const word = () => below(4) === 0 ? `${pick(functions)}(` : pick(words);
  switch (below(10)) {
    case 0:
      return Array.from({ length: 1 + below(25) }, word).join(" ");
    case 1:
      return `SELECT ${Array.from({ length: 1 + below(12) }, word).join(" ")}`;
    case 2:
    case 3:
      return broken(tokenise(pick(valid)));
    case 4:
      return `SELECT ${pick(functions)}(${
        Array.from({ length: below(4) }, () => pick(values)).join(", ")
      }) FROM logs`;
    default:
      return wrapped(alike(tokenise(pick(valid))));
  }

  /** Words take the place of others of their kind, so that most of it still parses. */
  function alike(tokens: string[]): string {
    for (let changes = below(4); changes > 0; changes--) {
      const at = below(tokens.length), token = tokens[at], isCall = tokens[at + 1] === "(";
      if (/^'/.test(token) || /^\d/.test(token)) tokens[at] = pick(values);
      else if (isCall && functions.includes(token.toLowerCase())) tokens[at] = pick(functions);
      else if (/^[a-z_.]+$/.test(token)) tokens[at] = pick(names);
    }
    return tokens.join("");
  }

  function wrapped(sql: string): string {
    const other = () => alike(tokenise(pick(valid)));
    switch (below(12)) {
      case 0:
        return `SELECT * FROM (${sql}) AS q`;
      case 1:
        return `WITH q AS (${sql}) SELECT count(*) FROM q, q AS r`;
      case 2:
        return `SELECT (SELECT count(*) FROM (${sql})) AS x FROM logs WHERE body IN (SELECT 'a' FROM (${other()}))`;
      case 3:
        return `(${sql}) UNION ALL BY NAME (${other()})`;
      case 4:
        return `SELECT * FROM (${sql}) AS q JOIN (${other()}) AS r ON true`;
      case 5:
        return `DESCRIBE ${sql}`;
      case 6:
        return `SUMMARIZE ${sql}`;
      default:
        return sql;
    }
  }

  function broken(tokens: string[]): string {
    for (let changes = 1 + below(4); changes > 0; changes--) {
      const at = below(tokens.length), length = 1 + below(6);
      const part = tokens.slice(at, at + length);
      const other = tokenise(pick(valid)), from = below(other.length);
      switch (below(6)) {
        case 0:
          tokens.splice(at, length);
          break;
        case 1:
          tokens.splice(at, 0, ...part, ...part);
          break;
        case 2:
          tokens.splice(at, below(2), ` ${word()} `);
          break;
        case 3:
          tokens.splice(at, length, ...other.slice(from, from + 1 + below(20)));
          break;
        case 4:
          tokens.splice(at, length, "(", ...other, ")");
          break;
        case 5:
          tokens.splice(below(tokens.length), 0, ...part);
          break;
      }
      if (tokens.length === 0) tokens = ["SELECT"];
    }
    return tokens.join("").slice(0, 20_000);
  }
}

test(
  `${rounds} statements from seed ${seed} are answered or refused, and tell nothing of others`,
  async () => {
    const random = seededRandom(seed);
    const outcomes: Record<string, number> = {};
    for (let round = 0; round < rounds; round++) {
      const sql = nextStatement(random);
      const params = randomBelow(random, 2) === 0 ? ["a", 1, null] : { a: "2026-01-02T03:00:00Z" };
      const beganMs = performance.now();
      const outcome = await fixture.rows(sql, { params, timeoutMs, limit: 1_000 }).catch((error: unknown) =>
        error
      );
      const elapsedMs = performance.now() - beganMs;
      const said = `round ${round} of seed ${seed}: ${JSON.stringify(sql)}`;
      const isError = !Array.isArray(outcome);
      if (isError && !(outcome instanceof OpenWitError)) {
        throw new Error(`not ours, ${said}`, {
          cause: outcome,
        });
      }
      const code = isError ? (outcome as OpenWitError).code : "rows";
      outcomes[code] = (outcomes[code] ?? 0) + 1;
      if (code === "internal") throw new Error(`internal, ${said}`, { cause: outcome });
      const text = isError ? (outcome as OpenWitError).message : JSON.stringify(outcome);
      if (text.includes(canary)) throw new Error(`a canary, ${said}`);
      if (elapsedMs > timeoutMs + 2_000) throw new Error(`${Math.round(elapsedMs)} ms, ${said}`);
    }
    console.log(outcomes);
    expect(outcomes.rows).toBeGreaterThan(rounds / 20);
    expect(outcomes.forbidden).toBeGreaterThan(rounds / 300);
    expect(await fixture.rows("SELECT 1")).toEqual([[1]]);
  },
  120_000 + rounds * 100,
);
