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
  // several tables
  ["FROM logs l JOIN spans s USING (trace_id) WHERE trace_id = 'a'", "trace_id=a", "trace_id=a"],
  ["FROM logs l JOIN spans s USING (trace_id) WHERE s.trace_id = 'a'", "trace_id=a", "trace_id=a"],
  ["FROM logs l LEFT JOIN spans s USING (trace_id) WHERE l.trace_id = 'a'", "trace_id=a", "all"],
  ["FROM logs l JOIN spans s ON l.trace_id = s.trace_id AND s.kind = 3", "all", "kind=3"],
  ["FROM logs WHERE trace_id IN (SELECT trace_id FROM spans WHERE name = 'x')", "all", "(x & name=x)"],
  ["SELECT 'b' AS service_name FROM logs WHERE service_name = 'a'", "service_name=a"],
  ["FROM logs l(x) WHERE service_name = 'a'", "all"],
  ["FROM (SELECT * FROM logs) x WHERE service_name = 'a'", "all"],
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
