/** core/text/find.ts, which a live tail uses, finds what `match` in SQL finds. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { seededRandom } from "../../core/env/random.ts";
import { finderOf } from "../../core/text/find.ts";
import { type Fixture, openFixture } from "./sql_fixture.ts";

let fixture: Fixture;
beforeAll(async () => {
  fixture = await openFixture(10);
});
afterAll(() => fixture.close());

const parts = [
  ..."refused REFUSED user_id 10.0.0.1 straße STRASSE İstanbul ПРИВЕТ привет naïve x 支付 é e\u0301 K ſ ς σ Σ"
    .split(" "),
  ..." . - _ / : ( ) [ ] { } * + ? ^ $ | \\ # @ — · … € \n \t".split(" "),
  "  ",
  "",
];

test("500 random terms in 200 random texts (seed 7)", async () => {
  const random = seededRandom(7);
  const pick = () => parts[random.uint32() % parts.length];
  const some = (most: number) => Array.from({ length: 1 + random.uint32() % most }, pick).join("");
  const texts = Array.from({ length: 200 }, () => some(8));
  let hits = 0;
  for (let round = 0; round < 500; round++) {
    const pattern = {
      text: some(3).trim(),
      isQuoted: random.uint32() % 2 === 0,
      isPrefix: random.uint32() % 4 === 0,
    };
    if (pattern.text === "") continue;
    const escaped = pattern.text.replaceAll(/[^]/gu, (sign) => `\\${sign}`);
    const query = (pattern.isQuoted ? `"${escaped}"` : escaped) + (pattern.isPrefix ? "*" : "");
    const found = await fixture.rows(
      "SELECT n FROM (SELECT unnest(from_json($1, '[\"VARCHAR\"]')) AS body, unnest(range(200)) AS n) WHERE match(body, $2)",
      { params: [JSON.stringify(texts), query] },
    );
    const finder = finderOf(pattern);
    const expected = texts.flatMap((text, at) => finder.isIn(text) ? [[String(at)]] : []);
    expect([query, found]).toEqual([query, expected]);
    hits += found.length;
    for (const text of texts) expect(finder.all(text).length > 0).toBe(finder.isIn(text));
  }
  expect(hits).toBeGreaterThan(1_000);
}, 60_000);
