/**
 * Logs and spans in which there is something to find, as a store has them: segments with an index, in the order of a
 * merge and partly of the same time; segments without one, whose rows are in no order; and memory. All from a seed.
 */
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SegmentMerger } from "../../core/compact/merger.ts";
import { timeMerger } from "../../core/compact/time_merger.ts";
import { type Random, randomBelow, seededRandom } from "../../core/env/random.ts";
import { buildIndex } from "../../core/index/build.ts";
import { indexPath } from "../../core/index/format.ts";
import { SidecarIndexes } from "../../core/index/sidecars.ts";
import { Chunk } from "../../core/model/chunk.ts";
import { freshLayout, type Layout, mergedLayout } from "../../core/parquet/layout.ts";
import {
  columnIndex,
  columnsOf,
  schemaVersion,
  type Signal,
  signals,
  timeColumnOf,
} from "../../core/model/columns.ts";
import type { Vector } from "../../core/model/vector.ts";
import type { QuerySources, SourceFile, TableSource } from "../../core/query/sources.ts";
import { NodeDisk } from "../../edge/disk/disk.ts";
import { nodeIndexFiles } from "../../edge/index/files.ts";
import { duckDBMerger } from "../../edge/duckdb/merge.ts";
import { inProcessEncoder } from "../../edge/parquet/in-process.ts";
import { baseTimeNs, pushAny } from "../golden/segment-chunk.ts";

export const services = ["checkout", "cart", "payment", "search", "late-one"];
export const words = [
  "connection",
  "refused",
  "timeout",
  "peer",
  "user_id",
  "10.0.0.1",
  "naïve",
  "ERROR",
  "ok",
];
export const routes = ["/cart", "/orders/:id", "/health", "/admin"];

/** Time of the first row, and how far apart they are: a second of 200 rows has no two alike, and some seconds do. */
export const firstNs = baseTimeNs;
export const spanNs = 3_600_000_000_000n;

export interface PruningData {
  readonly dataDir: string;
  readonly indexes: SidecarIndexes;
  readonly sources: QuerySources;
  /** The same rows in files alone, of which neither times nor index are known: all of them are read whole. */
  readonly whole: QuerySources;
  close(): void;
}

