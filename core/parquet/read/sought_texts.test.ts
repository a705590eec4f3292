import { expect, test } from "bun:test";
import { type TextTest, tryTexts } from "./sought_texts.ts";

const encoder = new TextEncoder();

/** Which of these texts meet a test; they lie side by side, in a buffer that has more before and behind them. */
function met(texts: readonly string[], own: Partial<TextTest>, verdicts = texts.map(() => 1)): number[] {
  const parts = texts.map((text) => encoder.encode(text));
  const bytes = encoder.encode(texts.join(""));
  const offsets = Int32Array.of(
    5,
    ...parts.map((_, at) => parts.slice(0, at + 1).reduce((end, { length }) => end + length, 5)),
  );
  const left = Uint8Array.from(verdicts);
  tryTexts(
    [{
      kind: "text",
      literals: [],
      isFolded: false,
      areWords: false,
      isBoundBefore: false,
      isBoundAfter: false,
      ...own,
    }],
    { kind: "utf8", count: texts.length, offsets, bytes, present: undefined },
    left,
  );
  return [...left.entries()].filter(([, verdict]) => verdict === 1).map(([at]) => at);
}

const bound = { isBoundBefore: true, isBoundAfter: true };

test("what begins in one text and ends in the next is in neither", () => {
  expect(met(["xpay", "mentx", "", "pay", "payment", ""], { literals: ["payment"] })).toEqual([4]);
  expect(met(["pay", "ment"], { literals: ["payment"], areWords: true, ...bound })).toEqual([]);
});

test("no verdict is given back", () => {
  expect(met(["a", "a", "b", "a"], { literals: ["a"] }, [0, 1, 1, 1])).toEqual([1, 3]);
});

test.each<[string, Partial<TextTest>, number[]]>([
  ["aba begins and ends otherwise than ab%ba", { literals: ["ab", "ba"], ...bound }, [1]],
  ["ab%ba without its bounds", { literals: ["ab", "ba"] }, [1, 2]],
  ["equal to aba", { literals: ["aba"], ...bound }, [0]],
  ["begins with aba", { literals: ["aba"], isBoundBefore: true }, [0]],
  ["ends with ba", { literals: ["ba"], isBoundAfter: true }, [0, 1]],
  ["the longer one is behind", { literals: ["a", "bba"], isBoundBefore: true }, [1]],
])("LIKE: %s", (_name, own, expected) => {
  expect(met(["aba", "abba", "xababax"], own)).toEqual(expected);
});

test.each<[string, Partial<TextTest>, number[]]>([
  ["one word", { literals: ["pay"], ...bound }, [0, 1, 3, 5, 7]],
  ["the beginning of a word", { literals: ["pay"], isBoundBefore: true }, [0, 1, 2, 3, 5, 6, 7]],
  ["two", { literals: ["pay", "it"], ...bound }, [1, 5]],
  ["the second as a beginning", { literals: ["pay", "it"], isBoundBefore: true }, [1, 3, 5]],
])("words in any case: %s", (_name, own, expected) => {
  const texts = ["Pay", "PAY - it", "payit", "pay items", "épay", "repay,pay…it", "pay\u0301", "pay\u00a0"];
  expect(met(texts, { isFolded: true, areWords: true, ...own })).toEqual(expected);
});

test("letters that become ASCII in lower case are found, in texts of whatever lengths", () => {
  const texts = ["\u212A", "k", "a\u0130\u0130\u212Ab", "", "\u0131\u017F", "é\u212A", "aIIKb", "Z[@`"];
  expect(met(texts, { isFolded: true, literals: ["k"] })).toEqual([0, 1, 2, 5, 6]);
  expect(met(texts, { isFolded: true, literals: ["aiikb"], ...bound })).toEqual([2, 6]);
  expect(met(texts, { isFolded: true, literals: ["z[@`"] })).toEqual([7]);
  expect(met(texts, { literals: ["k"] })).toEqual([1]);
  expect(met(texts, { literals: ["\u0131"] })).toEqual([4]);
});

test("texts beyond what memory is kept for are folded as well", () => {
  const long = "X".repeat(5 * 1024 * 1024);
  expect(met([long, `${long}Y`, "y"], { isFolded: true, literals: ["xy"] })).toEqual([1]);
});
