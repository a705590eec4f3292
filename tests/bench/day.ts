/**
 * A day of a box in accelerated time: `node compile/bun.mjs tests/bench/day.ts --hours 24`.
 *
 * The demo shop's logs, spans and points of two tenants come for so many hours, flushed every five minutes; segments are merged,
 * indexed, swept and, after the retention, evicted, as a node does; fixed queries are asked every hour. All is real,
 * on a real disk and with the real engine, but the clock.
 *
 * Prints a line an hour; fails when the number of segments grows on once the retention has set in, or when more than
 * four bytes were written for each that was stored. Latencies are for reading: the machine has its part in them.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { DiskBudget } from "../../core/budget/budget.ts";
import { Compactor } from "../../core/compact/compact.ts";
import { orElse } from "../../core/compact/fallback.ts";
import { timeMerger } from "../../core/compact/time_merger.ts";
import { defaultCompactionPolicy } from "../../core/compact/plan.ts";
import { writeAmplification } from "../../core/compact/write-amplification.ts";
import { silentLog } from "../../core/env/log.ts";
import { systemRandom } from "../../core/env/random.ts";
import { directIndexer } from "../../core/index/indexer.ts";
import { Metrics } from "../../core/metrics/metrics.ts";
import { type Signal, signals } from "../../core/model/columns.ts";
import { openStore } from "../../core/store/open.ts";
import { defaultStoreOptions, type Store } from "../../core/store/store.ts";
import { queryRoutes } from "../../edge/api/query.ts";
import { parseInteger } from "../../edge/config/parse.ts";
import { NodeDisk } from "../../edge/disk/disk.ts";
import { Shop } from "../../edge/demo/shop.ts";
import { defaultEngineOptions, duckDBEngine } from "../../edge/duckdb/engine.ts";
import { duckDBMerger } from "../../edge/duckdb/merge.ts";
import { collectGarbage } from "../../edge/background/garbage.ts";
import { workerEncoder } from "../../edge/parquet/worker-encoder.ts";
import { SimClock } from "../sim/clock.ts";
import { percentile } from "./machine.ts";
import { PreparedStatements } from "../../core/query/prepared.ts";

const usage = `node compile/bun.mjs tests/bench/day.ts [options]

  --hours N       simulated hours (default 24)
  --rate N        records a second of each tenant, all signals together, on the average of a day (default 20)
  --retention N   hours that records are kept (default a quarter of the hours)
  --json FILE     (default dist/bench/day.json)
`;

const { values } = parseArgs({
  options: {
    "hours": { type: "string", default: "24" },
    "rate": { type: "string", default: "20" },
    "retention": { type: "string" },
    "json": { type: "string", default: "dist/bench/day.json" },
    "help": { type: "boolean", default: false },
  },
});

const hourMs = 3_600_000;
const flushMs = 5 * 60_000;
const writeAmplificationMax = 4;
const tenants = ["alpha", "beta"];

/** Each is asked of the last hour, as a dashboard does, or of everything. */
const queries: Record<string, string> = {
  "count by service, an hour":
    `SELECT service_name, count(*) FROM logs WHERE timestamp > now() - INTERVAL 1 HOUR GROUP BY ALL`,
  "newest 100 logs":
    `SELECT * FROM logs WHERE timestamp > now() - INTERVAL 1 HOUR ORDER BY timestamp DESC LIMIT 100`,
  "p99 by operation, an hour":
    `SELECT name, quantile_cont(duration_ns, 0.99) FROM spans WHERE start_timestamp > now() - INTERVAL 1 HOUR GROUP BY ALL`,
  "mean by metric, an hour":
    `SELECT metric_name, avg(value) FROM metrics WHERE timestamp > now() - INTERVAL 1 HOUR GROUP BY ALL`,
  "errors of all time": `SELECT count(*) FROM logs WHERE severity_number >= 17`,
};

interface Hour {
  readonly hour: number;
  /** By level. */
  readonly segments: readonly number[];
  readonly storedBytes: number;
  /** Bytes written so far for each byte that was stored, WAL and merges included. */
  readonly writeAmplification: number;
  readonly queriesMs: Record<string, number>;
}

if (values.help) process.stdout.write(usage);
else process.exitCode = await main();

