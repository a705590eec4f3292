/**
 * Builds hours of a history (history.ts), in a process of its own: OTLP requests of the demo shop are decoded by the
 * database's own decoder, split by hour and encoded as a flush does it, in the order that a merge gives, and indexed.
 * What is left out: the network, the WAL, and the levels between. Prints a line of JSON for each hour.
 *
 * Argument: `HoursRequest` as JSON.
 */
import process from "node:process";
import { sortColumnsOf } from "../../core/compact/merger.ts";
import { failuresLast, timeOrder } from "../../core/compact/time_order.ts";
import { systemClock } from "../../core/env/clock.ts";
import { folderOf, writeFileDurably } from "../../core/env/disk.ts";
import { systemRandom } from "../../core/env/random.ts";
import { directIndexer } from "../../core/index/indexer.ts";
import type { SegmentMeta } from "../../core/manifest/manifest.ts";
import { Chunk } from "../../core/model/chunk.ts";
import { columnIndex, schemaVersion, type Signal } from "../../core/model/columns.ts";
import { gatherWords } from "../../core/model/gather.ts";
import type { DictionaryVector, FixedVector, Utf8Vector } from "../../core/model/vector.ts";
import { decodeRequest } from "../../core/otlp/decode.ts";
import { jsonToProtobuf } from "../../core/otlp/json.ts";
import { mergedLayout } from "../../core/parquet/layout.ts";
import { failuresOf } from "../../core/segment/failures.ts";
import { buildFooter } from "../../core/segment/footer.ts";
import { type HourGroup, splitByHour } from "../../core/segment/hours.ts";
import { newSegmentId, segmentPath } from "../../core/segment/path.ts";
import { defaultTenant } from "../../core/tenant.ts";
import { recordsPerVisit } from "../../edge/demo/traffic.ts";
import { Shop } from "../../edge/demo/shop.ts";
import { NodeDisk } from "../../edge/disk/disk.ts";
import { inProcessEncoder } from "../../edge/parquet/in-process.ts";
import { historyNode, type HourReport, hoursOf, type HoursRequest, printHour } from "./history.ts";
import { needleRequest, needlesMax } from "./needle.ts";

const request = JSON.parse(process.argv[2]) as HoursRequest;
const { dataDir, history } = request;
const disk = new NodeDisk(dataDir);
/** As merges write them: those of points are DuckDB's, whose pages are whole row groups as those of a flush are. */
const encoders = {
  logs: inProcessEncoder(mergedLayout),
  spans: inProcessEncoder(mergedLayout),
  metrics: inProcessEncoder(),
};
const indexer = directIndexer(disk, systemRandom);
const hourMs = 3_600_000;

const perSecond = (records: number) => records / (hoursOf(history).length * 3_600);
const spansPerLog = recordsPerVisit.spans / recordsPerVisit.logs;
const logRate = perSecond(history.logs);

/**
 * Traces are sampled, as they are in a shop that is large: those that begin in one of so many seconds are kept, each
 * whole. The same visits are in both shops, for a second is made from the seed and the second alone.
 */
const traceEvery = Math.max(1, Math.round(history.logs * spansPerLog / history.spans));
const traced = new Shop({
  seed: history.seed,
  signals: ["logs", "spans"],
  rate: logRate * (1 + spansPerLog),
});
const untraced = new Shop({ seed: history.seed, signals: ["logs"], rate: logRate });
const scraped = new Shop({ seed: history.seed, signals: ["metrics"], rate: perSecond(history.points) });

/** Hours in which the rare words stand. */
const needleHours = new Set(spread(hoursOf(history), needlesMax));

/** Rows of the hours after the one that is built: what a visit leaves may be younger than its beginning. */
const younger: Record<Signal, HourGroup[]> = { logs: [], spans: [], metrics: [] };

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
    const chunk = chunks[signal];
    const groups = splitByHour(signal, [{ chunk, rowCount: chunk.rows }]);
    younger[signal] = isLast ? [] : groups.filter((group) => group.hour > hour);
    for (const group of groups) {
      if (younger[signal].includes(group)) continue;
      const segment = await writeSegment(signal, group);
      segments.push(segment);
      indexBytes[signal] += await indexer.build(segment);
    }
  }
  return { hour, segments, indexBytes };
}

