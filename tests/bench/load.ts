/**
 * The load of the benchmark, in a process of its own so that its CPU time is not the server's. Bodies are made and
 * compressed before the clock starts.
 *
 * Protocol: the options as one JSON argument; prints "ready" when the bodies are made, begins at a line on stdin,
 * prints the `LoadReport` as JSON.
 */
import { gzipSync } from "node:zlib";
import process from "node:process";
import type { Signal } from "../../core/model/columns.ts";
import { OpenWitError } from "../../core/error.ts";
import { grpcTransport } from "../../edge/demo/grpc-transport.ts";
import { httpTransport } from "../../edge/demo/http-transport.ts";
import { Shop } from "../../edge/demo/shop.ts";

export interface LoadOptions {
  readonly endpoint: string;
  readonly protocol: "grpc" | "http";
  readonly compression: "none" | "gzip";
  readonly signal: Signal;
  readonly records: number;
  readonly batchRecords: number;
  readonly concurrency: number;
  readonly connections: number;
  readonly seed: number;
  /** Records a second to offer, at even times; as fast as they are taken when absent. */
  readonly rate?: number;
}

export interface LoadReport {
  readonly records: number;
  readonly requests: number;
  /** Of the messages, before compression. */
  readonly bytes: number;
  readonly wireBytes: number;
  readonly wallSeconds: number;
  /** Of the load's own process. */
  readonly cpuSeconds: number;
  readonly retries: number;
  readonly failures: number;
  readonly lastError: string;
  /**
   * From when a request was due until its acknowledgement, milliseconds: with a rate, what a late server keeps
   * waiting counts too.
   */
  readonly latenciesMs: number[];
  /** When each of them was due, milliseconds from the beginning of the load. */
  readonly dueMs: number[];
}

/** Starts the load's process, waits until it is ready, runs it. */
export async function prepareLoad(options: LoadOptions): Promise<{ run(): Promise<LoadReport> }> {
  const child = Bun.spawn([process.execPath, import.meta.path, JSON.stringify(options)], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
  });
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes("\n")) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`the load ended before it was ready, with status ${await child.exited}`);
    text += value;
  }
  return {
    async run() {
      child.stdin.write("go\n");
      child.stdin.end();
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        text += value;
      }
      return JSON.parse(text.slice(text.indexOf("\n") + 1));
    },
  };
}

if (import.meta.main) await main(JSON.parse(process.argv[2]));

async function main(options: LoadOptions): Promise<void> {
  const batches = makeBatches(options);
  process.stdout.write("ready\n");
  await new Promise((resolve) => process.stdin.once("data", resolve));
  const report = await send(options, batches);
  process.stdout.write(JSON.stringify(report), () => process.exit(0));
}

interface PreparedBatch {
  readonly wire: Uint8Array;
  readonly bytes: number;
  readonly records: number;
}

function makeBatches({ signal, records, batchRecords, compression, seed }: LoadOptions): PreparedBatch[] {
  // a minute of the shop's time, just past: the records of one load are of one age, as on a busy box
  const seconds = 60;
  const shop = new Shop({
    seed,
    rate: Math.ceil(records * 1.05 / seconds),
    signals: [signal],
    isSteady: true,
  });
  const fromMs = Math.floor(Date.now() / 1_000) * 1_000 - (seconds + 1) * 1_000;
  const batches: PreparedBatch[] = [];
  let made = 0;
  for (const batch of shop.generate(fromMs, fromMs + seconds * 1_000 * 2, batchRecords)) {
    const wire = compression === "gzip" ? gzipSync(batch.body, { level: 1 }) : batch.body;
    batches.push({ wire, bytes: batch.body.length, records: batch.records });
    made += batch.records;
    if (made >= records) break;
  }
  return batches;
}

async function send(options: LoadOptions, batches: PreparedBatch[]): Promise<LoadReport> {
  const transports = Array.from({ length: options.connections }, () => {
    const settings = { ...options, timeoutMs: 60_000 };
    return options.protocol === "grpc" ? grpcTransport(settings) : httpTransport(settings);
  });
  const latenciesMs: number[] = [];
  const dues: number[] = [];
  let next = 0, records = 0, bytes = 0, wireBytes = 0, retries = 0, failures = 0, due = 0, lastError = "";
  const beganMs = performance.now();
  const cpuBefore = process.cpuUsage();

  const worker = async (index: number) => {
    const transport = transports[index % transports.length];
    while (next < batches.length) {
      const batch = batches[next++];
      let dueMs = performance.now();
      if (options.rate !== undefined) {
        dueMs = beganMs + due / options.rate * 1_000;
        due += batch.records;
        if (dueMs > performance.now()) await Bun.sleep(dueMs - performance.now());
      }
      for (;;) {
        try {
          await transport.post(
            options.signal,
            batch.wire,
            options.compression === "gzip",
            AbortSignal.timeout(60_000),
          );
          latenciesMs.push(performance.now() - dueMs);
          dues.push(dueMs - beganMs);
          records += batch.records;
          bytes += batch.bytes;
          wireBytes += batch.wire.length;
          break;
        } catch (error) {
          lastError = String(error);
          if (!(error instanceof OpenWitError) || !error.retryable || retries > 10_000) {
            failures++;
            break;
          }
          retries++;
          await Bun.sleep(Math.min(error.retryAfterMs ?? 100, 200)); // a load that pauses long would measure itself
        }
      }
    }
  };
  await Promise.all(Array.from({ length: options.concurrency }, (_, index) => worker(index)));
  const wallSeconds = (performance.now() - beganMs) / 1_000;
  for (const transport of transports) transport.close();
  const { user, system } = process.cpuUsage(cpuBefore);
  return {
    records,
    requests: latenciesMs.length,
    bytes,
    wireBytes,
    wallSeconds,
    cpuSeconds: (user + system) / 1e6,
    retries,
    failures,
    lastError,
    latenciesMs,
    dueMs: dues,
  };
}
