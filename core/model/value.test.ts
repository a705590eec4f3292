import { expect, test } from "bun:test";
import { OpenWitError } from "../error.ts";
import {
  formatTypedJson,
  formatTypedValue,
  parseTypedJson,
  parseTypedValue,
  type TypedValue,
} from "./value.ts";

const values: [string, TypedValue, string, string | null][] = [
  ["a string", "héllo", "s", "héllo"],
  ["the empty string, which is not an empty value", "", "s", ""],
  ["an empty value", null, "n", null],
  ["true", true, "b", "true"],
  ["false", false, "b", "false"],
  ["an int64 beyond 2^53", 9007199254740993n, "i", "9007199254740993"],
  ["the least int64", -(2n ** 63n), "i", "-9223372036854775808"],
  ["a double that is whole", 5, "d", "5"],
  ["a double", 0.1, "d", "0.1"],
  ["minus zero", -0, "d", "-0"],
  ["NaN", NaN, "d", "NaN"],
  ["infinity", -Infinity, "d", "-Infinity"],
  ["the least double", 5e-324, "d", "5e-324"],
  ["bytes", new Uint8Array([0, 255, 1]), "y", "AP8B"],
  ["no bytes", new Uint8Array(0), "y", ""],
  [
    "a nested array",
    [1n, 1, -0, NaN, "x", null, true, new Uint8Array([7]), []],
    "a",
    '[1,1.0,-0.0,{"$double":"NaN"},"x",null,true,{"$bytes":"Bw=="},[]]',
  ],
  [
    "a kvlist with a key twice",
    { kvlist: [["a", 1n], ["a", "2"], ["$x", 1e21], ["$bytes", "z"], ["$$double", "y"]] },
    "m",
    '{"a":1,"a":"2","$$x":1e+21,"$$bytes":"z","$$$double":"y"}',
  ],
  ["an empty kvlist", { kvlist: [] }, "m", "{}"],
  ["control characters", ['a"\\\n\t\u0001\u2028'], "a", '["a\\"\\\\\\n\\t\\u0001\u2028"]'],
];

for (const [name, value, letter, text] of values) {
  test(`${name} has one text, and comes back exactly`, () => {
    expect(formatTypedValue(value)).toEqual({ letter: letter as never, text });
    expect(parseTypedValue(letter, text)).toEqual(value as never);
    expect(parseTypedJson(formatTypedJson(value))).toEqual(value as never);
  });
}

test("text that is none of its type is refused as corrupt", () => {
  for (
    const [letter, text] of [["i", "1.5"], ["b", "yes"], ["d", "x"], ["y", "%"], ["a", "[1"], ["q", "x"]]
  ) {
    expect(() => parseTypedValue(letter, text)).toThrow(OpenWitError);
  }
});

test("typed JSON that is nested without end is refused, not a stack overflow", () => {
  expect(() => parseTypedJson("[".repeat(100_000))).toThrow(OpenWitError);
});
