/**
 * `match`, LIKE and regular expressions: what they find, and that what an index is asked for never excludes a row
 * that DuckDB finds. Random texts and patterns are of few letters, so that most patterns find something.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { type Random, randomBelow, seededRandom } from "../../core/env/random.ts";
import { OpenWitError } from "../../core/error.ts";
import { all, and, type IndexPredicate, or } from "../../core/index/predicate.ts";
import { quoteText } from "../../core/model/sql.ts";
import { rewriteStatement } from "../../core/query/rewrite.ts";
import { textPredicate } from "../../core/query/text_condition.ts";
import { columnNames, isNode, nodesIn, type SqlNode } from "../../core/query/tree.ts";
import { foldText } from "../../core/text/word.ts";
import { openDuckDb, type ParquetReader } from "../golden/segment-duckdb.ts";
import { meets, shown } from "./index_predicate.ts";
import { type Fixture, openFixture } from "./sql_fixture.ts";

/** `SEED` and `ROUNDS` look for more. */
const seed = Number(process.env.SEED ?? 5);
const rounds = Number(process.env.ROUNDS ?? 1);
const timeoutMs = 60_000 * rounds;

let fixture: Fixture;
let duckDb: ParquetReader;
beforeAll(async () => {
  duckDb = await openDuckDb();
  fixture = await openFixture(600);
});
afterAll(async () => {
  duckDb.close();
  expect(fixture.pinned).toBe(0);
  await fixture.close();
});

/** Whether `match` finds the query in each text. */
async function found(texts: readonly string[], query: string): Promise<boolean[]> {
  const list = texts.map(quoteText).join();
  const rows = await fixture.rows(
    `SELECT match(body, ${
      quoteText(query)
    }) FROM (SELECT unnest([${list}]) AS body, unnest(range(${texts.length})) AS n)
      ORDER BY n`,
  );
  return rows.map(([value]) => value === true);
}

const cases: [query: string, finds: string[], leaves: string[]][] = [
  ["refused", ["Connection REFUSED.", "refused"], ["refusedly", "unrefused", "refused1", "confused"]],
  ["user_id", ["user_id=4", "x.user_id"], ["my_xuser_id", "user_ids", "user id"]],
  ["10.0.0.1", ["from 10.0.0.1:80", "(10.0.0.1)"], ["110.0.0.1", "10.0.0.12", "10a0b0c1"]],
  ["/api/v1", ["GET /api/v1", "x/api/v1/y"], ["/api/v12", "/api v1"]],
  ["a=", ["a=b", "x a="], ["aa=b", "a ="]],
  ["=>", ["a=>b", "=>"], ["= >"]],
  ["time*", ["timeout", "a time", "TIMES"], ["runtime"]],
  ["/ord*", ["/orders", "x/ord"], ["ord"]],
  ['"connection refused"', ["connection refused", "x connection: “Refused”"], [
    "connection was refused",
    "connectionrefused",
    "xconnection refused",
    "refused connection",
  ]],
  ['"connection ref"*', ["connection refused", "connection ref"], ["connection xref"]],
  ['"=>"', ["a=>b"], ["a"]],
  ["a b", ["b a", "a,b"], ["a", "b", "ab"]],
  ["a OR b", ["a", "b x"], ["c"]],
  ["a -b", ["a", "a bb"], ["a b", "b"]],
  ["NOT (a OR b)", ["c", ""], ["a", "b"]],
  ["ÉCOLE", ["une école", "École"], ["ecole", "écoles"]],
  ["straße", ["STRAßE", "straße"], ["straßen", "strasse"]],
  ["数据库", ["数据库", "“数据库”"], ["数据库连接", "数据"]],
  ["c'est", ["C'est ça"], ["cest"]],
  ["a\\*b", ["a*b"], ["ab"]],
];

test.each(cases)("match finds %s in %j and not in %j", async (query, finds, leaves) => {
  expect(await found([...finds, ...leaves], query)).toEqual([
    ...finds.map(() => true),
    ...leaves.map(() => false),
  ]);
});

