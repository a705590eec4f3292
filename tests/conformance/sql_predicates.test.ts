import { afterAll, beforeAll, expect, test } from "bun:test";
import { mentionsOf } from "../../core/query/mentions.ts";
import { predicateOf } from "../../core/query/predicates.ts";
import { rewriteStatement } from "../../core/query/rewrite.ts";
import { shown } from "./index_predicate.ts";
import { type Fixture, nowNs, openFixture } from "./sql_fixture.ts";

let fixture: Fixture;
beforeAll(async () => {
  fixture = await openFixture(10);
});
afterAll(() => fixture.close());

const list = Array.from({ length: 300 }, (_, at) => `'${at}'`).join(", ");

/** A statement, and what the index is asked for each mention of a table in it. */
const statements: readonly (readonly [sql: string, ...predicates: string[]])[] = [
  ["FROM logs WHERE trace_id = 'ab'", "trace_id=ab"],
  ["FROM logs WHERE 'ab' = logs.trace_id AND severity_number = 17", "(trace_id=ab & severity_number=17)"],
  ["FROM logs WHERE severity_number = '017'", "severity_number=17"],
  ["FROM logs WHERE severity_number = -1", "severity_number=-1"],
  ["FROM logs WHERE CAST(severity_number AS VARCHAR) = '17'", "severity_number=17"],
  ["FROM logs WHERE severity_number = 17.0", "all"],
  ["FROM logs WHERE severity_number = '17.0'", "all"],
  ["FROM logs WHERE service_name IN ('a', 'b', NULL)", "all"],
  ["FROM logs WHERE service_name IN ('a', 'b')", "(service_name=a | service_name=b)"],
  [`FROM logs WHERE trace_id IN (${list})`, "all"],
  ["FROM logs WHERE service_name NOT IN ('a', 'b')", "all"],
  ["FROM logs WHERE service_name IS NOT DISTINCT FROM 'a'", "service_name=a"],
  ["FROM logs WHERE service_name <> 'a'", "all"],
  ["FROM logs WHERE NOT (service_name = 'a')", "all"],
  ["FROM logs WHERE service_name = ''", "all"],
  ["FROM logs WHERE service_name = body", "all"],
  ["FROM logs WHERE service_name = 'a' OR trace_id = 'b'", "(service_name=a | trace_id=b)"],
  ["FROM logs WHERE service_name = 'a' OR flags > 3", "all"],
  ["FROM logs WHERE lower(service_name) = 'a'", "all"],
  ["FROM logs WHERE service_name COLLATE NOCASE = 'a'", "all"],
  ["FROM logs WHERE attributes['http.route'] = '/x'", "attributes.http.route=/x"],
  ["FROM logs WHERE attributes['n'] IN ('1', '2')", "(attributes.n=1 | attributes.n=2)"],
  ["FROM logs WHERE CAST(attributes['n'] AS BIGINT) = 5", "all"],
  ["FROM logs WHERE attributes['n'] = 5", "all"],
  ["FROM logs WHERE attributes['k'] IS NULL", "all"],
  ["FROM logs WHERE attributes[service_name] = 'x'", "all"],
  ["FROM logs WHERE element_at(attributes, 'k')[1] = 'v'", "attributes.k=v"],
  ["FROM logs WHERE map_extract(attributes, 'k')[1] = 'v'", "attributes.k=v"],
  ["FROM logs WHERE map_extract(attributes, 'k')[2] = 'v'", "all"],
  ["FROM logs WHERE map_extract_value(attributes, 'k') = 'v'", "attributes.k=v"],
  ["FROM logs WHERE resource_attributes['k8s.pod.name'] = 'p'", "resource_attributes.k8s.pod.name=p"],
  ["FROM logs WHERE resource_attributes['a/b~c'] = 'p'", "resource_attributes.a/b~c=p"],
  ["FROM logs WHERE scope_attributes->>'$.\"a.b\"' = 'p'", "scope_attributes.a.b=p"],
  ["FROM logs WHERE resource_attributes->>'a.b' = 'p'", "resource_attributes.a.b=p"],
  ["FROM logs WHERE resource_attributes->>'$.a.b' = 'p'", "all"],
  ["FROM logs WHERE resource_attributes->>'/a/b' = 'p'", "all"],
  ["FROM logs WHERE resource_attributes->'a' = '\"p\"'", "all"],
  ["FROM logs WHERE resource_attributes['n'] = '1.50'", "all"],
  ["FROM logs WHERE body = 'Connection refused'", "(connection & refused & body=Connection refused)"],
  ["FROM logs WHERE body LIKE '% refused %'", "refused"],
  ["FROM spans WHERE match(name, 'checkout') AND kind = 3", "(checkout & kind=3)"],
  ["FROM logs WHERE match(body, 'refused NOT timeout')", "refused"],
  ["FROM metrics WHERE metric_name = 'a' AND timestamp > now()", "metric_name=a"],
  ["FROM logs WHERE $1 = service_name", "service_name=a"],
  // levels, and the errors of a service
  ["FROM logs WHERE severity_number >= 17", "severity_number>=17"],
  ["FROM logs WHERE severity_number > 16", "severity_number>=17"],
  ["FROM logs WHERE severity_number > '16'", "severity_number>=17"],
  ["FROM logs WHERE 16 < severity_number", "severity_number>=17"],
  ["FROM logs WHERE 19 <= severity_number", "severity_number>=17"],
  ["FROM logs WHERE severity_number BETWEEN 9 AND 12", "severity_number>=9"],
  ["FROM logs WHERE severity_number >= 100000000000", "severity_number>=21"],
  ["FROM logs WHERE severity_number >= 4", "all"],
  ["FROM logs WHERE severity_number >= -7", "all"],
  ["FROM logs WHERE severity_number < 17", "all"],
  ["FROM logs WHERE 17 >= severity_number", "all"],
  ["FROM logs WHERE severity_number >= 17.5", "all"],
  ["FROM logs WHERE severity_number <> 17", "all"],
  ["FROM logs WHERE NOT severity_number >= 17", "all"],
  ["FROM logs WHERE severity_number NOT BETWEEN 13 AND 17", "all"],
  ["FROM logs WHERE flags >= 17", "all"],
  ["FROM logs WHERE severity_number >= 17 AND severity_number > 8", "severity_number>=17"],
  ["FROM logs WHERE lower(severity_text) = 'error'", "severity_text~error"],
  ["FROM logs WHERE upper(severity_text) = 'ERROR'", "severity_text~error"],
  [
    "FROM logs WHERE lower(severity_text) IN ('error', 'fatal')",
    "(severity_text~error | severity_text~fatal)",
  ],
  ["FROM logs WHERE lower(severity_text) = 'überfällig'", "all"],
  ["FROM logs WHERE lower(severity_text) = ''", "all"],
  ["FROM logs WHERE match(body, 'level:Error')", "severity_text~error"],
  ["FROM logs WHERE match(body, 'level:err*')", "all"],
  ["FROM logs WHERE match(body, '-level:error')", "all"],
  ["FROM logs WHERE service_name = 'a' AND severity_number >= 17", "a:severity_number>=17"],
  ["FROM logs WHERE severity_number > 20 AND service_name = 'a'", "a:severity_number>=21"],
  ["FROM logs WHERE service_name = 'a' AND severity_number >= 9", "(service_name=a & severity_number>=9)"],
  [
    "FROM logs WHERE service_name = 'a' AND severity_number = 18",
    "(severity_number=18 & a:severity_number>=17)",
  ],
  [
    "FROM logs WHERE service_name IN ('a', 'b') AND severity_number >= 17",
    "(a:severity_number>=17 | b:severity_number>=17)",
  ],
  [
    "FROM logs WHERE service_name = 'a' AND severity_number IN (17, 13)",
    "((severity_number=17 | severity_number=13) & a:severity_number>=13)",
  ],
  [
    "FROM logs WHERE service_name = 'a' AND severity_text = 'ERROR'",
    "(severity_text=ERROR & a:severity_text~error)",
  ],
  ["FROM logs WHERE match(body, 'service:a level:error')", "a:severity_text~error"],
  [
    "FROM logs WHERE (service_name = 'a' AND severity_number >= 17) OR trace_id = 'b'",
    "(a:severity_number>=17 | trace_id=b)",
  ],
  [
    "FROM logs WHERE service_name = 'a' AND (severity_number >= 17 OR trace_id = 'b')",
    "(service_name=a & (severity_number>=17 | trace_id=b))",
  ],
  ["FROM spans WHERE service_name = 'a' AND status_code = 2", "(status_code=2 & a:status_code>=2)"],
  ["FROM spans WHERE service_name = 'a' AND status_code = 1", "(service_name=a & status_code=1)"],
  ["FROM spans WHERE status_code > 1", "status_code>=2"],
  ["FROM spans WHERE severity_number >= 17", "all"],
  // several tables
  ["FROM logs l JOIN spans s USING (trace_id) WHERE trace_id = 'a'", "trace_id=a", "trace_id=a"],
  ["FROM logs l JOIN spans s USING (trace_id) WHERE s.trace_id = 'a'", "trace_id=a", "trace_id=a"],
  ["FROM logs l LEFT JOIN spans s USING (trace_id) WHERE l.trace_id = 'a'", "trace_id=a", "all"],
  ["FROM logs l JOIN spans s ON l.trace_id = s.trace_id AND s.kind = 3", "all", "kind=3"],
  ["FROM logs WHERE trace_id IN (SELECT trace_id FROM spans WHERE name = 'x')", "all", "(x & name=x)"],
  ["SELECT 'b' AS service_name FROM logs WHERE service_name = 'a'", "service_name=a"],
  ["FROM logs l(x) WHERE service_name = 'a'", "all"],
  ["FROM (SELECT * FROM logs) x WHERE service_name = 'a'", "service_name=a"],
  [
    "WITH x AS (FROM logs WHERE trace_id = 'a') FROM x, logs WHERE logs.trace_id = 'b'",
    "trace_id=a",
    "trace_id=b",
  ],
  ["FROM spans WHERE EXISTS (FROM logs WHERE logs.trace_id = 'a')", "all", "trace_id=a"],
  ["SELECT count(*) FILTER (trace_id = 'a') FROM logs", "all"],
];

test.each(statements)("%s", async (sql, ...expected) => {
  const { tree } = rewriteStatement(await fixture.engine.parse(sql), nowNs, ["a"]);
  const mentions = mentionsOf(tree);
  const order = [...mentions].sort((left, right) => left.name.slice(-1) < right.name.slice(-1) ? -1 : 1);
  expect(order.map((mention) => shown(predicateOf(mention)))).toEqual(expected);
});
