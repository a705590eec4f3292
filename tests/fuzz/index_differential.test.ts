/**
 * An index never loses a row: whatever is asked of it, the blocks it gives hold every row that a look at all rows
 * finds; from our own Parquet files and from DuckDB's.
 */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Random, randomBelow, seededRandom } from "../../core/env/random.ts";
import { OpenWitError } from "../../core/error.ts";
import { buildIndex } from "../../core/index/build.ts";
import { indexPath } from "../../core/index/format.ts";
import { levelOf } from "../../core/index/fields.ts";
import type { IndexPredicate, PairPredicate } from "../../core/index/predicate.ts";
import { loadIndex } from "../../core/index/inspect.ts";
import { evaluate } from "../../core/index/evaluate.ts";
import type { Chunk } from "../../core/model/chunk.ts";
import { columnIndex, type Signal } from "../../core/model/columns.ts";
import { blockRows } from "../../core/segment/encoder.ts";
import { wordsOf } from "../../core/text/word.ts";
import { NodeDisk } from "../../edge/disk/disk.ts";
import { duckDBMerger } from "../../edge/duckdb/merge.ts";
import { inProcessEncoder } from "../../edge/parquet/in-process.ts";
import { buildChunk, rowOf, valueAt } from "../golden/segment-chunk.ts";
import { openDuckDb } from "../golden/segment-duckdb.ts";

const folder = mkdtempSync(join(tmpdir(), "openwit-index-"));
const disk = new NodeDisk(folder);
afterAll(() => rmSync(folder, { recursive: true }));

const id = "019b7c3f5e0011112222333344ff";
/** Predicates that are asked of each file; .ci/slow asks more. */
const rounds = Number(process.env.INDEX_ROUNDS ?? 400);
const rows = 20_000; // three blocks in two row groups

const pieces = [
  ...[
    "connection",
    "refused",
    "by",
    "Peer",
    "timeout",
    "user_id",
    "x1y2",
    "ERROR",
    "naïve",
    "ÜBER",
    "漢字",
    "ſtraße",
  ],
  ...[" ", " ", "-", ".", "/", ":", "…", "—", "=", "\n", "🚀"],
];

function anyText(random: Random, row: number): string {
  let text = "";
  for (let count = randomBelow(random, 8); count >= 0; count--) {
    const kind = randomBelow(random, 14);
    if (kind < 8) text += pieces[randomBelow(random, pieces.length)];
    else if (kind === 8) text += `order${random.uint32() % 5_000}`;
    else if (kind === 9) text += random.uint32().toString(16).padStart(8, "0");
    else if (kind === 10) {
      text += `${randomBelow(random, 256)}.${randomBelow(random, 256)}.1.${randomBelow(random, 3)}`;
    } else if (kind === 11 && row > 2 * blockRows) text += "long".repeat(randomBelow(random, 30));
    else if (kind === 12) text += randomBelow(random, 1_000);
    // Letters that hardly two rows share, alone and between digits.
    else if (random.uint32() % 2 === 0) {
      text += ` ${letters(random)}${randomBelow(random, 10)}${letters(random)}7${letters(random)}`;
    } else if (row % 700 === 0) text += ` rare${String.fromCharCode(97 + row / 700 % 26)}word `;
  }
  return text;
}

function letters(random: Random): string {
  return Array.from({ length: 4 }, () => String.fromCharCode(97 + randomBelow(random, 26))).join("");
}

function texts(chunk: Chunk, column: string, textOf: (row: number) => string): void {
  const vector = chunk.vectors[columnIndex(chunk.signal, column)];
  if (vector.kind !== "utf8" && vector.kind !== "dictionary") throw new Error(`${column} is no text`);
  vector.truncate(0);
  for (let row = 0; row < chunk.rows; row++) vector.pushText(textOf(row));
}

function numbers(chunk: Chunk, column: string, numberOf: (row: number) => number): void {
  const vector = chunk.vectors[columnIndex(chunk.signal, column)];
  if (vector.kind !== "fixed") throw new Error(`${column} is no number`);
  vector.truncate(0);
  for (let row = 0; row < chunk.rows; row++) vector.pushInt(numberOf(row));
}

function serviceOf(chunk: Chunk, row: number): unknown {
  return valueAt(chunk.vectors[columnIndex(chunk.signal, "service_name")], row);
}

