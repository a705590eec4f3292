import { expect, test } from "bun:test";
import { shown } from "../../tests/conformance/index_predicate.ts";
import { and, type IndexPredicate, or } from "./predicate.ts";
import { type AttributeColumn, keyPredicate } from "./key.ts";

test.each(
  [
    ["attributes", "checkout", "attributes.k=checkout"],
    ["attributes", "1.50", "attributes.k=1.50"],
    ["attributes", "[1]", "attributes.k=[1]"],
    ["attributes", "", "all"],
    ["resource_attributes", "checkout", "resource_attributes.k=checkout"],
    ["resource_attributes", "10.0.0.1", "resource_attributes.k=10.0.0.1"],
    ["resource_attributes", "-12", "resource_attributes.k=-12"],
    ["resource_attributes", "true", "resource_attributes.k=true"],
    // SQL may print these in another way than the JSON has them
    ["resource_attributes", "1.50", "all"],
    ["scope_attributes", "1e5", "all"],
    ["scope_attributes", "1234567890123456789", "all"],
    ["scope_attributes", '{"a":1}', "all"],
    ["scope_attributes", " [1]", "all"],
    ["scope_attributes", "", "all"],
  ] as [AttributeColumn, string, string][],
)("of %s an index is asked for the value %j with %s", (column, value, expected) => {
  expect(shown(keyPredicate(column, "k", value))).toBe(expected);
});

const word = (word: string): IndexPredicate => ({ kind: "word", column: "body", word });
const part = (text: string, atStart = false, atEnd = false): IndexPredicate => ({
  kind: "part",
  column: "body",
  text,
  atStart,
  atEnd,
});

test.each([
  [and([]), "all"],
  [or([]), "none"],
  [and([word("a"), { kind: "none" }]), "none"],
  [or([word("a"), { kind: "all" }]), "all"],
  [and([word("a"), and([word("b"), { kind: "all" }])]), "(a & b)"],
  [or([word("a"), or([word("b"), { kind: "none" }])]), "(a | b)"],
  // what another one implies is not asked for
  [and([word("a"), word("a")]), "a"],
  [and([part("fus"), word("refused"), part("used", false, true), part("ref", true)]), "refused"],
  [and([word("refused"), part("fus", true)]), "(refused & fus~)"],
  [and([part("ref", true), part("re", true), part("ef"), part("ref", true)]), "ref~"],
  [and([part("ref", true), part("ref", false, true)]), "(ref~ & ~ref)"],
  [
    and([word("ab"), { kind: "part", column: "name", text: "a", atStart: false, atEnd: false }]),
    "(ab & ~a~)",
  ],
])("predicates join: %# gives %s", (predicate, expected) => {
  expect(shown(predicate)).toBe(expected);
});