test("fields name columns and attributes of the column's own table", async () => {
  const count = async (sql: string) => Number((await fixture.rows(`SELECT count(*) FROM ${sql}`))[0][0]);
  const pairs = [
    [
      "logs WHERE match(body, 'k8s.pod.name:pod-1')",
      "logs WHERE resource_attributes['k8s.pod.name'] = 'pod-1'",
    ],
    [
      "logs WHERE match(body, '-k8s.pod.name:pod-1')",
      "logs WHERE resource_attributes['k8s.pod.name'] IS DISTINCT FROM 'pod-1'",
    ],
    [
      "logs WHERE match(body, 'k8s.pod.name:pod*')",
      "logs WHERE resource_attributes['k8s.pod.name'] IS NOT NULL",
    ],
    [
      "logs WHERE match(body, 'k8s.pod.name:*')",
      "logs WHERE resource_attributes['k8s.pod.name'] IS NOT NULL",
    ],
    ["logs WHERE match(body, 'n:3')", "logs WHERE resource_attributes['n'] = '3'"],
    ["logs WHERE match(body, 'severity_number:17')", "logs WHERE severity_number = 17"],
    ["spans WHERE match(name, 'kind:2')", "spans WHERE kind = 2"],
    ["traces AS t WHERE match(t.service_name, 'kind:2')", "spans WHERE kind = 2"],
    [
      "logs l JOIN spans s ON l.trace_id = s.trace_id WHERE match(l.body, 'n:3')",
      "logs l JOIN spans s ON l.trace_id = s.trace_id WHERE l.resource_attributes['n'] = '3'",
    ],
    [
      "logs WHERE EXISTS (SELECT 1 FROM spans s WHERE match(s.service_name, 'kind:2 n:3'))",
      "logs WHERE EXISTS (SELECT 1 FROM spans s WHERE kind = 2 AND resource_attributes['n'] = '3')",
    ],
    [
      "(WITH x AS (SELECT * FROM logs) SELECT * FROM x WHERE match(body, 'n:3'))",
      "logs WHERE resource_attributes['n'] = '3'",
    ],
  ];
  for (const [matched, plain] of pairs) {
    const expected = await count(plain);
    expect({ matched, rows: await count(matched) }).toEqual({ matched, rows: expected });
  }
  expect(await count(pairs[0][1])).toBeGreaterThan(100);
});

test("severities are found in any case, ids as well", async () => {
  const first = async (column: string) =>
    String(
      (await fixture.rows(`SELECT ${column} FROM logs WHERE ${column} SIMILAR TO '[a-z0-9]+' LIMIT 1`))[0][0],
    );
  const text = await first("severity_text"), trace = await first("trace_id");
  for (
    const [query, plain] of [
      [`level:"${text.toUpperCase()}"`, `lower(severity_text) = lower(${quoteText(text)})`],
      [`trace:${trace.toUpperCase()}`, `trace_id = ${quoteText(trace)}`],
    ]
  ) {
    const rows = await fixture.rows(
      `SELECT count(*) FILTER (match(body, $1)), count(*) FILTER (${plain}) FROM logs`,
      { params: [query] },
    );
    expect(Number(rows[0][0])).toBeGreaterThan(0);
    expect(rows[0][0]).toBe(rows[0][1]);
  }
});

test("match of NULL is NULL, as LIKE has it, and a column keeps its name", async () => {
  const result = await fixture.start("SELECT match(NULL, 'a') IS NULL, match(name, 'a') FROM spans LIMIT 1");
  await result.close();
  expect(result.columns[1].name).toBe(`"match"("name", 'a')`);
  expect(await fixture.rows("SELECT match(NULL, 'a'), match(NULL, '-a')")).toEqual([[null, true]]);
});

test.each(
  [
    ["SELECT 1 FROM logs WHERE match(body)", 25, "match takes"],
    ["SELECT 1 FROM logs WHERE match()", 25, "match takes"],
    ["SELECT 1 FROM logs WHERE match(body, service_name)", 25, "match takes"],
    ["SELECT 1 FROM logs WHERE match(body, 5)", 25, "match takes"],
    ["SELECT 1 FROM logs WHERE match(body, NULL)", 25, "match takes"],
    ["SELECT match(DISTINCT body, 'a') FROM logs", 7, "match takes"],
    ["SELECT 1 FROM logs WHERE match(body, 'a (b')", 40, '"(" is not closed'],
    ["SELECT 1 FROM logs WHERE match(attributes, 'a')", 31, "MAP(VARCHAR, VARCHAR)"],
    ["SELECT 1 FROM logs WHERE match(severity_number, 'a')", 31, "INTEGER"],
    ["SELECT 1 FROM logs WHERE match(body, 'a timestamp:5')", 40, "timestamp cannot be compared"],
    ["SELECT match(x, 'a:b') FROM (SELECT service_name AS x FROM logs)", 7, "not known of which table a is"],
    [`SELECT match(${"lower(".repeat(50)}body${")".repeat(50)}, 'a') FROM logs`, 7, "too large"],
  ] as const,
)("%s is refused at byte %p", async (sql, position, message) => {
  const error = await fixture.rows(sql).catch((error) => error);
  expect(error).toBeInstanceOf(OpenWitError);
  const { code, message: said, position: found, hint } = error as OpenWitError;
  expect(said).toContain(message);
  expect({ code, found }).toEqual({ code: "invalid_argument", found: position });
  expect(hint).toBeString();
});