export async function openPruningData(seed: number): Promise<PruningData> {
  const dataDir = mkdtempSync(join(tmpdir(), "openwit-pruning-"));
  mkdirSync(join(dataDir, "parquet"));
  const disk = new NodeDisk(dataDir);
  const random = seededRandom(seed);
  const tables = {} as Record<Signal, TableSource>, whole = {} as Record<Signal, TableSource>;
  for (const signal of signals) {
    const files: SourceFile[] = [];
    const shares: readonly (readonly [rows: number, from: number, end: number, written: Written])[] =
      signal === "metrics"
        ? [[18_000, 0, 0.6, "ours"], [9_000, 0.55, 0.9, "merged"], [1_000, 0.1, 1, undefined]]
        : [
          [34_000, 0, 0.5, "ours"],
          [17_000, 0.45, 0.8, "merged"],
          [9_000, 0.75, 0.9, "merged by us"],
          [3_000, 0.1, 0.95, undefined],
          [1_500, 0.9, 0.97, undefined],
        ];
    for (const [at, [rows, from, end, written]] of shares.entries()) {
      const chunk = chunkOf(signal, random, rows, from, end, written !== undefined);
      const path = `parquet/${signal}-${at}.parquet`,
        id = `019b7c3f5e001111222233${signals.indexOf(signal)}${at}44ff`;
      const layout = layoutOf(written);
      await writeSegment(join(dataDir, path), [chunk], layout);
      if (written === "merged") await mergeAgain(engineMerger(dataDir), dataDir, signal, path);
      if (written === "merged by us") await mergeAgain(timeMerger(disk), dataDir, signal, path);
      if (written !== undefined) {
        const index = await buildIndex(disk, seededRandom(seed), { id, signal, path });
        writeFileSync(join(dataDir, indexPath(path)), Buffer.concat(index));
      }
      const vector = chunk.vectors[columnIndex(signal, timeColumnOf[signal])];
      if (vector.kind !== "fixed") throw new Error("times are of fixed width");
      const times = [...vector.bigints()].sort((left, right) => left < right ? -1 : 1);
      files.push({ id, path, minTimeNs: times[0], maxTimeNs: times.at(-1)!, rows, bytes: 0 });
    }
    const chunks = [chunkOf(signal, random, 700, 0.9, 1, false), chunkOf(signal, random, 300, 0.2, 1, false)];
    tables[signal] = { signal, files, chunks: chunks.map((chunk) => ({ chunk, rows: chunk.rows })) };
    const memory = { path: `parquet/${signal}-memory.parquet`, rows: 1_000, bytes: 0 };
    await writeSegment(join(dataDir, memory.path), chunks, freshLayout);
    const unknown = [...files, memory].map(({ path, rows, bytes }) => ({ path, rows, bytes }));
    whole[signal] = { signal, files: unknown, chunks: [] };
  }
  const indexes = new SidecarIndexes(nodeIndexFiles(dataDir), () => {});
  return {
    dataDir,
    indexes,
    sources: { ...tables, release: () => {} },
    whole: { ...whole, release: () => {} },
    close() {
      indexes.close();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

async function writeSegment(file: string, chunks: readonly Chunk[], layout: Layout): Promise<void> {
  const parts: Uint8Array[] = [], [{ signal }] = chunks;
  const rows = chunks.map((chunk) => ({ chunk, rowCount: chunk.rows }));
  for await (const part of inProcessEncoder(layout).encode(signal, rows, {})) parts.push(part);
  writeFileSync(file, Buffer.concat(parts));
}

/** As a merge or a flush lays files out, with pages that these few bytes would not make. */
const smallPages = (layout: Layout): Layout => ({ ...layout, textPageRows: () => 512 });

/** What is merged is written anew. */
function layoutOf(written: Written): Layout {
  if (written === "ours") return smallPages(mergedLayout);
  return written === undefined ? smallPages(freshLayout) : freshLayout;
}

/** How a file comes to be: with an index, by our own writer, by the engine's merge or ours; or without one. */
type Written = "ours" | "merged" | "merged by us" | undefined;

function engineMerger(dataDir: string): SegmentMerger {
  return duckDBMerger({ dataDir, memoryBytes: 256 * 1024 * 1024, spillBytes: 1024 ** 3 });
}

async function mergeAgain(
  merger: SegmentMerger,
  dataDir: string,
  signal: Signal,
  path: string,
): Promise<void> {
  const output = `${path}.merged`;
  await merger.merge({
    signal,
    inputs: [path],
    output,
    keyValues: { "openwit.schema_version": String(schemaVersion) },
    abort: new AbortController().signal,
  });
  renameSync(join(dataDir, output), join(dataDir, path));
}

function chunkOf(
  signal: Signal,
  random: Random,
  rows: number,
  from: number,
  end: number,
  isSorted: boolean,
): Chunk {
  const chunk = new Chunk(signal);
  const start = firstNs + BigInt(Math.floor(Number(spanNs) * from));
  const length = Math.floor(Number(spanNs) * (end - from));
  const times = Array.from({ length: rows }, (_, row) => {
    const offset = isSorted
      ? Math.floor(length * row / rows)
      : Math.floor(random.uint32() / 2 ** 32 * length);
    // Every other quarter of an hour has times of whole seconds, so that many rows share one.
    const isCoarse = Math.floor(offset / 900e9) % 2 === 1;
    return start + BigInt(isCoarse ? offset - offset % 1e9 : offset);
  });
  for (let row = 0; row < rows; row++) {
    const values = rowOf(signal, random, times[row], (row >> 8) + Math.floor(from * 1_000));
    for (const [column, vector] of chunk.vectors.entries()) {
      const own = columnsOf[signal][column];
      // What no statement asks for by value is anything, lists and NULLs included.
      if (own.name in values || jsonOrTypes.test(own.name)) pushValue(vector, values[own.name]);
      else pushAny(vector, own, random);
    }
    chunk.rows++;
  }
  return chunk;
}

/** Columns whose text is read by functions. */
const jsonOrTypes = /attribute|metadata|refs$/;

type Value = string | number | bigint | Readonly<Record<string, string>> | null | undefined;

function rowOf(signal: Signal, random: Random, time: bigint, group: number): Record<string, Value> {
  const pick = (list: readonly string[]) => list[randomBelow(random, list.length)];
  const isRare = randomBelow(random, 3_000) === 0;
  const text =
    Array.from({ length: 1 + randomBelow(random, 4) }, () => pick(words)).join(pick([" ", "-", ": "])) +
    (isRare ? ` rare${randomBelow(random, 4)}` : ` order${group % 50}`);
  return {
    [timeColumnOf[signal]]: time,
    ingest_timestamp: time + 1_000_000_000n,
    service_name: group % 40 === 7 ? "late-one" : pick(services.slice(0, 4)),
    // traces lie close together, as they do
    trace_id: (group * 7 + randomBelow(random, 40)).toString(16).padStart(32, "0"),
    span_id: random.uint32().toString(16).padStart(8, "0") + random.uint32().toString(16).padStart(8, "0"),
    body: bodyOf(random, text),
    name: pick(["GET ", "POST "]) + pick(routes),
    ...severityOf(random, group, isRare),
    metric_name: pick(["cpu", "memory", "requests", `rare.${group % 60}`]),
    type: pick(["gauge", "sum", "histogram"]),
    unit: pick(["1", "s", "By"]),
    series_id: random.uint32().toString(16).padStart(16, "0"),
    value: randomBelow(random, 100) / 8,
    kind: randomBelow(random, 6),
    status_code: isRare ? 2 : 0,
    duration_ns: BigInt(randomBelow(random, 1_000_000)),
    resource_attributes: `{"k8s.pod.name":"pod-${group % 30}","n":${group % 5}}`,
    attributes: {
      "http.route": pick(routes),
      n: String(randomBelow(random, 400)),
      ...(isRare ? { "user.id": `u${randomBelow(random, 5)}` } : {}),
    },
  };
}

/** Some are NULL, empty, in upper case, or have a letter beyond ASCII that is one of ASCII in lower case. */
function bodyOf(random: Random, text: string): string | null {
  switch (randomBelow(random, 40)) {
    case 0:
      return null;
    case 1:
      return "";
    case 2:
      return text.replaceAll("k", "\u212a");
    case 3:
    case 4:
    case 5:
      return text.toUpperCase();
    default:
      return text;
  }
}

/** Warnings are in every block, errors in some, and fatal ones in few. */
function severityOf(random: Random, group: number, isRare: boolean): Record<string, Value> {
  if (isRare) return { severity_number: 21 + randomBelow(random, 4), severity_text: "Fatal" };
  if (group % 35 === 11 && randomBelow(random, 3) === 0) {
    return {
      severity_number: 17 + randomBelow(random, 3),
      severity_text: ["ERROR", "Error"][randomBelow(random, 2)],
    };
  }
  return randomBelow(random, 5) === 0
    ? { severity_number: 13, severity_text: "WARN" }
    : { severity_number: 9, severity_text: "INFO" };
}

function pushValue(vector: Vector, value: Value): void {
  switch (vector.kind) {
    case "utf8":
      return value === null ? vector.pushNull() : vector.pushText(String(value ?? ""));
    case "dictionary":
      return vector.pushText(String(value ?? ""));
    case "map":
      for (const [key, inner] of Object.entries(typeof value === "object" ? value ?? {} : {})) {
        vector.keys.pushText(key);
        vector.values.pushText(inner);
      }
      return vector.endRow();
    case "fixed":
      if (typeof value === "bigint") return vector.pushBigint(value);
      return vector.type === "float64" ? vector.pushDouble(Number(value ?? 0)) : pushNumber(vector, value);
    default:
      throw new Error(`no column of kind ${vector.kind} has values of its own here`);
  }
}

function pushNumber(vector: Extract<Vector, { kind: "fixed" }>, value: Value): void {
  if (/^(u?int64|timestamp)$/.test(vector.type)) vector.pushBigint(BigInt(Number(value ?? 0)));
  else vector.pushInt(Number(value ?? 0));
}
