/**
 * Makes a large data folder quickly: `node compile/bun.mjs tests/bench/build.ts --rows 10000000 --data-dir DIR`.
 *
 * Nothing of it is imitated: requests of the demo shop go through the store's own `ingest`, and its flush writes
 * the segments with the encoder of the server. What is left out is the network, and the fsyncs of the WAL.
 */
import { mkdir } from "node:fs/promises";
import { resolve } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { systemClock } from "../../core/env/clock.ts";
import type { Log } from "../../core/env/log.ts";
import { systemRandom } from "../../core/env/random.ts";
import { OpenWitError } from "../../core/error.ts";
import { Metrics } from "../../core/metrics/metrics.ts";
import { type Signal, signals } from "../../core/model/columns.ts";
import { openStore } from "../../core/store/open.ts";
import { defaultStoreOptions, type Store } from "../../core/store/store.ts";
import { defaultTenant } from "../../core/tenant.ts";
import { parseDuration, parseInteger } from "../../edge/config/parse.ts";
import { type Batch, Shop } from "../../edge/demo/shop.ts";
import { NodeDisk } from "../../edge/disk/disk.ts";
import { workerEncoder } from "../../edge/parquet/worker-encoder.ts";

export interface BuildOptions {
  readonly dataDir: string;
  readonly rows: number;
  readonly signals: readonly Signal[];
  /** Event time that the rows are spread over, up to now. */
  readonly spanMs: number;
  readonly seed: number;
  readonly tenant: string;
  /** Rows that one flush takes: how large the segments get, and how much memory this needs. */
  readonly flushRows: number;
}

export interface BuildReport {
  readonly rows: number;
  readonly segments: number;
  readonly segmentBytes: number;
  readonly seconds: number;
}

/** Fills a data folder that no server runs on. */
export async function build(options: BuildOptions, progress: (text: string) => void): Promise<BuildReport> {
  const beganMs = performance.now();
  await mkdir(options.dataDir, { recursive: true });
  const encoder = workerEncoder();
  const log: Log = (level, message, fields) => {
    if (level === "warn" || level === "error") {
      progress(`${level}: ${message} ${JSON.stringify(fields ?? {})}`);
    }
  };
  const env = {
    disk: new NodeDisk(resolve(options.dataDir)),
    clock: systemClock,
    random: systemRandom,
    log,
    encoder,
    metrics: new Metrics(),
  };
  const store = await openStore(env, {
    ...defaultStoreOptions,
    wal: { ...defaultStoreOptions.wal, sync: "never" },
    memoryBytesMax: 4 * 1024 ** 3,
  });
  try {
    const rows = await fill(store, options, progress);
    await store.flush();
    const segments = options.signals.flatMap((signal) => store.pin(options.tenant, signal).segments);
    return {
      rows,
      segments: segments.length,
      segmentBytes: segments.reduce((sum, { bytes }) => sum + bytes, 0),
      seconds: (performance.now() - beganMs) / 1_000,
    };
  } finally {
    await store.close();
    await encoder.close();
  }
}

async function fill(store: Store, options: BuildOptions, progress: (text: string) => void): Promise<number> {
  const spanSeconds = Math.ceil(options.spanMs / 1_000);
  // a little faster than asked, and cut at the end: what a visit leaves varies
  const shop = new Shop({ ...options, rate: 1.03 * options.rows / spanSeconds, isSteady: true });
  const toMs = Math.floor(Date.now() / 1_000) * 1_000;
  let rows = 0, unflushed = 0, shownMs = performance.now();
  let flushing: Promise<void> = Promise.resolve();
  for (const batch of shop.generate(toMs - spanSeconds * 1_000, toMs, 4_000)) {
    rows += await ingest(store, options.tenant, batch);
    unflushed += batch.records;
    if (unflushed >= options.flushRows) {
      await flushing; // one flush runs while the next rows are decoded, never two
      flushing = store.flush();
      unflushed = 0;
    }
    if (performance.now() - shownMs > 2_000) {
      progress(`${rows.toLocaleString("en-US")} rows`);
      shownMs = performance.now();
    }
    if (rows >= options.rows) break;
  }
  await flushing;
  return rows;
}

async function ingest(store: Store, tenant: string, { signal, body }: Batch): Promise<number> {
  const result = await store.ingest({
    tenant,
    signal,
    protocol: "otlp-grpc",
    encoding: "protobuf",
    body,
    wire: body,
    compression: "identity",
  });
  if (result.rejected === 0 && !result.duplicate) return result.rows;
  throw new OpenWitError("internal", `${result.rejected} records were refused: ${result.message}`);
}

const usage = `node compile/bun.mjs tests/bench/build.ts --data-dir DIR [options]

  --rows N          (default 10000000)
  --signals LIST    (default logs)
  --span TIME       event time that they are spread over (default 6h)
  --seed N          (default 1)
  --tenant NAME     (default "default")
  --flush-rows N    rows a flush (default 500000)
`;

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      "data-dir": { type: "string" },
      "rows": { type: "string", default: "10000000" },
      "signals": { type: "string", default: "logs" },
      "span": { type: "string", default: "6h" },
      "seed": { type: "string", default: "1" },
      "tenant": { type: "string", default: defaultTenant },
      "flush-rows": { type: "string", default: "500000" },
    },
  });
  if (values["data-dir"] === undefined) {
    process.stderr.write(usage);
    process.exit(2);
  }
  const wanted = values.signals.split(",");
  const report = await build({
    dataDir: values["data-dir"],
    rows: parseInteger(values.rows, "--rows"),
    signals: signals.filter((signal) => wanted.includes(signal)),
    spanMs: parseDuration(values.span, "--span"),
    seed: parseInteger(values.seed, "--seed"),
    tenant: values.tenant,
    flushRows: parseInteger(values["flush-rows"], "--flush-rows"),
  }, (text) => process.stderr.write(`${text}\n`));
  process.stdout.write(JSON.stringify(report) + "\n");
}