function chunkOf(signal: Signal, random: Random): Chunk {
  const chunk = buildChunk(signal, 5, rows);
  if (signal === "logs") texts(chunk, "body", (row) => anyText(random, row));
  if (signal === "spans") texts(chunk, "name", (row) => anyText(random, row));
  if (signal !== "metrics") {
    texts(chunk, "trace_id", () => (random.uint32() % 3_000).toString(16).padStart(32, "0"));
  }
  texts(chunk, "service_name", (row) => row < 9_000 ? "early" : `service-${randomBelow(random, 4)}`);
  if (signal === "logs") {
    // Of each service another level, and of each block; a text of any case, in one block one beyond ASCII.
    numbers(chunk, "severity_number", (row) => {
      if (row < 9_000) return [0, 9, 13][row % 3];
      const highest = serviceOf(chunk, row) === "service-1" && row < 2 * blockRows
        ? 24
        : row % 2 === 0
        ? 16
        : 18;
      return random.uint32() % 400 === 0 && serviceOf(chunk, row) !== "service-0" ? highest : 9;
    });
    texts(chunk, "severity_text", (row) => {
      const list = row < blockRows
        ? ["info", "Warn"]
        : row < 2 * blockRows
        ? ["ERROR", "Error"]
        : ["to\u212aen"];
      return random.uint32() % 50 === 0 ? list[row % list.length] : "Info";
    });
  }
  if (signal === "spans") {
    numbers(
      chunk,
      "status_code",
      (row) => serviceOf(chunk, row) === "service-1" && row < 2 * blockRows ? 2 : row % 2,
    );
  }
  texts(chunk, "resource_attributes", (row) =>
    row === 12_345 ? '{"broken' : JSON.stringify({
      "k8s.pod.name": `pod-${row >> 11}`,
      n: row % 3,
      on: row > 9_000,
      ...row > 15_000 ? { deep: { a: 1 }, share: 1.5, 'é"q': `v\\${row % 5}` } : {},
    }));
  return chunk;
}

type Row = Record<string, unknown>;

/** What a row would have to be looked at for. */
function holds(row: Row, predicate: IndexPredicate): boolean {
  switch (predicate.kind) {
    case "all":
      return true;
    case "none":
      return false;
    case "and":
      return predicate.of.every((each) => holds(row, each));
    case "or":
      return predicate.of.some((each) => holds(row, each));
    case "equal":
      return valueOf(row, predicate.field) === predicate.value;
    case "level":
      return Number(valueOf(row, predicate.field) ?? NaN) >= predicate.least;
    case "folded":
      return valueOf(row, predicate.field)?.toLowerCase() === predicate.value;
    case "pair":
      return row.service_name === predicate.service && holds(row, predicate.with);
    case "word": {
      const text = String(row[predicate.column] ?? "");
      if (!predicate.word.includes(".")) return wordsIn(text).includes(predicate.word);
      return new RegExp(
        `(^|[^0-9a-zA-Z\\u0080-\\uffff])${
          predicate.word.replaceAll(".", "\\.")
        }($|[^0-9a-zA-Z\\u0080-\\uffff])`,
      )
        .test(text);
    }
    case "part":
      return wordsIn(String(row[predicate.column] ?? "")).some((word) =>
        predicate.atStart && predicate.atEnd
          ? word === predicate.text
          : predicate.atStart
          ? word.startsWith(predicate.text)
          : predicate.atEnd
          ? word.endsWith(predicate.text)
          : word.includes(predicate.text)
      );
  }
}

const wordsOfTexts = new Map<string, string[]>();
function wordsIn(text: string): string[] {
  let words = wordsOfTexts.get(text);
  if (words === undefined) wordsOfTexts.set(text, words = wordsOf(text));
  return words;
}

function valueOf(row: Row, field: string): string | undefined {
  const [, column, key] = /^(\w+)\.(.+)$/s.exec(field) ?? [];
  if (column === "attributes") {
    return (row.attributes as [string, string | null][]).find(([name]) => name === key)?.[1] ?? undefined;
  }
  if (column !== undefined) {
    try {
      const value = JSON.parse(String(row[column]))[key];
      return value === undefined ? undefined : typeof value === "string" ? value : JSON.stringify(value);
    } catch {
      return undefined;
    }
  }
  const value = row[field];
  return value === null || value === undefined ? undefined : String(value);
}