async function main(): Promise<number> {
  const hours = parseInteger(values.hours, "--hours");
  const retentionHours = parseInteger(
    values.retention ?? String(Math.max(1, Math.floor(hours / 4))),
    "--retention",
  );
  const folder = await mkdtemp(join(tmpdir(), "openwit-day-"));
  const day = await Day.open(folder, retentionHours * hourMs);
  try {
    const measured: Hour[] = [];
    for (let hour = 1; hour <= hours; hour++) {
      await day.live(parseInteger(values.rate, "--rate"));
      measured.push(await day.measure(hour));
      process.stderr.write(lineOf(measured.at(-1)!));
    }
    const report = {
      hours,
      retentionHours,
      ...day.totals(),
      ...summaryOf(measured, retentionHours),
      measured,
    };
    await Bun.write(values.json, JSON.stringify(report, null, 2) + "\n");
    process.stdout.write(
      `${JSON.stringify({ ...report, measured: undefined }, null, 2)}\nwritten to ${values.json}\n`,
    );
    const isBounded = report.segmentsLate <= report.segmentsEarly * 1.25 + 2;
    const isFrugal = measured.at(-1)!.writeAmplification <= writeAmplificationMax;
    if (!isBounded) process.stderr.write("the number of segments grows\n");
    if (!isFrugal) {
      process.stderr.write(`more than ${writeAmplificationMax} bytes are written for each that is stored\n`);
    }
    return isBounded && isFrugal ? 0 : 1;
  } finally {
    await day.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** The most segments, and the medians of the queries, of the first hours under retention and of as many last ones. */
function summaryOf(measured: readonly Hour[], retentionHours: number) {
  const steady = measured.slice(Math.min(retentionHours, measured.length - 2));
  const half = Math.ceil(steady.length / 2);
  const [early, late] = [steady.slice(0, half), steady.slice(-half)];
  const most = (of: readonly Hour[]) => Math.max(...of.map(({ segments }) => sumOf(segments)));
  const median = (of: readonly Hour[], name: string) =>
    percentile(of.map(({ queriesMs }) => queriesMs[name]), 0.5);
  return {
    segmentsEarly: most(early),
    segmentsLate: most(late),
    latencies: Object.fromEntries(
      Object.keys(queries).map((name) => {
        const [earlyMs, lateMs] = [median(early, name), median(late, name)];
        return [name, { earlyMs, lateMs, ratio: lateMs / earlyMs }];
      }),
    ),
  };
}

class Day {
  readonly #bytes: Record<Signal, { records: number; raw: number; gzip: number }> = {
    logs: { records: 0, raw: 0, gzip: 0 },
    spans: { records: 0, raw: 0, gzip: 0 },
    metrics: { records: 0, raw: 0, gzip: 0 },
  };
  #compactionCpuSeconds = 0;

  private constructor(
    readonly store: Store,
    readonly clock: SimClock,
    readonly budget: DiskBudget,
    readonly compactor: Compactor,
    readonly query: (tenant: string, sql: string) => Promise<void>,
    readonly close: () => Promise<void>,
  ) {}

  static async open(folder: string, retentionMs: number): Promise<Day> {
    const clock = new SimClock();
    const disk = new NodeDisk(folder);
    const encoder = workerEncoder();
    const env = { disk, clock, random: systemRandom, log: silentLog, encoder, metrics: new Metrics() };
    const budget = await DiskBudget.open(env, {
      budget: { percent: 80 },
      whenFull: "evict-oldest",
      retentionMs,
    });
    const store = await openStore(env, {
      ...defaultStoreOptions,
      wal: { ...defaultStoreOptions.wal, sync: "never" },
    });
    budget.attach(store);
    const engineMerger = duckDBMerger({
      dataDir: folder,
      memoryBytes: 128 * 1024 * 1024,
      spillBytes: 1024 ** 3,
    });
    const merger = orElse(
      disk,
      timeMerger(disk, { random: systemRandom, collect: collectGarbage() }),
      engineMerger,
    );
    const indexer = directIndexer(disk, systemRandom);
    const policy = defaultCompactionPolicy;
    const compactor = new Compactor(store, merger, {
      policy,
      dutyCycle: 1,
      indexer,
      roomBytes: () => Infinity,
    });
    const engine = duckDBEngine({ ...defaultEngineOptions, dataDir: folder, memoryBytes: 179 * 1024 * 1024 });
    const app = queryRoutes({
      dataDir: folder,
      metrics: env.metrics,
      searchTimeoutMs: 60_000,
      searchRowsMax: 1_000_000,
      searchBytesMax: Number.MAX_SAFE_INTEGER,
      sqlBytesMax: 1_000_000,
      store: () => store,
      engine: () => engine,
      statements: new PreparedStatements(),
    });
    const query = async (tenant: string, sql: string) => {
      const response = await app.request("/api/v1/query", {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-Scope-OrgID": tenant },
        body: JSON.stringify({ sql }),
      });
      const text = await response.text();
      if (!response.ok) throw new Error(text);
    };
    return new Day(store, clock, budget, compactor, query, async () => {
      await engine.close();
      await store.close();
      await encoder.close();
    });
  }

  /** An hour of records, flushes and maintenance. */
  async live(rate: number): Promise<void> {
    for (let minute = 0; minute < hourMs; minute += flushMs) {
      const fromMs = Math.round(Number(this.clock.nowNs() / 1_000_000n) / 1_000) * 1_000;
      await this.clock.advance(flushMs);
      for (const [index, tenant] of tenants.entries()) {
        const shop = new Shop({ seed: index + 1, rate, signals });
        for (const { signal, body, records } of shop.generate(fromMs, fromMs + flushMs)) {
          const request = {
            tenant,
            signal,
            protocol: "otlp-grpc",
            encoding: "protobuf",
            compression: "identity",
          } as const;
          await this.store.ingest({ ...request, body, wire: body });
          const of = this.#bytes[signal];
          of.records += records;
          of.raw += body.length;
          of.gzip += gzipSync(body).length;
        }
      }
      await this.store.flush();
      const before = process.cpuUsage();
      await this.compactor.run(new AbortController().signal);
      const { user, system } = process.cpuUsage(before);
      this.#compactionCpuSeconds += (user + system) / 1e6;
      await this.store.retired.sweep();
    }
    await this.budget.run();
  }

  async measure(hour: number): Promise<Hour> {
    const queriesMs: Record<string, number> = {};
    for (const [name, sql] of Object.entries(queries)) {
      // The clock of the statement is the machine's: the shop's now is put in its place.
      const now = `make_timestamp_ns(${this.clock.nowNs()})`;
      const times: number[] = [];
      for (let round = 0; round < 5; round++) {
        const beganMs = performance.now();
        await this.query(tenants[0], sql.replace("now()", now));
        times.push(performance.now() - beganMs);
      }
      queriesMs[name] = percentile(times, 0.5);
    }
    const segments = [...this.store.manifest.state.segments.values()];
    return {
      hour,
      segments: [0, 1, 2].map((level) => segments.filter((segment) => segment.level === level).length),
      storedBytes: segments.reduce((sum, { bytes }) => sum + bytes, 0),
      writeAmplification: writeAmplification(this.store),
      queriesMs,
    };
  }

  totals() {
    const { metrics } = this.store.env;
    const mergedRows = metrics.total("openwit_compacted_rows_total");
    const segments = [...this.store.manifest.state.segments.values()].filter(({ level }) => level === 2);
    return {
      bytesPerRecord: Object.fromEntries(signals.map((signal) => {
        const { records, raw, gzip } = this.#bytes[signal];
        const of = segments.filter((segment) => segment.signal === signal);
        const rows = of.reduce((sum, segment) => sum + segment.rows, 0);
        const stored = of.reduce((sum, segment) => sum + segment.bytes, 0);
        return [signal, { records, rawOtlp: raw / records, gzip: gzip / records, merged: stored / rows }];
      })),
      mergedRows,
      mergedRowsPerCpuSecond: mergedRows / this.#compactionCpuSeconds,
    };
  }
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, each) => sum + each, 0);
}

function lineOf({ hour, segments, storedBytes, writeAmplification, queriesMs }: Hour): string {
  const times = Object.values(queriesMs).map((ms) => ms.toFixed(0)).join(" ");
  return `hour ${hour}: ${sumOf(segments)} segments (L0 L1 L2: ${segments.join(" ")}), ` +
    `${(storedBytes / 2 ** 20).toFixed(1)} MiB, written ${
      writeAmplification.toFixed(2)
    } a byte, queries ${times} ms\n`;
}
