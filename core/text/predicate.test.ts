import { expect, test } from "bun:test";
import { shown } from "../../tests/conformance/index_predicate.ts";
import { globPredicate, likePredicate } from "./like.ts";
import { delimited } from "./literal.ts";
import { matchPredicate } from "./predicate.ts";
import { parseMatchQuery } from "./query.ts";
import { regexPredicate } from "./regex.ts";

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
  ["service:checkout", "service_name=checkout"],
  ["trace:0AFF", "trace_id=0aff"],
  ["level:error", "all"],
  ["severity_number:17", "severity_number=17"],
  ["body:refused", "refused"],
  ["service:check*", "all"],
  ['service:""', "all"],
  ["k:v", "(attributes.k=v | resource_attributes.k=v | scope_attributes.k=v)"],
  ["k:12", "(attributes.k=12 | resource_attributes.k=12 | scope_attributes.k=12)"],
  // SQL may print it in another way than the JSON has it
  ["k:1.50", "all"],
  ["k:[1]", "all"],
])("an index is asked for %j with %s", (query, expected) => {
  expect(shown(matchPredicate(parseMatchQuery(query), { signal: "logs", column: "body" }))).toBe(expected);
});

test("only fields can be asked for where the words are not indexed", () => {
  expect(shown(matchPredicate(parseMatchQuery("a service:b"), { signal: "metrics" }))).toBe("service_name=b");
  expect(shown(matchPredicate(parseMatchQuery("a service:b"), {}))).toBe("all");
});

test.each([
  ["%refused%", "~refused~"],
  ["%Connection refused%", "(~connection & refused~)"],
  ["connection refused", "(connection & refused)"],
  ["connection%", "connection~"],
  ["%refused", "~refused"],
  ["% refused %", "refused"],
  ["%a_b%", "all"],
  ["%ab_cd%", "(~ab~ & ~cd~)"],
  ["%(ab)%", "ab"],
  ["%", "all"],
  ["", "all"],
  ["%100!%%", "~100"],
  ["%数据%", "~数据~"],
  ["%数%", "~数~"],
])("an index is asked for LIKE %j ESCAPE '!' with %s", (pattern, expected) => {
  expect(shown(likePredicate("body", pattern, "!"))).toBe(expected);
});

test.each([
  ["*refused*", "~refused~"],
  ["ab?cd", "(ab~ & ~cd)"],
  ["*ab\\*cd*", "(~ab & cd~)"],
  ["ab[cd]", "all"],
])("an index is asked for GLOB %j with %s", (pattern, expected) => {
  expect(shown(globPredicate("body", pattern))).toBe(expected);
});

test.each([
  ["refused", "~refused~"],
  ["^refused$", "refused"],
  ["(?i)Connection refused", "(~connection & refused~)"],
  ["connection (refused|reset)", "(~connection & (~refused~ | ~reset~))"],
  ["connection (?:refused|)", "~connection"],
  ["status=5\\d\\d", "~status"],
  ["timeout after \\d+ms", "(~timeout & after & ~ms~)"],
  ["colou?r", "~colo~"],
  ["[Ff]oo bar", "(~foo & bar~)"],
  ["ab[cd]ef", "(~ab~ & ~ef~)"],
  ["ab[ =:]cd", "(~ab & cd~)"],
  ["ab\\s+cd", "(~ab & cd~)"],
  ["ab\\s*cd", "(~ab~ & ~cd~)"],
  ["ab.*cd", "(~ab~ & ~cd~)"],
  ["(?:ab cd)+", "(~ab & cd~)"],
  ["(ab){2}", "~ab~"],
  ["ab{2}c", "all"],
  ["abc{0}", "~ab~"],
  ["abcd{,2}", "(~abcd & 2)"],
  ["a|b", "all"],
  ["ab|cd ef", "(~ab~ | (~cd & ef~))"],
  ["ab|", "all"],
  ["\\bfoo\\b", "~foo~"],
  ["10\\.0\\.0\\.1", "(~10 & 0 & 0)"],
  ["\\Qa.b+c\\E", "b"],
  ["\\x61\\x{62}c", "~abc~"],
  ["(?P<word>foo)", "~foo~"],
  ["(?i:foo)bar", "~foobar~"],
  ["fo[[:alpha:]]ba", "(~fo~ & ~ba~)"],
  ["fo[[:space:]]ba", "(~fo & ba~)"],
  ["[^f]oo", "~oo~"],
  ["[]f]oo", "~oo~"],
  ["\\pLoo", "~oo~"],
  ["\\W+foo", "~foo~"],
  // not known, or not right
  ["foo\\C", "all"],
  ["foo(?=bar)", "all"],
  ["foo\\1", "all"],
  ["foo(", "all"],
  ["foo)", "all"],
  ["foo[", "all"],
  ["foo**", "all"],
  ["*foo", "all"],
  ["foo\\", "all"],
  ["", "all"],
])("an index is asked for the expression %j with %s", (pattern, expected) => {
  expect(shown(regexPredicate("body", pattern))).toBe(expected);
});

test("an expression that must match the whole text has delimited ends", () => {
  expect(shown(regexPredicate("body", "ab.*cd|ef", delimited))).toBe("((ab~ & ~cd) | ef)");
});
