import { expect, test } from "bun:test";
import { shown } from "../../tests/conformance/index_predicate.ts";
import { globPredicate, likePredicate } from "./like.ts";
import { delimited, literalPredicate, open } from "./literal.ts";
import { literalIn, regexPredicate } from "./regex.ts";
import { nonWordClass } from "./word.ts";

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
  ["10\\.0\\.0\\.1", "(~10 & 0)"],
  ["\\Qa.b+c\\E", "b"],
  ["\\x61\\x{62}c", "~abc~"],
  ["(?P<word>foo)", "~foo~"],
  ["(?i:foo)bar", "~foobar~"],
  ["fo[[:alpha:]]ba", "(~fo~ & ~ba~)"],
  ["fo[[:space:]]ba", "(~fo & ba~)"],
  ["[^f]oo", "~oo~"],
  ["[^a-zA-Z0-9]ab", "~ab~"],
  [`(^|${nonWordClass})ab`, "ab~"],
  [`ab${nonWordClass}*`, "~ab~"],
  ["(^|[ =])ab(,|;|$)", "ab"],
  ["(^|x)ab", "~ab~"],
  ["(^|)ab", "~ab~"],
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

test.each([
  ["from 10.0.0.1", "(from & 10 & 0 & 1 & 10.0.0.1)"],
  ["1.2.3.4.5", "(1 & 2 & 3 & 4 & 1.2.3.4 & 5 & 2.3.4.5)"],
  ["1.2.3", "(1 & 2 & 3)"],
  ["1..2.3.4", "(1 & 2 & 3 & 4)"],
  ["1000.2.3.4", "(1000 & 2 & 3 & 4)"],
])("four numbers joined by dots are one word besides: %j asks for %s", (literal, expected) => {
  expect(shown(literalPredicate("body", literal, delimited))).toBe(expected);
});

test("an address whose ends are open is not asked for whole", () => {
  expect(shown(literalPredicate("body", "10.0.0.1", open))).toBe("(~10 & 0)");
});

test("an expression that must match the whole text has delimited ends", () => {
  expect(shown(regexPredicate("body", "ab.*cd|ef", delimited))).toBe("((ab~ & ~cd) | ef)");
});

test.each([
  ["resolver 10\\.0\\.0\\.\\d+ answered", "resolver 10.0.0."],
  ["^Abc.*defgh$", "defgh"],
  ["x(abc)y", "xabcy"],
  ["ab+c", "a"],
  ["ab?cd", "cd"],
  ["ab{2}cde", "cde"],
  ["\\Qa.b\\E", "a.b"],
  ["a[bB]c", "a"],
  ["a|b", undefined],
  ["(ab|cd)e", "e"],
  ["(?i)abc", undefined],
  ["(?P<name>abc)", undefined],
  [".*", undefined],
  ["abc(", undefined],
])("whatever the expression %j matches has %p in it", (pattern, expected) => {
  expect(literalIn(pattern)).toBe(expected);
});
