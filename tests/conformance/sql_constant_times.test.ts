/** Times that a statement writes out are read by us exactly as the engine reads them, or not at all. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { type Random, randomBelow, seededRandom } from "../../core/env/random.ts";
import { timeBounds } from "../../core/query/bounds.ts";
import { timeOf } from "../../core/query/constant_time.ts";
import { mentionsOf } from "../../core/query/mentions.ts";
import { rewriteStatement } from "../../core/query/rewrite.ts";
import type { SqlNode } from "../../core/query/tree.ts";
import { type Fixture, nowNs, openFixture } from "./sql_fixture.ts";

let fixture: Fixture;
beforeAll(async () => {
  fixture = await openFixture(10);
});
afterAll(() => fixture.close());

async function boundsOf(condition: string): Promise<SqlNode[]> {
  const { tree } = rewriteStatement(
    await fixture.engine.parse(`SELECT * FROM logs WHERE ${condition}`),
    nowNs + 123n,
  );
  return mentionsOf(tree).flatMap((mention) => timeBounds(mention).map(({ value }) => value));
}

/** What dashboards and people write: each of it must be read without the engine. */
const plain: readonly string[] = [
  "timestamp > '2026-01-02'",
  "timestamp > '2026-01-02 03:04:05'",
  "timestamp > '2026-01-02T03:04:05.123456789Z'",
  "timestamp > '2024-02-29T23:59:59.9'",
  "timestamp > TIMESTAMP '2026-01-02 03:04:05.123456789'",
  "timestamp > TIMESTAMPTZ '2026-01-02 03:04:05Z'",
  "timestamp > now()",
  "timestamp > now() - INTERVAL '15 minutes'",
  "timestamp > now() - INTERVAL '7 days'",
  "timestamp > now() + INTERVAL '1 hour'",
  "timestamp > current_timestamp - INTERVAL '90 seconds'",
  "timestamp > now() - INTERVAL 15 MINUTE",
  "timestamp > now() - INTERVAL '1' HOUR",
  "timestamp > now() - to_days(7)",
  "timestamp > ago(INTERVAL '3 hours')",
  "timestamp > make_timestamp_ns(1767355200000000001)",
  "epoch_ns(timestamp) > 1767355200000000001",
  "epoch_ms(timestamp) > 1767355200001",
  "epoch(timestamp) > 1767355200",
];

test.each(plain.map((each) => [each]))("%s", async (condition) => {
  const values = await boundsOf(condition);
  expect(values).toHaveLength(1);
  const [engine] = await fixture.engine.evaluateTimes(values);
  expect(engine).toBeDefined();
  expect(timeOf(values[0])).toBe(engine);
});

test("whatever is written, it is read as the engine reads it, or not at all", async () => {
  const seed = 4_242;
  const random = seededRandom(seed);
  let known = 0;
  for (let number = 0; number < 2_000; number++) {
    const condition = `timestamp > ${anyTime(random, 0)}`;
    const values = await boundsOf(condition).catch(() => []);
    for (const value of values) {
      const own = timeOf(value);
      if (own === undefined) continue;
      known++;
      const [engine] = await fixture.engine.evaluateTimes([value]);
      if (engine !== own) {
        throw new Error(`${condition}: ${own}, and the engine says ${engine} (seed ${seed})`);
      }
    }
  }
  expect(known).toBeGreaterThan(300);
}, 60_000);

function anyOf<Item>(random: Random, items: readonly Item[]): Item {
  return items[randomBelow(random, items.length)];
}

function anyTime(random: Random, depth: number): string {
  const kind = randomBelow(random, depth > 2 ? 3 : 9);
  if (kind === 0) return `'${anyText(random)}'`;
  if (kind === 1) return `${anyOf(random, ["TIMESTAMP", "TIMESTAMPTZ", "DATE"])} '${anyText(random)}'`;
  if (kind === 2) return "now()";
  if (kind < 6) {
    return `${anyTime(random, depth + 1)} ${anyOf(random, ["+", "-"])} ${anySpan(random)}`;
  }
  if (kind === 6) {
    return `(${anyTime(random, depth + 1)})::${anyOf(random, ["TIMESTAMP", "TIMESTAMP_NS", "DATE"])}`;
  }
  if (kind === 7) return `make_timestamp_ns(${anyInteger(random, 0)})`;
  return `make_timestamp_ns(epoch_ns(${anyTime(random, depth + 1)}) ${anyOf(random, ["+", "-", "%", "*"])} ${
    anyInteger(random, 1)
  })`;
}

function anyText(random: Random): string {
  const two = (below: number) => String(randomBelow(random, below)).padStart(2, "0");
  const year = anyOf(random, ["2026", "2024", "2025", "1969", "1970", "2199", "2262", "9999", "26"]);
  const date = `${year}-${two(14)}-${two(33)}`;
  if (randomBelow(random, 4) === 0) return date;
  const seconds = anyOf(random, [":", ":", ":", ""]);
  const time = `${two(26)}:${two(62)}${seconds === "" ? "" : `:${two(62)}`}`;
  const fraction = anyOf(random, ["", "", ".5", ".123456", ".123456789", ".1234567891"]);
  const zone = anyOf(random, ["", "Z", " Z", "+00:00", "+02:00", " UTC"]);
  return `${anyOf(random, ["", "", "", " "])}${date}${
    anyOf(random, ["T", " ", "  "])
  }${time}${fraction}${zone}`;
}

function anySpan(random: Random): string {
  const count = anyOf(random, [0, 1, 15, 90, 999_999, 1_000_000]);
  const unit = anyOf(random, [
    "second",
    "minutes",
    "Hours",
    "day",
    "week",
    "month",
    "year",
    "h",
    "microseconds",
  ]);
  return anyOf(random, [
    `INTERVAL '${count} ${unit}'`,
    `INTERVAL '${count}  ${unit}'`,
    `INTERVAL '-${count} ${unit}'`,
    `INTERVAL '${count}.5 ${unit}'`,
    `INTERVAL ${count} ${unit === "h" ? "hour" : unit}`,
    `INTERVAL '1 day ${count} ${unit}'`,
    `to_hours(${count})`,
  ]);
}

function anyInteger(random: Random, depth: number): string {
  if (depth < 2 && randomBelow(random, 3) === 0) {
    return `${anyInteger(random, depth + 1)} ${anyOf(random, ["+", "-", "*", "%"])} ${
      anyInteger(random, depth + 1)
    }`;
  }
  return anyOf(random, [
    "0",
    "7",
    "-3",
    "1000",
    "2147483647",
    "2147483648",
    "1767355200000000001",
    "9223372036854775807",
    "9223372036854775808",
    "1.5",
  ]);
}
