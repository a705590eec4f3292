/**
 * `npm run bench`: what one box takes and answers, measured from outside on the real executable.
 *
 * Ingest: records and bytes for each CPU-second of the server (all its threads, until everything is acknowledged
 * and flushed to L0), acknowledgement latency, memory. Then queries, and the one-shot command.
 * Prints a table and writes dist/bench/{name}.json. Shares of other processes on the machine show in its load average.
 */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import type { Signal } from "../../core/model/columns.ts";
import type { BuildReport } from "./build.ts";
import { type LoadOptions, type LoadReport, prepareLoad } from "./load.ts";
import { describeMachine, type Machine, percentile } from "./machine.ts";
import { openwitCommand, type ServerUnderTest, startServer } from "./server.ts";

const usage = `npm run bench -- [options]

  --records N              records to ingest (default 1000000)
  --signal logs|spans|metrics   (default logs)
  --protocol grpc|http     (default grpc)
  --compression none|gzip  (default none)
  --concurrency N          requests under way at once (default 8)
  --connections N          (default 2)
  --batch N                records a request (default 1000)
  --stored N               time the one-shot query on a folder of N rows, built for it (default: what was ingested)
  --quick                  100,000 records and shorter runs
  --executable FILE        what to measure (default dist/openwit-linux-*, else the sources)
  --data-dir DIR           where to put the data, and keep it (default a temporary folder)
  --json FILE              (default dist/bench/{signal}-{protocol}.json)
`;

interface Latency {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

interface BenchReport {
  readonly at: string;
  readonly command: string[];
  readonly machine: Machine;
  readonly options: Record<string, unknown>;
  readonly ingest: {
    readonly records: number;
    readonly bytes: number;
    readonly requests: number;
    readonly retries: number;
    readonly failures: number;
    readonly recordsPerCpuSecond: number;
    readonly bytesPerCpuSecond: number;
    /** Until acknowledged, without the flush of what was still in memory. */
    readonly recordsPerCpuSecondAcknowledged: number;
    readonly recordsPerSecond: number;
    readonly cpuSeconds: number;
    readonly storedBytesPerRecord: number;
  };
  readonly latencyMs: { readonly full: Latency; readonly half: Latency; readonly halfRate: number };
  readonly residentBytes: { readonly idle: number; readonly afterLoad: number; readonly peak: number };
  readonly queriesMs: Record<string, number>;
  /** `openwit query` from its start to its end, a count by service, median. */
  readonly oneShotMs: number;
  /** Rows in the folder that it asked. */
  readonly storedRows: number;
}

const { values } = parseArgs({
  options: {
    "records": { type: "string" },
    "signal": { type: "string", default: "logs" },
    "protocol": { type: "string", default: "grpc" },
    "compression": { type: "string", default: "none" },
    "concurrency": { type: "string", default: "8" },
    "connections": { type: "string", default: "2" },
    "batch": { type: "string", default: "1000" },
    "stored": { type: "string" },
    "quick": { type: "boolean", default: false },
    "executable": { type: "string" },
    "data-dir": { type: "string" },
    "json": { type: "string" },
    "help": { type: "boolean", default: false },
  },
});

if (values.help) process.stdout.write(usage);
else await main();

async function main(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "openwit-bench-"));
  try {
    const report = await measure(folder, values["data-dir"] ?? join(folder, "data"));
    const path = values.json ?? join("dist/bench", `${values.signal}-${values.protocol}.json`);
    await mkdir(dirname(path), { recursive: true });
    await Bun.write(path, JSON.stringify(report, null, 2) + "\n");
    process.stdout.write(`${renderReport(report)}\nwritten to ${path}\n`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function measure(folder: string, dataDir: string): Promise<BenchReport> {
  const command = openwitCommand(values.executable);
  const records = Number(values.records ?? (values.quick ? 100_000 : 1_000_000));
  const machine = describeMachine(folder);
  const server = await startServer(command, dataDir);
  let stopped = false;
  try {
    const load = loadOptions(server, records);
    await Bun.sleep(values.quick ? 1_000 : 3_000); // what is done after "ready" is not idle yet
    const idle = server.resident().now;
    say("warming up");
    const warmUp = await runLoad({ ...load, seed: 2, records: Math.ceil(records / 10) });
    await server.flush();

    say(`ingesting ${records} ${load.signal}`);
    const prepared = await prepareLoad(load);
    const storedBefore = await server.metric("openwit_segment_bytes");
    const cpuBefore = server.cpuSeconds();
    const full = await prepared.run();
    const cpuAcknowledged = server.cpuSeconds() - cpuBefore;
    await server.flush();
    const cpuFlushed = server.cpuSeconds() - cpuBefore;
    const stored = await server.metric("openwit_segment_bytes") - storedBefore;
    const afterLoad = server.resident().now;

    const halfRate = Math.floor(full.records / full.wallSeconds / 2);
    say(`offering half of that, ${halfRate} a second`);
    const halfRecords = Math.min(records, halfRate * (values.quick ? 3 : 15));
    const half = await runLoad({ ...load, seed: 3, records: halfRecords, rate: halfRate });
    await server.flush();
    const peak = server.resident().peak;

    const sent = warmUp.records + full.records + half.records;
    const storedRows = await countRows(server, load.signal);
    if (storedRows !== sent) {
      throw new Error(`${sent} records were acknowledged and ${storedRows} are stored`);
    }

    say("querying");
    const queriesMs = await measureQueries(server, load.signal, values.quick ? 3 : 7);
    await server.stop();
    stopped = true;
    const large = values.stored === undefined
      ? undefined
      : await buildLarge(folder, load.signal, Number(values.stored));
    const oneShotMs = await measureOneShot(command, large?.dataDir ?? dataDir, load.signal);
    return {
      at: new Date().toISOString(),
      command,
      machine,
      options: { ...load, endpoint: undefined, warmUpRecords: warmUp.records },
      ingest: {
        records: full.records,
        bytes: full.bytes,
        requests: full.requests,
        retries: full.retries,
        failures: full.failures,
        recordsPerCpuSecond: full.records / cpuFlushed,
        bytesPerCpuSecond: full.bytes / cpuFlushed,
        recordsPerCpuSecondAcknowledged: full.records / cpuAcknowledged,
        recordsPerSecond: full.records / full.wallSeconds,
        cpuSeconds: cpuFlushed,
        storedBytesPerRecord: stored / full.records,
      },
      latencyMs: { full: latency(full), half: latency(half), halfRate },
      residentBytes: { idle, afterLoad, peak },
      queriesMs,
      oneShotMs,
      storedRows: large?.rows ?? storedRows,
    };
  } finally {
    if (!stopped) await server.stop().catch((error) => say(`the server did not stop well: ${error.message}`));
  }
}

function loadOptions(server: ServerUnderTest, records: number): LoadOptions {
  const protocol = values.protocol as LoadOptions["protocol"];
  return {
    endpoint: protocol === "grpc" ? server.otlpGrpc : server.otlpHttp,
    protocol,
    compression: values.compression as LoadOptions["compression"],
    signal: values.signal as Signal,
    records,
    batchRecords: Number(values.batch),
    concurrency: Number(values.concurrency),
    connections: Number(values.connections),
    seed: 1,
  };
}

async function runLoad(options: LoadOptions): Promise<LoadReport> {
  return (await prepareLoad(options)).run();
}

function latency({ latenciesMs }: LoadReport): Latency {
  const at = (share: number) => percentile(latenciesMs, share);
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) };
}