function anyPredicate(random: Random, signal: Signal, all: readonly Row[], depth = 0): IndexPredicate {
  const row = all[randomBelow(random, all.length)];
  const kind = randomBelow(random, depth < 2 ? 15 : 12);
  const column = signal === "spans" ? "name" as const : "body" as const;
  if (kind >= 12) {
    const of = Array.from(
      { length: 1 + randomBelow(random, 3) },
      () => anyPredicate(random, signal, all, depth + 1),
    );
    return { kind: kind === 12 ? "or" : "and", of };
  }
  if (kind < 3 || signal === "metrics") {
    const fields = [
      ...["service_name", "scope_name", "resource_attributes.k8s.pod.name", "resource_attributes.deep"],
      ...[
        "resource_attributes.n",
        "resource_attributes.on",
        "resource_attributes.share",
        'resource_attributes.é"q',
      ],
      ...["attributes.key0.1", "attributes.key1.2", "unknown_column"],
      ...signal === "metrics" ? ["metric_name", "series_id"] : ["trace_id", "span_id"],
      ...signal === "logs" ? ["severity_number"] : signal === "spans" ? ["parent_span_id", "kind"] : [],
    ];
    const field = fields[randomBelow(random, fields.length)];
    return { kind: "equal", field, value: valueOf(row, field) ?? "nothing of the kind" };
  }
  if (kind >= 9) return anyLevel(random, signal, all, row);
  const every = wordsOf(String(row[column]));
  // Words of digits and letters are the harder ones.
  const mixed = every.filter((word) => /[0-9]/.test(word) && /[^0-9]/.test(word));
  const words = mixed.length > 0 && random.uint32() % 2 === 0 ? mixed : every;
  const word = words[randomBelow(random, Math.max(1, words.length))] ?? "absent";
  if (kind === 3) {
    const quad = /\d{1,3}(\.\d{1,3}){3}/.exec(String(row[column]))?.[0];
    return { kind: "word", column, word: quad ?? word };
  }
  if (kind === 4) return { kind: "word", column, word };
  const characters = [...word];
  // Half of the parts are a run of letters, whole or not.
  const runs = [...word.matchAll(/[^0-9]+/g)];
  const run = runs[randomBelow(random, Math.max(1, runs.length))];
  const isRun = run !== undefined && random.uint32() % 2 === 0;
  const from = isRun ? [...word.slice(0, run.index)].length : randomBelow(random, characters.length);
  const length = isRun ? [...run[0]].length : 1 + randomBelow(random, characters.length - from);
  const text = characters.slice(from, from + length).join("");
  return {
    kind: "part",
    column,
    text: text === "" ? "zz" : text,
    atStart: from === 0 && random.uint32() % 2 === 0,
    atEnd: from + length === characters.length && random.uint32() % 2 === 0,
  };
}

/** Kinds of predicates that leave out blocks of these rows. */
const narrowing: Readonly<Record<Signal, readonly string[]>> = {
  logs: ["equal", "word", "part", "level", "folded", "pair with level", "pair with folded"],
  spans: ["equal", "word", "part", "level", "pair with level"],
  metrics: ["equal"],
};

/** A level, a text in any case, or one of them in the rows of a service. */
function anyLevel(random: Random, signal: "logs" | "spans", all: readonly Row[], row: Row): IndexPredicate {
  const { column, thresholds } = levelOf[signal]!;
  const least = random.uint32() % 20 === 0 ? 7 : thresholds[randomBelow(random, thresholds.length)];
  // Texts that few rows have are as likely as the one that most have.
  const texts = [...new Set(all.map((each) => String(each.severity_text).toLowerCase()))];
  const isFolded = signal === "logs" && random.uint32() % 2 === 0;
  const other: PairPredicate["with"] = isFolded
    ? { kind: "folded", field: "severity_text", value: texts[randomBelow(random, texts.length)] }
    : { kind: "level", field: column, least };
  if (random.uint32() % 3 === 0) return other;
  const service = random.uint32() % 2 === 0 ? row.service_name : `service-${randomBelow(random, 5)}`;
  return { kind: "pair", service: String(service), with: other };
}