function decodeHour(hour: number): Record<Signal, Chunk> {
  const chunks = { logs: new Chunk("logs"), spans: new Chunk("spans"), metrics: new Chunk("metrics") };
  for (const signal of ["logs", "spans", "metrics"] as const) {
    for (const { chunk, rows, rowCount } of younger[signal].flatMap(({ parts }) => parts)) {
      for (let at = 0; at < rowCount; at++) chunks[signal].appendRow(chunk, rows?.[at] ?? at);
    }
  }
  const take = (shop: Shop, fromMs: number, toMs: number) => {
    const receivedAtNs = BigInt(toMs) * 1_000_000n;
    for (const { signal, body } of shop.generate(fromMs, toMs, 8_000)) {
      decodeRequest(signal, body, chunks[signal], receivedAtNs);
    }
  };
  for (let fromMs = hour * hourMs; fromMs < (hour + 1) * hourMs; fromMs += traceEvery * 1_000) {
    const tracedToMs = fromMs + 1_000, toMs = Math.min((hour + 1) * hourMs, fromMs + traceEvery * 1_000);
    take(traced, fromMs, tracedToMs);
    if (tracedToMs < toMs) take(untraced, tracedToMs, toMs);
    take(scraped, fromMs, toMs);
  }
  if (needleHours.has(hour)) {
    const timeMs = (hour + 0.5) * hourMs;
    const body = jsonToProtobuf("logs", new TextEncoder().encode(needleRequest(timeMs)));
    decodeRequest("logs", body, chunks.logs, BigInt(timeMs + 1_000) * 1_000_000n);
  }
  return chunks;
}

async function writeSegment(signal: Signal, group: HourGroup): Promise<SegmentMeta> {
  const id = newSegmentId(systemClock, systemRandom);
  const { hour, late, rows, minTimeNs, maxTimeNs, minIngestNs, maxIngestNs } = group;
  const name = { tenant: defaultTenant, signal, hour, late, nodeId: historyNode, level: 2, id };
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
  await disk.makeDir(folderOf(segment.path));
  const [{ chunk, rows: list, rowCount }] = group.parts; // of one chunk
  const sorted = {
    chunk,
    rowCount,
    rows: sortedRows(chunk, list ?? Int32Array.from({ length: rowCount }, (_, at) => at)),
  };
  const keyValues = buildFooter(segment, { nodeId: historyNode, flushIds: [id] });
  const bytes = await writeFileDurably(
    disk,
    segment.path,
    encoders[signal].encode(signal, [sorted], keyValues),
  );
  return { ...segment, bytes };
}

/** Rows in the order that a merge gives. */
function sortedRows(chunk: Chunk, rows: Int32Array): Int32Array {
  const names = sortColumnsOf[chunk.signal];
  const time = chunk.vectors[columnIndex(chunk.signal, names.at(-1)!)] as FixedVector;
  const byTime = timeOrder(gatherWords(time.words, { rows })).map((at) => rows[at]);
  const failures = failuresOf[chunk.signal];
  if (failures !== undefined) {
    const { words } = chunk.vectors[columnIndex(chunk.signal, failures.column)] as FixedVector;
    const isFailure = Uint8Array.from(
      { length: chunk.rows },
      (_, row) => Number(words[row] >= failures.from),
    );
    return failuresLast(byTime, isFailure);
  }
  const texts = names.slice(0, -1).map((name) =>
    chunk.vectors[columnIndex(chunk.signal, name)] as DictionaryVector | Utf8Vector
  );
  const keys = Array.from(
    { length: chunk.rows },
    (_, row) => texts.map((vector) => vector.text(row)).join("\0"),
  );
  return byTime.sort((a, b) => keys[a] < keys[b] ? -1 : keys[a] > keys[b] ? 1 : 0);
}

function spread(hours: readonly number[], count: number): number[] {
  return Array.from({ length: count }, (_, at) => hours[Math.floor((at + 0.5) * hours.length / count)]);
}

await main();