async function countRows(server: ServerUnderTest, signal: Signal): Promise<number> {
  return Number(firstCell(await server.query(`SELECT count(*) AS n FROM ${signal}`)));
}

/** The first cell of an answer whose rows are arrays or objects. */
function firstCell(rows: unknown[]): unknown {
  return Object.values(rows[0] as object)[0];
}

async function measureQueries(
  server: ServerUnderTest,
  signal: Signal,
  rounds: number,
): Promise<Record<string, number>> {
  const measured: Record<string, number> = {};
  for (const [name, sql] of Object.entries(await queriesOf(server, signal))) {
    const times: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const beganMs = performance.now();
      const rows = await server.query(sql);
      times.push(performance.now() - beganMs);
      if (rows.length === 0) throw new Error(`the benchmark's query found nothing: ${sql}`);
    }
    measured[name] = percentile(times, 0.5);
  }
  return measured;
}

async function queriesOf(server: ServerUnderTest, signal: Signal): Promise<Record<string, string>> {
  const time = signal === "spans" ? "start_timestamp" : "timestamp";
  const common = {
    "count by service": `SELECT service_name, count(*) AS n FROM ${signal} GROUP BY ALL ORDER BY n DESC`,
    "count by minute":
      `SELECT date_trunc('minute', ${time}) AS minute, count(*) AS n FROM ${signal} GROUP BY ALL`,
    "newest 100 of a service":
      `SELECT * FROM ${signal} WHERE service_name = 'checkout' ORDER BY ${time} DESC LIMIT 100`,
  };
  if (signal === "metrics") {
    return {
      ...common,
      "mean by metric":
        `SELECT metric_name, avg(value) AS mean FROM metrics WHERE value IS NOT NULL GROUP BY ALL`,
    };
  }
  const trace = firstCell(await server.query(`SELECT trace_id FROM ${signal} LIMIT 1 OFFSET 777`));
  const byTrace = { "trace by id": `SELECT * FROM ${signal} WHERE trace_id = '${trace}' ORDER BY ${time}` };
  if (signal === "spans") {
    return {
      ...common,
      ...byTrace,
      "p99 by operation": `SELECT name, quantile_cont(duration_ns, 0.99) AS p99 FROM spans GROUP BY ALL`,
    };
  }
  return {
    ...common,
    ...byTrace,
    "LIKE on the body": `SELECT count(*) AS n FROM logs WHERE body LIKE '%could not be read%'`,
    "count by attribute":
      `SELECT attributes['user.id'] AS user, count(*) AS n FROM logs GROUP BY ALL ORDER BY n DESC LIMIT 10`,
  };
}

