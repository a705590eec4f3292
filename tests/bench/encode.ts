/**
 * How many records a CPU-second become Parquet: from a memtable chunk to what the worker is sent (the part that the
 * server's own thread does), and all the way to the bytes of an L0 segment, in process and in the worker. Prints a
 * table; with --json, one JSON object.
 *
 * The figures in docs/decisions/003-l0-encoding.md come from here.
 */
import process from "node:process";
import { parseArgs } from "node:util";
import type { SegmentPart } from "../../core/segment/encoder.ts";
import { batchesOf } from "../../edge/parquet/batches.ts";
import { inProcessEncoder } from "../../edge/parquet/in-process.ts";
import { workerEncoder } from "../../edge/parquet/worker-encoder.ts";
import { packBatch } from "../../core/parquet/slice.ts";
import { buildLogChunk, buildMetricChunk, buildSpanChunk } from "./encode-chunk.ts";

const { values: flags } = parseArgs({
  options: {
    json: { type: "boolean" },
    rows: { type: "string", default: "49152" },
    rounds: { type: "string", default: "8" },
  },
});

interface Result {
  readonly what: string;
  /** Of the best round: the machine is shared, and the first rounds are not compiled yet. */
  readonly rowsPerCpuSecond: number;
  readonly firstRoundCpuMs: number;
  readonly bytesPerRow: number;
}

async function main(): Promise<void> {
  const rows = Number(flags.rows);
  const startNs = 1_767_322_800_000_000_000n;
  const worker = workerEncoder();
  const results: Result[] = [];
  for (
    const chunk of [
      buildLogChunk(1, rows, startNs),
      buildSpanChunk(1, rows, startNs),
      buildMetricChunk(1, rows, startNs),
    ]
  ) {
    const { signal } = chunk;
    const parts = [{ chunk, rowCount: rows }];
    const shuffled = [{ chunk, rowCount: rows, rows: Int32Array.from({ length: rows }, (_, at) => at ^ 1) }];
    results.push(
      await measure(`${signal}: batches`, rows, () => packed(parts)),
      await measure(`${signal}: batches, by list`, rows, () => packed(shuffled)),
      await measure(
        `${signal}: Parquet in process`,
        rows,
        () => inProcessEncoder().encode(signal, parts, {}),
      ),
      await measure(`${signal}: Parquet in worker`, rows, () => worker.encode(signal, parts, {})),
    );
  }
  await worker.close();
  if (flags.json) return void process.stdout.write(JSON.stringify({ rows, results }) + "\n");
  for (const { what, rowsPerCpuSecond, firstRoundCpuMs, bytesPerRow } of results) {
    const speed = `${(rowsPerCpuSecond / 1e6).toFixed(3)} M rows/CPU-s`;
    const first = `first round ${firstRoundCpuMs.toFixed(0)} ms CPU`;
    process.stdout.write(
      `${what.padEnd(28)} ${speed.padStart(20)} ${bytesPerRow.toFixed(1).padStart(8)} B/row   ${first}\n`,
    );
  }
}

/** What the worker is sent. */
function* packed(parts: readonly SegmentPart[]): Generator<Uint8Array> {
  for (const batch of batchesOf(parts)) yield new Uint8Array(packBatch(batch).buffer);
}

async function measure(
  what: string,
  rows: number,
  run: () => Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): Promise<Result> {
  let best = Infinity, first = 0, bytes = 0;
  for (let round = 0; round < Number(flags.rounds); round++) {
    const before = process.cpuUsage();
    bytes = 0;
    for await (const part of run()) bytes += part.length;
    const { user, system } = process.cpuUsage(before);
    const seconds = (user + system) / 1e6;
    if (round === 0) first = seconds * 1e3;
    best = Math.min(best, seconds);
  }
  return { what, rowsPerCpuSecond: rows / best, firstRoundCpuMs: first, bytesPerRow: bytes / rows };
}

void main();
