/** Words and folding as core/text has them, beside what DuckDB and its RE2 make of the same texts. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { randomBelow, seededRandom } from "../../core/env/random.ts";
import {
  foldCodePoint,
  foldText,
  isWordCodePoint,
  nonWordClass,
  nonWordRanges,
  wordClass,
  wordsOf,
} from "../../core/text/word.ts";
import { openDuckDb, type ParquetReader } from "../golden/segment-duckdb.ts";
import { quoteText } from "../../core/model/sql.ts";

let duckDb: ParquetReader;
beforeAll(async () => {
  duckDb = await openDuckDb();
});
afterAll(() => duckDb.close());

const seed = 7;
/** Every letter that has a case lies below; so do all pictographs. */
const codePointMax = 0x1ffff;

/** SQL for a table of all code points that text may hold: `c`, and `x`, its text. */
const codePoints = `(SELECT c, chr(c) AS x FROM (SELECT unnest(list_concat(range(1, 55296), range(57344, ${
  codePointMax + 1
})))
    ::INTEGER AS c))`;

test("RE2's classes hold the code points that are word characters, and no others", async () => {
  const edges = nonWordRanges.flatMap(([first, last]) => [first - 1, first, last, last + 1]);
  for (const each of edges.filter((each) => each < 0xd800 || each > 0xdfff)) {
    expect((await duckDb.query(`SELECT regexp_full_match(chr(${each}), '${wordClass}') AS w`))[0].w)
      .toBe(isWordCodePoint(each));
  }
  const rows = await duckDb.query(
    `SELECT c, regexp_full_match(x, '${wordClass}') AS w, regexp_full_match(x, '${nonWordClass}') AS n,
      regexp_full_match(lower(x), '${wordClass}') AS l FROM ${codePoints}`,
  );
  expect(rows.length).toBe(codePointMax - 2_048);
  const wrong = rows.filter(({ c, w, n, l }) => {
    const isWord = isWordCodePoint(Number(c));
    return w !== isWord || n === isWord || l !== isWord;
  });
  expect(wrong).toEqual([]);
});

test("letters that lower() makes equal fold to the same", async () => {
  const rows = await duckDb.query(
    `SELECT c, unicode(lower(x)) AS l, length(lower(x)) AS n FROM ${codePoints}`,
  );
  const folds = new Map<number, number>();
  const wrong: unknown[] = [];
  for (const row of rows) {
    const folded = foldCodePoint(Number(row.c)), lower = Number(row.l);
    if (Number(row.n) !== 1 || folded !== foldCodePoint(lower)) wrong.push(row);
    if ((folds.get(lower) ?? folded) !== folded) wrong.push(row);
    folds.set(lower, folded);
  }
  expect(wrong).toEqual([]);
});

test("letters that RE2 takes for equal without regard to case fold to the same", async () => {
  const cased = (await duckDb.query(
    `SELECT c FROM ${codePoints} WHERE lower(x) <> x OR upper(x) <> x`,
  )).map(({ c }) => Number(c));
  expect(cased.length).toBeGreaterThan(2_500);
  const all = quoteText(String.fromCodePoint(...cased));
  const rows = await duckDb.query(
    `SELECT c, regexp_extract_all(${all}, '(?i)' || chr(c)) AS same
      FROM (SELECT unnest([${cased.join()}])::INTEGER AS c)`,
  );
  const wrong = rows.filter(({ c, same }) =>
    (same as string[]).length === 0 ||
    (same as string[]).some((each) => foldText(each) !== foldText(String.fromCodePoint(Number(c))))
  );
  expect(wrong).toEqual([]);
});

test(`words are RE2's runs of word characters (seed ${seed})`, async () => {
  const random = seededRandom(seed);
  const texts = Array.from({ length: 3_000 }, () => randomText(random));
  const rows = await duckDb.query(
    `SELECT regexp_extract_all(lower(t), '${wordClass}+') AS words
      FROM (SELECT unnest([${texts.map(quoteText).join()}]) AS t)`,
  );
  for (const [at, text] of texts.entries()) {
    // lower() is a little finer than our fold, which keeps the number of words and their lengths.
    expect({ text, words: (rows[at].words as string[]).map(foldText) }).toEqual({
      text,
      words: wordsOf(text),
    });
  }
});

/** Letters, signs and edges of the ranges, mixed. */
function randomText(random: ReturnType<typeof seededRandom>): string {
  let text = "";
  for (let left = randomBelow(random, 30); left > 0; left--) {
    const kind = randomBelow(random, 4);
    const [first, last] = nonWordRanges[randomBelow(random, nonWordRanges.length)];
    const codePoint = kind === 0
      ? 0x20 + randomBelow(random, 0x5f)
      : kind === 1
      ? [first - 1, first, last, last + 1][randomBelow(random, 4)]
      : kind === 2
      ? 0x61 + randomBelow(random, 26)
      : 1 + randomBelow(random, 0x10ffff);
    text += codePoint >= 0xd800 && codePoint <= 0xdfff ? "\ud7ff" : String.fromCodePoint(codePoint);
  }
  return text;
}