/** Runs the bulk builder, in a process of its own so that its memory is gone before anything is measured. */
async function buildLarge(
  folder: string,
  signal: Signal,
  rows: number,
): Promise<{ dataDir: string; rows: number }> {
  say(`building ${rows} rows`);
  const dataDir = join(folder, "large");
  const options = ["--data-dir", dataDir, "--rows", String(rows), "--signals", signal];
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "build.ts"), ...options], {
    stdout: "pipe",
    stderr: "inherit",
  });
  const answer = await new Response(child.stdout).text();
  if (await child.exited !== 0) throw new Error("the bulk builder failed");
  return { dataDir, rows: (JSON.parse(answer) as BuildReport).rows };
}

/** `openwit query --data-dir` on a folder that no server runs on: start to end of the process. */
async function measureOneShot(command: string[], dataDir: string, signal: Signal): Promise<number> {
  const sql = `SELECT service_name, count(*) AS n FROM ${signal} GROUP BY ALL`;
  const times: number[] = [];
  for (let round = 0; round < 5; round++) {
    const beganMs = performance.now();
    const child = Bun.spawn([...command, "query", "--data-dir", dataDir, sql], {
      stdout: "pipe",
      stderr: "pipe",
    });
    const [, complaint, status] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    if (status !== 0) throw new Error(`openwit query ended with status ${status}: ${complaint}`);
    times.push(performance.now() - beganMs);
  }
  return percentile(times, 0.5);
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

function renderReport(
  { machine, ingest, latencyMs, residentBytes, queriesMs, oneShotMs, storedRows }: BenchReport,
): string {
  const whole = (value: number) => Math.round(value).toLocaleString("en-US");
  const mebibytes = (value: number) => `${whole(value / 2 ** 20)} MiB`;
  const times = ({ p50, p90, p99, max }: Latency) =>
    [p50, p90, p99, max].map((each) => each.toFixed(1)).join(" / ");
  const rows: [string, string][] = [
    ["machine", `${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.cpu}`],
    ["", `${machine.kernel}, ${machine.runtime}, load average ${machine.loadAverage}`],
    [
      "fdatasync of 4 KiB",
      `${machine.fsyncMs.p50.toFixed(2)} ms median, ${machine.fsyncMs.p99.toFixed(2)} ms p99`,
    ],
    [
      "records per server CPU-second",
      `${whole(ingest.recordsPerCpuSecond)} (acknowledged and flushed to L0)`,
    ],
    ["  until acknowledged", `${whole(ingest.recordsPerCpuSecondAcknowledged)}`],
    ["bytes per server CPU-second", mebibytes(ingest.bytesPerCpuSecond)],
    ["records per second", whole(ingest.recordsPerSecond)],
    [
      "bytes a record",
      `${(ingest.bytes / ingest.records).toFixed(0)} sent, ${ingest.storedBytesPerRecord.toFixed(1)} stored`,
    ],
    ["retries, failures", `${ingest.retries}, ${ingest.failures}`],
    ["acknowledged within, full load", `${times(latencyMs.full)} ms (p50 / p90 / p99 / max)`],
    [`  at ${whole(latencyMs.halfRate)} a second`, `${times(latencyMs.half)} ms`],
    [
      "resident memory",
      `${mebibytes(residentBytes.idle)} idle, ${mebibytes(residentBytes.afterLoad)} after, ${
        mebibytes(residentBytes.peak)
      } peak`,
    ],
    ...Object.entries(queriesMs).map((
      [name, ms],
    ): [string, string] => [`query: ${name}`, `${ms.toFixed(1)} ms`]),
    ["openwit query, one shot", `${whole(oneShotMs)} ms on ${whole(storedRows)} rows`],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join("\n");
}
