import { expect, test } from "bun:test";
import { randomBelow, seededRandom } from "../env/random.ts";
import {
  foldCodePoint,
  foldText,
  isWordCodePoint,
  multiByte,
  nonWordRanges,
  sequenceLength,
  wordByteTable,
  wordCharacterAt,
  wordRulesVersion,
  wordsOf,
} from "./word.ts";

test.each([
  ["connection refused", ["connection", "refused"]],
  ["user_id=42 path=/api/v1", ["user", "id", "42", "path", "api", "v1"]],
  ["HTTPServer.java:17", ["httpserver", "java", "17"]],
  ["10.0.0.1", ["10", "0", "0", "1"]],
  ["naïve ÉCOLE Ⅷ", ["naïve", "école", "ⅷ"]],
  ["数据库 連接、失败", ["数据库", "連接", "失败"]],
  ["“quoted” – 3×4", ["quoted", "3", "4"]],
  ["ok\u{1f600}ok\u00a0ok", ["ok", "ok", "ok"]],
  ["lone \ud800x", ["lone", "x"]],
  ["", []],
])("the words of %j are %j", (text, words) => {
  expect(wordsOf(text)).toEqual(words);
});

test("folding joins the cases of a letter and leaves everything else", () => {
  expect(foldText("Σίσυφος STRASSE ẞ İ K")).toBe("σίσυφοσ strasse ß i k");
  expect(foldText("\ud800 a")).toBe("\ud800 a");
});

test("the rules are those of this version", () => {
  // A failure means that indexes built before would lose rows: raise wordRulesVersion, and pin the new sum.
  const rules = new Int32Array(0x110000);
  for (let each = 0; each < rules.length; each++) {
    rules[each] = isWordCodePoint(each) ? foldCodePoint(each) : -foldCodePoint(each);
  }
  const sum = new Bun.CryptoHasher("sha256").update(rules).digest("hex");
  expect({ version: wordRulesVersion, sum }).toEqual({
    version: 1,
    sum: "cc713f4222f849f3e1adda0875f8f2c4411b019c7567e183407a45246bb6c8cc",
  });
});

test("folding changes neither what is a word character nor what was folded", () => {
  for (let each = 0; each < 0x110000; each++) {
    const folded = foldCodePoint(each);
    if (isWordCodePoint(folded) !== isWordCodePoint(each) || foldCodePoint(folded) !== folded) {
      expect({ codePoint: each.toString(16), folded: folded.toString(16) }).toBeUndefined();
    }
  }
});

test("words from bytes are words from text", () => {
  const random = seededRandom(3);
  for (let round = 0; round < 2_000; round++) {
    let text = "";
    for (let left = randomBelow(random, 20); left > 0; left--) {
      const [first, last] = nonWordRanges[randomBelow(random, nonWordRanges.length)];
      const codePoint = [0x20 + randomBelow(random, 0x60), first - 1, first, last, last + 1, 0xe9, 0x10ffff][
        randomBelow(random, 7)
      ];
      if (codePoint < 0xd800 || codePoint > 0xdfff) text += String.fromCodePoint(codePoint);
    }
    expect(wordsOfBytes(new TextEncoder().encode(text))).toEqual(wordsOf(text));
  }
});

test("a sequence that is cut short is no word character", () => {
  for (const text of ["é", "数", "\u{20000}"]) {
    const bytes = new TextEncoder().encode(text);
    expect(wordCharacterAt(bytes, 0)).toBe(text.codePointAt(0)!);
    expect(wordCharacterAt(bytes.subarray(0, -1), 0)).toBe(0);
    expect(wordCharacterAt(bytes, 0, bytes.length - 1)).toBe(0);
  }
});

/** How an index reads a text. */
function wordsOfBytes(bytes: Uint8Array): string[] {
  const words: string[] = [];
  let word = "";
  for (let at = 0; at < bytes.length;) {
    const byte = wordByteTable[bytes[at]];
    const character = byte === multiByte ? wordCharacterAt(bytes, at) : byte;
    at += sequenceLength(bytes[at]);
    if (character !== 0) word += String.fromCodePoint(character);
    else if (word !== "") words.push(word), word = "";
  }
  return word === "" ? words : [...words, word];
}
