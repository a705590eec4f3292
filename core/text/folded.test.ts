import { expect, test } from "bun:test";
import { randomBelow, seededRandom } from "../env/random.ts";
import { Utf8Vector } from "../model/vector.ts";
import { otherCases } from "./folded.ts";
import { foldCodePoint } from "./word.ts";

test("texts in lower case follow a vector that grows, is cut back, and is filled anew", () => {
  const random = seededRandom(1), vector = new Utf8Vector(), texts: string[] = [];
  const letters = [..."AZaz@[`{09 \u0130é\u{1f600}"];
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
    const { bytes, isAscii } = vector.folded(count);
    expect(bytes.toString()).toBe(shown.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase()));
    // deno-lint-ignore no-control-regex -- ASCII is meant whole
    if (!/^[\x00-\x7f]*$/.test(shown)) expect(isAscii).toBe(false);
  }
  vector.truncate(0);
  vector.pushText("Plain");
  expect(vector.folded(1).isAscii).toBe(true);
});

test("the other cases of ASCII letters are all that there are", () => {
  const found: string[] = [];
  for (let each = 0x80; each < 0x110000; each++) {
    if (foldCodePoint(each) < 0x80) found.push(String.fromCodePoint(each));
  }
  expect(otherCases.map(({ bytes }) => bytes.toString())).toEqual(found);
});
