import { expect, test } from "bun:test";
import { parseParams } from "./params.ts";

test.each(
  [
    ["SELECT $1, $2", ["a", "b=c"], ["a", "b=c"]],
    ["SELECT $1", ["17"], ["17"]],
    ["SELECT $1, $2, $3", [":=17", ":=null", ':="x"'], [17, null, "x"]],
    ["SELECT $route", ["route=/cart?a=b"], { route: "/cart?a=b" }],
    ["SELECT $n, $yes", ["n:=1.5", "yes:=true"], { n: 1.5, yes: true }],
    ["SELECT ?", ["route=/cart"], ["route=/cart"]],
  ] as const,
)("%s with %j is %j", (sql, flags, expected) => {
  expect(parseParams(flags, sql)).toEqual(expected as unknown as ReturnType<typeof parseParams>);
});

test("without flags there are no parameters", () =>
  expect(parseParams(undefined, "SELECT $1")).toBeUndefined());

test.each([
  ["SELECT $route", "rotue=/cart", "route"],
  ["SELECT $route", "/cart", "$route"],
  ["SELECT $1", ":=seventeen", ":="],
  ["SELECT $1", ":=[1]", ":="],
])("%s with %s is refused, and the error says %s", (sql, flag, word) => {
  try {
    parseParams([flag], sql);
    throw new Error("it was taken");
  } catch (error) {
    expect(`${(error as Error).message} ${(error as { hint?: string }).hint}`).toContain(word);
  }
});

test("a name is given one value", () => {
  expect(() => parseParams(["a=1", "a=2"], "SELECT $a")).toThrow("twice");
});