test.each(["logs", "spans", "metrics"] as const)(
  "blocks of %s hold every row that is asked for",
  async (signal) => {
    const random = seededRandom(11);
    const chunk = chunkOf(signal, random);
    await disk.makeDir("parquet");
    const ours = `parquet/${signal}-ours.parquet`, merged = `parquet/${signal}-merged.parquet`;
    const parts = [];
    for await (const part of inProcessEncoder().encode(signal, [{ chunk, rowCount: rows }], {})) {
      parts.push(
        part,
      );
    }
    writeFileSync(join(folder, ours), Buffer.concat(parts));
    await duckDBMerger({ dataDir: folder, memoryBytes: 256 << 20, spillBytes: 1 << 30 }).merge({
      signal,
      inputs: [ours],
      output: merged,
      keyValues: { test: "1" },
      abort: new AbortController().signal,
    });
    const duckdb = await openDuckDb();
    try {
      for (const path of [ours, merged]) {
        const all: Row[] = path === ours
          ? Array.from({ length: rows }, (_, row) => rowOf(chunk, row))
          : await duckdb.rows(join(folder, path));
        writeFileSync(
          join(folder, indexPath(path)),
          Buffer.concat(await buildIndex(disk, seededRandom(1), { id, signal, path })),
        );
        const index = await loadIndex(disk, indexPath(path), { id, signal, rows });
        index.verify();
        const times = index.times();
        const time = signal === "spans" ? "start_timestamp" : "timestamp";
        for (let row = 0; row < rows; row++) {
          const at = all[row][time] as bigint, block = Math.floor(row / blockRows);
          if (at < times.min[block] || at > times.max[block]) {
            throw new Error(
              `row ${row} is outside its block's times`,
            );
          }
        }
        let narrowed = 0;
        const kinds = new Set<string>();
        for (let round = 0; round < rounds; round++) {
          const predicate = anyPredicate(random, signal, all);
          const found = evaluate(index, predicate);
          if (found.size < 3) {
            narrowed++;
            kinds.add(predicate.kind === "pair" ? `pair with ${predicate.with.kind}` : predicate.kind);
          }
          for (let row = 0; row < rows; row++) {
            if (!found.has(Math.floor(row / blockRows)) && holds(all[row], predicate)) {
              throw new Error(
                `row ${row} is lost by ${JSON.stringify(predicate)}: ${JSON.stringify(all[row].body)}`,
              );
            }
          }
        }
        expect(narrowed).toBeGreaterThan(rounds / 40); // or it would be no index
        expect([...kinds]).toEqual(expect.arrayContaining([...narrowing[signal]]));
      }
    } finally {
      duckdb.close();
    }
  },
  120_000,
);

test("bytes that have changed are refused or harmless, and never crash", async () => {
  await disk.makeDir("parquet");
  const path = "parquet/hostile.parquet";
  const parts = [];
  const chunk = chunkOf("logs", seededRandom(2));
  for await (const part of inProcessEncoder().encode("logs", [{ chunk, rowCount: rows }], {})) {
    parts.push(part);
  }
  writeFileSync(join(folder, path), Buffer.concat(parts));
  const whole = Buffer.concat(await buildIndex(disk, seededRandom(1), { id, signal: "logs", path }));
  const random = seededRandom(4);
  for (let round = 0; round < 400; round++) {
    const bytes = Uint8Array.from(
      round % 3 === 0 ? whole.subarray(0, randomBelow(random, whole.length)) : whole,
    );
    // Half of the changes in the header, which is a thousandth of the file.
    const within = round % 2 === 0 ? Math.min(120, bytes.length) : bytes.length;
    for (let change = randomBelow(random, 4); change >= 0; change--) {
      if (within > 0) bytes[randomBelow(random, within)] = random.uint32();
    }
    writeFileSync(join(folder, indexPath(path)), bytes);
    try {
      const index = await loadIndex(disk, indexPath(path), { id, signal: "logs", rows });
      index.verify();
      expect(Buffer.compare(bytes, whole)).toBe(0);
    } catch (error) {
      if (!(error instanceof OpenWitError) || !["corrupt", "unsupported"].includes(error.code)) throw error;
    }
  }
}, 300_000);
