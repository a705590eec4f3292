import { expect, test } from "bun:test";
import { randomBelow, seededRandom } from "../env/random.ts";
import { Utf8Vector } from "../model/vector.ts";
import { otherCases } from "./folded.ts";
import { foldCodePoint } from "./word.ts";

test("texts in lower case follow a vector that grows, is cut back, and is filled anew", () => {
  const random = seededRandom(1), vector = new Utf8Vector(), texts: string[] = [];
  const letters = [..."AZaz@[`{09 \u0130é\u212a\u{1f600}"];
  for (let step = 0; step < 3_000; step++) {
    if (randomBelow(random, 20) === 0) {
      const left = randomBelow(random, texts.length + 1);
      texts.length = left;
      vector.truncate(left);
    }
    const text = Array.from(
      { length: randomBelow(random, 9) },
      () => letters[randomBelow(random, letters.length)],
    ).join("");
    texts.push(text);
    vector.pushText(text);
    if (randomBelow(random, 3) > 0) continue;
    const count = randomBelow(random, texts.length + 1), shown = texts.slice(0, count).join("");
    const { bytes, others } = vector.folded(count);
    expect(bytes.toString()).toBe(shown.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase()));
    const there = otherCases.filter(({ bytes }) => shown.includes(bytes.toString()));
    expect(others).toEqual(expect.arrayContaining(there));
  }
  vector.truncate(0);
  vector.pushText("Plain, or é");
  expect(vector.folded(1).others).toEqual([]);
  vector.pushText("as \u212a");
  expect(vector.folded(2).others.map(({ letter }) => letter)).toEqual(["k"]);
});

test("the other cases of ASCII letters are all that there are", () => {
  const found: string[] = [];
  for (let each = 0x80; each < 0x110000; each++) {
    if (foldCodePoint(each) < 0x80) found.push(String.fromCodePoint(each));
  }
  expect(otherCases.map(({ bytes }) => bytes.toString())).toEqual(found);
});