const letters = [..."aabbcAé ssKkßſςσİı数. =_/-\n"];
function randomText(random: Random, most: number): string {
  return Array.from({ length: randomBelow(random, most) }, () => letters[randomBelow(random, letters.length)])
    .join("");
}

function pick<T>(random: Random, values: readonly T[]): T {
  return values[randomBelow(random, values.length)];
}

/** Runs each condition over the texts, and looks for a row that DuckDB finds and the predicate excludes. */
async function requireNecessary(
  texts: readonly string[],
  conditions: readonly (readonly [sql: string, predicate: IndexPredicate])[],
): Promise<void> {
  await duckDb.query("CREATE OR REPLACE TABLE texts (n INTEGER, body VARCHAR)");
  await duckDb.query(
    `INSERT INTO texts VALUES ${texts.map((text, n) => `(${n}, ${quoteText(text)})`).join()}`,
  );
  let asked = 0, hits = 0;
  for (const [sql, predicate] of conditions) {
    const rows = await duckDb.query(`SELECT n FROM texts WHERE ${sql}`).catch((error: Error) => {
      if (/repetition|argument|invalid|missing|escape character/i.test(error.message)) return undefined; // RE2 does not take it
      throw error;
    });
    if (rows === undefined) continue;
    if (predicate.kind !== "all") asked++;
    hits += rows.length;
    const lost = rows.map(({ n }) => texts[Number(n)]).find((text) => !meets(predicate, text));
    expect({ sql, predicate: shown(predicate), lost }).toEqual({
      sql,
      predicate: shown(predicate),
      lost: undefined,
    });
  }
  // else the test would test nothing
  expect(asked).toBeGreaterThan(conditions.length / 4);
  expect(hits).toBeGreaterThan(conditions.length);
}

/** A condition as the engine runs it, and what an index is asked for it. */
async function conditionOf(sql: string): Promise<[sql: string, predicate: IndexPredicate]> {
  const { engine } = fixture;
  const { tree } = rewriteStatement(await engine.parse(`SELECT ${sql}`), 0n);
  const { node } = tree.statements[0];
  const [condition] = nodesIn(isNode(node) ? node.select_list : null);
  return [(await engine.print(tree)).replace(/^SELECT /, ""), predicateOf(condition)];
}

function predicateOf(condition: SqlNode): IndexPredicate {
  const children = nodesIn(condition.children);
  if (condition.type === "CONJUNCTION_AND") return and(children.map(predicateOf));
  if (condition.type === "CONJUNCTION_OR") return or(children.map(predicateOf));
  return textPredicate(condition, (node) => columnNames(node).at(-1) === "body" ? "body" : undefined) ?? all;
}

test.each([
  ["Refused", "refused"],
  ["user_id", "(user & id)"],
  ["/api/v1/orders", "(api & v1 & orders)"],
  ["=", "all"],
  ["time*", "time~"],
  ["/api/ord*", "(api & ord~)"],
  ["a*", "all"],
  ['"connection  refused"', "(connection & refused)"],
  ['"connection ref"*', "(connection & ref~)"],
  ['"->"', "all"],
  ["a (b OR c)", "(a & (b | c))"],
  ["a OR NOT b", "all"],
  ["a -b", "a"],
  ["STRAßE \\*x\\*", "(straße & x)"],
])("an index is asked for match of %j with %s", async (query, expected) => {
  const [, predicate] = await conditionOf(`match(body, ${quoteText(query)})`);
  expect(shown(predicate)).toBe(expected);
});

function textsOf(random: Random): string[] {
  return Array.from({ length: 300 }, () => randomText(random, 12));
}

test(`an index is asked for no more than match demands (seed ${seed})`, async () => {
  const random = seededRandom(seed);
  const term = () => {
    const text = randomText(random, 4).replaceAll(/[\s]/g, "") || "a";
    const bare = text.replaceAll(/^-/g, "\\-");
    return pick(random, [bare, bare, `${bare}*`, `"${text} ${randomText(random, 4)}"`, `"${text}"*`]);
  };
  const query = (depth: number): string =>
    depth === 0 ? term() : pick(random, [
      () => term(),
      () => `${query(depth - 1)} ${query(depth - 1)}`,
      () => `(${query(depth - 1)} OR ${query(depth - 1)})`,
      () => `-(${query(depth - 1)})`,
    ])();
  const conditions: [string, IndexPredicate][] = [];
  for (let round = 0; round < 400 * rounds; round++) {
    const text = query(randomBelow(random, 3));
    conditions.push(await conditionOf(`match(body, ${quoteText(text)})`));
  }
  await requireNecessary(textsOf(random), conditions);
}, timeoutMs);

