/**
 * Builds hours of a history (history.ts), in a process of its own: OTLP requests of the demo shop are decoded by the
 * database's own decoder, split by hour as a flush does it, encoded, merged and indexed by what does so in a server.
 * What is left out: the network, the WAL, and the level between. Prints a line of JSON for each hour.
 *
 * Argument: `HoursRequest` as JSON.
 */
import { mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { systemClock } from "../../core/env/clock.ts";
import { systemRandom } from "../../core/env/random.ts";
import { directIndexer } from "../../core/index/indexer.ts";
import type { SegmentMeta } from "../../core/manifest/manifest.ts";
import { Chunk } from "../../core/model/chunk.ts";
import { columnIndex, schemaVersion, type Signal } from "../../core/model/columns.ts";
import type { Utf8Vector } from "../../core/model/vector.ts";
import { decodeRequest } from "../../core/otlp/decode.ts";
import { jsonToProtobuf } from "../../core/otlp/json.ts";
import type { SegmentPart } from "../../core/segment/encoder.ts";
import { buildFooter } from "../../core/segment/footer.ts";
import { type HourGroup, splitByHour } from "../../core/segment/hours.ts";
import { newSegmentId, segmentPath } from "../../core/segment/path.ts";
import { defaultTenant } from "../../core/tenant.ts";
import { recordsPerVisit } from "../../edge/demo/traffic.ts";
import { Shop } from "../../edge/demo/shop.ts";
import { NodeDisk } from "../../edge/disk/disk.ts";
import { duckDBMerger } from "../../edge/duckdb/merge.ts";
import { inProcessEncoder } from "../../edge/parquet/in-process.ts";
import { historyNode, type HourReport, hoursOf, type HoursRequest, printHour } from "./history.ts";
import { needleRequest, needlesMax } from "./needle.ts";

const request = JSON.parse(process.argv[2]) as HoursRequest;
const { dataDir, history } = request;
const disk = new NodeDisk(dataDir);
const encoder = inProcessEncoder();
const merger = duckDBMerger({ dataDir, memoryBytes: 512 * 1024 * 1024, spillBytes: 2 ** 32 });
const indexer = directIndexer(disk, systemRandom);
const never = new AbortController().signal;
const hourMs = 3_600_000;

/** Requests are made for so long a time at once, and received at its end. */
const sliceMs = 10_000;

const perSecond = (records: number) => records / (hoursOf(history).length * 3_600);
const spansPerLog = recordsPerVisit.spans / recordsPerVisit.logs;
const shops = [
  new Shop({
    seed: history.seed,
    signals: ["logs", "spans"],
    rate: perSecond(history.logs) * (1 + spansPerLog),
  }),
  new Shop({ seed: history.seed, signals: ["metrics"], rate: perSecond(history.points) }),
];

/** Traces are sampled, as they are in a shop that is large: this share of them, whole. */
const tracesKept = Math.min(1, history.spans / (history.logs * spansPerLog));

/** Hours in which the rare words stand. */
const needleHours = new Set(spread(hoursOf(history), needlesMax));

/** Rows of the hours after the one that is built: what a visit leaves may be younger than its beginning. */
const younger: Record<Signal, SegmentPart[]> = { logs: [], spans: [], metrics: [] };

async function main(): Promise<void> {
  const untilMs = performance.now() + request.budgetMs;
  for (const [at, hour] of request.hours.entries()) {
    const isLast = at + 1 === request.hours.length || request.hours[at + 1] !== hour + 1 ||
      performance.now() > untilMs;
    process.stdout.write(`${printHour(await buildHour(hour, isLast))}\n`);
    if (performance.now() > untilMs) break;
  }
}

/** @param isLast whether rows of the hours after it are written too */
async function buildHour(hour: number, isLast: boolean): Promise<HourReport> {
  const segments: SegmentMeta[] = [];
  const indexBytes = { logs: 0, spans: 0, metrics: 0 };
  const chunks = decodeHour(hour);
  for (const signal of ["logs", "spans", "metrics"] as const) {
    const groups = splitByHour(signal, [...younger[signal], partOf(chunks[signal])]);
    const later = isLast ? [] : groups.filter((group) => group.hour > hour);
    younger[signal] = later.flatMap(({ parts }) => parts);
    for (const group of groups) {
      if (later.includes(group)) continue;
      const segment = await writeSegment(signal, group);
      segments.push(segment);
      indexBytes[signal] += await indexer.build(segment);
    }
  }
  return { hour, segments, indexBytes };
}

function decodeHour(hour: number): Record<Signal, Chunk> {
  const chunks = { logs: new Chunk("logs"), spans: new Chunk("spans"), metrics: new Chunk("metrics") };
  for (let fromMs = hour * hourMs; fromMs < (hour + 1) * hourMs; fromMs += sliceMs) {
    const receivedAtNs = BigInt(fromMs + sliceMs) * 1_000_000n;
    for (const shop of shops) {
      for (const { signal, body } of shop.generate(fromMs, fromMs + sliceMs, 8_000)) {
        decodeRequest(signal, body, chunks[signal], receivedAtNs);
      }
    }
  }
  if (needleHours.has(hour)) {
    const body = jsonToProtobuf("logs", new TextEncoder().encode(needleRequest(hour * hourMs + hourMs / 2)));
    decodeRequest("logs", body, chunks.logs, BigInt(hour * hourMs + hourMs / 2 + 1_000) * 1_000_000n);
  }
  return chunks;
}

function partOf(chunk: Chunk): SegmentPart {
  if (chunk.signal !== "spans" || tracesKept === 1) return { chunk, rowCount: chunk.rows };
  const ids = chunk.vectors[columnIndex("spans", "trace_id")] as Utf8Vector;
  const rows: number[] = [];
  for (let row = 0; row < chunk.rows; row++) {
    // The first digits of an id are random.
    if (Number.parseInt(ids.text(row)!.slice(0, 6), 16) / 2 ** 24 < tracesKept) rows.push(row);
  }
  return { chunk, rowCount: rows.length, rows: Int32Array.from(rows) };
}

async function writeSegment(signal: Signal, group: HourGroup): Promise<SegmentMeta> {
  const id = newSegmentId(systemClock, systemRandom);
  const name = {
    tenant: defaultTenant,
    signal,
    hour: group.hour,
    late: group.late,
    nodeId: historyNode,
    level: 2,
    id,
  };
  const { rows, minTimeNs, maxTimeNs, minIngestNs, maxIngestNs } = group;
  const segment: SegmentMeta = {
    ...name,
    path: segmentPath(name),
    rows,
    bytes: 0,
    minTimeNs,
    maxTimeNs,
    minIngestNs,
    maxIngestNs,
    lsnFrom: 0,
    lsnTo: 0,
    schemaVersion,
    replaces: [],
  };
  const output = join(dataDir, segment.path), unsorted = `${segment.path}.unsorted.parquet`;
  mkdirSync(dirname(output), { recursive: true });
  rmSync(output, { force: true });
  const encoded: Uint8Array[] = [];
  for await (const part of encoder.encode(signal, group.parts, {})) encoded.push(part);
  writeFileSync(join(dataDir, unsorted), Buffer.concat(encoded));
  const keyValues = buildFooter(segment, { nodeId: historyNode, flushIds: [id] });
  await merger.merge({ signal, inputs: [unsorted], output: segment.path, keyValues, abort: never });
  rmSync(join(dataDir, unsorted));
  return { ...segment, bytes: statSync(output).size };
}

function spread(hours: readonly number[], count: number): number[] {
  return Array.from({ length: count }, (_, at) => hours[Math.floor((at + 0.5) * hours.length / count)]);
}

await main();
