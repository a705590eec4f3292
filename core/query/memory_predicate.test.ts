import { expect, test } from "bun:test";
import { type Random, randomBelow, seededRandom } from "../env/random.ts";
import { all, and, type IndexPredicate, none, or } from "../index/predicate.ts";
import { Chunk } from "../model/chunk.ts";
import { columnIndex } from "../model/columns.ts";
import type { DictionaryVector, FixedVector, MapVector, Utf8Vector } from "../model/vector.ts";
import { foldText, wordsOf } from "../text/word.ts";
import { memoryVerdicts } from "./memory_predicate.ts";

const bodies = [
  ..."connection|Connection refused|re\u017fumed|10.0.0.1 answered|x10.0.0.1|naïve Σ|\u212aelvin KELVIN|ok|"
    .split("|"),
];
const services = ["checkout", "cart", ""];
const resources = ["", '{"pod":"a-1"}', '{"pod":"b","n":5}', '{"pod":{"deep":1}}', "[broken"];
const severities = ["ERROR", "error", "Erreur é", ""];

interface Record_ {
  readonly body: string;
  readonly service: string;
  readonly resource: string;
  readonly severity: string;
  readonly level: number;
  readonly trace: string;
  readonly attributes: Readonly<Record<string, string>>;
}

function pick<Item>(random: Random, items: readonly Item[]): Item {
  return items[randomBelow(random, items.length)];
}

function randomRecord(random: Random): Record_ {
  return {
    body: Array.from({ length: randomBelow(random, 3) }, () => pick(random, bodies)).join(
      pick(random, [" ", "", "-"]),
    ),
    service: pick(random, services),
    resource: pick(random, resources),
    severity: pick(random, severities),
    level: randomBelow(random, 25),
    trace: pick(random, ["", "0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdee"]),
    attributes: Object.fromEntries(
      ["route", "n"].filter(() => randomBelow(random, 2) === 0).map((
        key,
      ) => [key, pick(random, ["/cart", "5", ""])]),
    ),
  };
}

function chunkOf(records: readonly Record_[]): Chunk {
  const chunk = new Chunk("logs");
  // deno-lint-ignore no-explicit-any -- each column is of its kind
  const vector = (name: string): any => chunk.vectors[columnIndex("logs", name)];
  for (const each of records) {
    (vector("body") as Utf8Vector).pushText(each.body);
    (vector("service_name") as DictionaryVector).pushText(each.service);
    (vector("resource_attributes") as DictionaryVector).pushText(each.resource);
    (vector("severity_text") as DictionaryVector).pushText(each.severity);
    (vector("severity_number") as FixedVector).pushInt(each.level);
    (vector("trace_id") as Utf8Vector).pushText(each.trace);
    const attributes = vector("attributes") as MapVector;
    for (const [key, value] of Object.entries(each.attributes)) {
      attributes.keys.pushText(key);
      attributes.values.pushText(value);
    }
    attributes.endRow();
    chunk.rows++;
  }
  return chunk;
}

function randomPredicate(random: Random, depth = 2): IndexPredicate {
  const text = pick(random, [
    "connection",
    "refused",
    "resumed",
    "s",
    "10.0.0.1",
    "kelvin",
    "naïve",
    "σ",
    "zyzzyva",
  ]);
  switch (randomBelow(random, depth > 0 ? 10 : 8)) {
    case 0:
      return { kind: "word", column: "body", word: text };
    case 1:
      return {
        kind: "part",
        column: "body",
        text,
        atStart: randomBelow(random, 2) === 0,
        atEnd: randomBelow(random, 2) === 0,
      };
    case 2:
      return { kind: "equal", field: "service_name", value: pick(random, ["checkout", "nowhere"]) };
    case 3:
      return { kind: "equal", field: "trace_id", value: "0123456789abcdef0123456789abcdef" };
    case 4:
      return pick(random, [
        { kind: "equal", field: "attributes.route", value: "/cart" },
        { kind: "equal", field: "attributes.other", value: "/cart" },
        { kind: "equal", field: "resource_attributes.pod", value: "b" },
        { kind: "equal", field: "severity_number", value: "17" },
      ]);
    case 5:
      return { kind: "level", field: "severity_number", least: pick(random, [5, 17]) };
    case 6:
      return { kind: "folded", field: "severity_text", value: "error" };
    case 7:
      return {
        kind: "pair",
        service: "checkout",
        with: { kind: "level", field: "severity_number", least: 17 },
      };
    default: {
      const of = Array.from({ length: 2 }, () => randomPredicate(random, depth - 1));
      return pick(random, [and(of), or(of), all, none]);
    }
  }
}