test(`an index is asked for no more than LIKE and its kin demand (seed ${seed})`, async () => {
  const random = seededRandom(seed);
  const conditions: [string, IndexPredicate][] = [];
  for (let round = 0; round < 400 * rounds; round++) {
    const text = quoteText(randomText(random, 5));
    const pieces = Array.from({ length: 1 + randomBelow(random, 3) }, () => randomText(random, 4));
    const pattern = pieces.join(pick(random, ["%", "_", "%_%"])) + pick(random, ["%", "", "%"]);
    const like = quoteText(pick(random, ["%", "%", ""]) + pattern);
    const glob = quoteText(pick(random, ["*", ""]) + pattern.replaceAll("%", "*").replaceAll("_", "?"));
    const sql = pick(random, [
      `body LIKE ${like}`,
      `body ILIKE ${like}`,
      `lower(body) LIKE lower(${like})`,
      `upper(body) LIKE ${like}`,
      `body LIKE ${like} ESCAPE 'a'`,
      `body ILIKE ${like} ESCAPE '/'`,
      `body GLOB ${glob}`,
      `contains(body, ${text})`,
      `starts_with(body, ${text})`,
      `body ^@ ${text}`,
      `ends_with(lower(body), ${text})`,
      `body = ${text}`,
      `${text} = upper(body)`,
    ]);
    conditions.push(await conditionOf(sql));
  }
  await requireNecessary(textsOf(random), conditions);
}, timeoutMs);

test(`an index is asked for no more than regular expressions demand (seed ${seed})`, async () => {
  const random = seededRandom(seed);
  const atom = (depth: number): string =>
    pick(random, [
      () => pick(random, letters).replace(".", "\\."),
      () => pick(random, letters).replace(".", "\\."),
      () => pick(random, ["ab", "a b", "\\bab", "ak\\b", "ss", "ak", "\\.b", "=a"]),
      () =>
        pick(random, [
          ".",
          "\\s",
          "\\w",
          "\\W",
          "\\b",
          "[ab]",
          "[Aa]",
          "[^a]",
          "[ =]",
          "[[:punct:]]",
          "\\x61",
        ]),
      () =>
        pick(random, ["^", "$", "\\Qa.b\\E", "\\pL", "\\A", "\\z", "(?i)", "[]a]", "[a-c]", "[ß-ü]", "\\d"]),
      () => depth > 0 ? `(${expression(depth - 1)})` : "a",
      () => depth > 0 ? `(?:${expression(depth - 1)})` : "b",
      () => depth > 0 ? `(?i:${expression(depth - 1)})` : "k",
    ])();
  const expression = (depth: number): string => {
    let text = "";
    for (let left = 1 + randomBelow(random, 4); left > 0; left--) {
      text += atom(depth) +
        pick(random, ["", "", "", "", "*", "+", "?", "{2}", "{0,1}", "{1,}", "+?", "{,2}"]);
    }
    return randomBelow(random, 4) === 0 ? `${text}|${expression(0)}` : text;
  };
  const conditions: [string, IndexPredicate][] = [];
  for (let round = 0; round < 800 * rounds; round++) {
    const text = quoteText(pick(random, ["", "", "(?i)", "(?s)", "(?m)"]) + expression(2));
    const sql = pick(random, [
      `regexp_matches(body, ${text})`,
      `regexp_matches(body, ${text})`,
      `regexp_matches(body, ${text}, 'i')`,
      `regexp_matches(body, ${text}, 'm')`,
      `regexp_matches(lower(body), ${text}, 's')`,
      `regexp_matches(body, ${quoteText(randomText(random, 4))}, 'l')`,
      `body ~ ${text}`,
      `body SIMILAR TO ${text}`,
    ]);
    conditions.push(await conditionOf(sql));
  }
  await requireNecessary(textsOf(random), conditions);
}, timeoutMs);

test("the upper case of a letter folds to what the letter folds to", async () => {
  // else lower(body) and upper(body) could not be asked for like body
  const rows = await duckDb.query(
    `SELECT x, upper(x) AS upper FROM (SELECT chr(c) AS x FROM
      (SELECT unnest(list_concat(range(1, 55296), range(57344, 131072)))::INTEGER AS c)) WHERE upper(x) <> x`,
  ) as { x: string; upper: string }[];
  expect(rows.length).toBeGreaterThan(1_000);
  expect(rows.filter(({ x, upper }) => foldText(x) !== foldText(upper))).toEqual([]);
});
