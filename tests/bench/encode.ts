/**
 * How many log records a CPU-second become Parquet: from a memtable chunk to Arrow IPC, and all the way to the
 * bytes of an L0 segment, in process and in the worker. Prints a table; with --json, one JSON object.
 *
 * The figures in docs/decisions/003-l0-encoding.md come from here.
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { batchesOf } from "../../edge/parquet/batches.ts";
import { inProcessEncoder } from "../../edge/parquet/in-process.ts";
import { workerEncoder } from "../../edge/parquet/worker-encoder.ts";
import { parquetWasmBytes } from "../../edge/parquet/wasm.ts";
import { buildLogChunk } from "./encode-chunk.ts";

const { values: flags } = parseArgs({
  options: {
    json: { type: "boolean" },
    rows: { type: "string", default: "49152" },
    rounds: { type: "string", default: "8" },
  },
});

interface Result {
  readonly what: string;
  /** Of the best round: the machine is shared, and the first rounds compile WebAssembly. */
  readonly rowsPerCpuSecond: number;
  readonly firstRoundCpuMs: number;
  readonly bytesPerRow: number;
}

async function main(): Promise<void> {
  const rows = Number(flags.rows);
  const parts = [{ chunk: buildLogChunk(1, rows, 1_767_322_800_000_000_000n), rowCount: rows }];
  const shuffled = [{ ...parts[0], rows: Int32Array.from({ length: rows }, (_, at) => at ^ 1) }];
  const worker = workerEncoder();
  const results = [
    await measure("Arrow IPC", rows, () => batchesOf("logs", parts)),
    await measure("Arrow IPC, rows by list", rows, () => batchesOf("logs", shuffled)),
    await measure("Parquet in process", rows, () => inProcessEncoder().encode("logs", parts, {})),
    await measure("Parquet in the worker", rows, () => worker.encode("logs", parts, {})),
  ];
  await worker.close();
  const wasmMegabytes = parquetWasmBytes() / 1e6;
  if (flags.json) return void process.stdout.write(JSON.stringify({ rows, wasmMegabytes, results }) + "\n");
  for (const { what, rowsPerCpuSecond, firstRoundCpuMs, bytesPerRow } of results) {
    const speed = `${(rowsPerCpuSecond / 1e6).toFixed(3)} M rows/CPU-s`;
    const first = `first round ${firstRoundCpuMs.toFixed(0)} ms CPU`;
    process.stdout.write(
      `${what.padEnd(26)} ${speed.padStart(20)} ${bytesPerRow.toFixed(1).padStart(8)} B/row   ${first}\n`,
    );
  }
  process.stdout.write(`WASM memory ${wasmMegabytes.toFixed(1)} MB after ${rows} rows a segment\n`);
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