/** Whether the record meets it for certain, and whether it may. */
function meets(predicate: IndexPredicate, record: Record_): { readonly is: boolean; readonly may: boolean } {
  const exactly = (is: boolean) => ({ is, may: is });
  switch (predicate.kind) {
    case "all":
    case "none":
      return exactly(predicate.kind === "all");
    case "and":
    case "or": {
      const of = predicate.of.map((each) => meets(each, record));
      const joined = (by: (each: { is: boolean; may: boolean }) => boolean) =>
        predicate.kind === "and" ? of.every(by) : of.some(by);
      return { is: joined(({ is }) => is), may: joined(({ may }) => may) };
    }
    case "equal": {
      const [column, ...key] = predicate.field.split(".");
      if (column === "attributes") return exactly(record.attributes[key.join(".")] === predicate.value);
      if (column === "resource_attributes") {
        const isOpaque = record.resource.includes("deep") || record.resource === "[broken";
        const is = record.resource.includes(`"pod":"${predicate.value}"`);
        return { is, may: is || isOpaque };
      }
      const values: Record<string, string> = {
        service_name: record.service,
        trace_id: record.trace,
        severity_number: String(record.level),
      };
      return exactly(values[column] === predicate.value);
    }
    case "level":
      return exactly(record.level >= predicate.least);
    case "folded":
      return { is: record.severity.toLowerCase() === "error", may: /^error$|é/i.test(record.severity) };
    case "pair":
      return exactly(record.service === predicate.service && record.level >= 17);
    case "word":
    case "part": {
      const wanted = predicate.kind === "part"
        ? predicate
        : { text: predicate.word, atStart: true, atEnd: true };
      const { text, atStart, atEnd } = wanted;
      const isIn = (word: string) =>
        atStart && atEnd
          ? word === text
          : atStart
          ? word.startsWith(text)
          : atEnd
          ? word.endsWith(text)
          : word.includes(text);
      const is = text.includes(".") ? quadsOf(record.body).some(isIn) : wordsOf(record.body).some(isIn);
      // Beside what is not ASCII nothing is certain.
      const isAscii = /^[ -~]*$/.test(record.body) && /^[ -~]*$/.test(text);
      return { is, may: is || !isAscii || text.includes(".") && foldText(record.body).includes(text) };
    }
  }
}

function quadsOf(body: string): string[] {
  return body.match(/(?<![0-9A-Za-z])[0-9]{1,3}(\.[0-9]{1,3}){3}(?![0-9A-Za-z])/g) ?? [];
}

test("no row that meets a predicate is left out, and of those that do not none but the uncertain ones stay", () => {
  const random = seededRandom(7);
  let narrowed = 0;
  for (let round = 0; round < 1_500; round++) {
    const records = Array.from({ length: 1 + randomBelow(random, 40) }, () => randomRecord(random));
    const chunk = chunkOf(records), predicate = randomPredicate(random);
    const rows = randomBelow(random, records.length + 1);
    const verdicts = memoryVerdicts(predicate, chunk, rows);
    const expected = records.slice(0, rows).map((record) => meets(predicate, record));
    for (const [row, { is, may }] of expected.entries()) {
      const verdict = verdicts === undefined || verdicts[row] === 1;
      if (is && !verdict || verdict && !may && verdicts !== undefined) {
        expect({ predicate, record: records[row], verdict }).toBeUndefined();
      }
    }
    if (verdicts !== undefined) narrowed++;
  }
  expect(narrowed).toBeGreaterThan(900);
});

test("a word that stands in most texts narrows nothing, and one that does not is looked for to the end", () => {
  const records = Array.from({ length: 3_000 }, (_, at) => ({
    body: at === 2_999 ? "the Needle" : "common text common",
    service: "a",
    resource: "",
    severity: "",
    level: 9,
    trace: "",
    attributes: {},
  }));
  const chunk = chunkOf(records);
  const word = (text: string): IndexPredicate => ({ kind: "word", column: "body", word: text });
  expect(memoryVerdicts(word("common"), chunk, 3_000)).toBeUndefined();
  const both = memoryVerdicts(and([word("common"), word("needle")]), chunk, 3_000);
  expect([both!.indexOf(1), both!.lastIndexOf(1)]).toEqual([2_999, 2_999]);
  expect(memoryVerdicts(word("needle"), chunk, 2_999)!.includes(1)).toBe(false);
  const nowhere = [word("common"), word("the"), word("nowhere")];
  expect(memoryVerdicts(and(nowhere), chunk, 3_000)!.includes(1)).toBe(false);
  expect(memoryVerdicts(or([word("common"), word("nowhere")]), chunk, 3_000)).toBeUndefined();
});
