/**
 * Needles and dashboards over a long history: `node compile/bun.mjs tests/bench/needles.ts [options]`.
 *
 * The server answers through its API within `memory.limit: 512MiB`; DuckDB scans the same files in this process,
 * without an index or a planner of ours. Both must find the same. Prints a table, writes dist/bench/needles.json.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { systemRandom } from "../../core/env/random.ts";
import { buildIndex } from "../../core/index/build.ts";
import { indexPath } from "../../core/index/format.ts";
import type { SegmentMeta } from "../../core/manifest/manifest.ts";
import { type Signal, signals } from "../../core/model/columns.ts";
import { NodeDisk } from "../../edge/disk/disk.ts";
import { type BesideReport, measureBeside } from "./beside.ts";
import { buildHistory, historySize, readHours } from "./history.ts";
import { describeMachine, type Machine, percentile } from "./machine.ts";
import { type Ask, needleQueries, type NeedleQuery, type Samples } from "./needle-queries.ts";
import { type Measured, needleRow, needlesHeading, type Times, whole } from "./needles-table.ts";
import { openPlain, type PlainDuckDb } from "./plain.ts";
import { openwitCommand, type ServerUnderTest, startServer } from "./server.ts";

const usage = `node compile/bun.mjs tests/bench/needles.ts [options]

  --rows N          log records, with a fifth as many spans and as many points (default 5000000)
  --data-dir DIR    where the history is, or is built, and stays (default a temporary folder)
  --build-seconds N build for so long at most, and measure only when all is there
  --build-only      measure nothing
  --rounds N        times that the server is asked, after two to warm up (default 15); what is slow, less often
  --plain-rounds N  times that DuckDB scans, after one to warm up (default 3); with 0 that one counts
  --only PATTERN    queries whose name matches
  --beside N        ask once more, by turns while N log records a second arrive and while none do
  --executable FILE what to measure (default dist/openwit-linux-*, else the sources)
  --json FILE       (default dist/bench/needles.json)
`;

const { values } = parseArgs({
  options: {
    "rows": { type: "string", default: "5000000" },
    "data-dir": { type: "string" },
    "build-seconds": { type: "string", default: "Infinity" },
    "build-only": { type: "boolean", default: false },
    "rounds": { type: "string", default: "15" },
    "plain-rounds": { type: "string", default: "3" },
    "only": { type: "string", default: "" },
    "beside": { type: "string" },
    "executable": { type: "string" },
    "json": { type: "string", default: "dist/bench/needles.json" },
    "help": { type: "boolean", default: false },
  },
});

interface StoredSignal {
  readonly rows: number;
  readonly segments: number;
  readonly bytes: number;
  readonly indexBytes: number;
  /** Of a few segments built anew, reading included. */
  readonly indexRowsPerCpuSecond: number;
}

interface NeedlesReport {
  readonly at: string;
  readonly command: readonly string[];
  readonly machine: Machine;
  readonly stored: Readonly<Record<Signal, StoredSignal>>;
  readonly samples: Samples;
  readonly queries: readonly Measured[];
  readonly peakBytes: number;
  readonly load?: Omit<BesideReport, "times">;
}

/** What is slow is asked less often: three times at least. */
const askedMsMax = 10_000;

if (values.help) process.stdout.write(usage);
else await main();

async function main(): Promise<void> {
  const rows = Number(values.rows);
  const folder = values["data-dir"] === undefined
    ? mkdtempSync(join(tmpdir(), "openwit-needles-"))
    : undefined;
  try {
    await run(rows, folder === undefined ? resolve(values["data-dir"]!) : join(folder, "data"));
  } finally {
    if (folder !== undefined) rmSync(folder, { recursive: true });
  }
}

async function run(rows: number, dataDir: string): Promise<void> {
  const isWhole = await buildHistory(
    dataDir,
    historySize(rows),
    Number(values["build-seconds"]) * 1_000,
    say,
  );
  if (!isWhole) return say("the history is not whole yet: run this again");
  if (values["build-only"]) return;
  const report = await measure(dataDir);
  mkdirSync(dirname(values.json), { recursive: true });
  await Bun.write(values.json, JSON.stringify(report, null, 2) + "\n");
  process.stdout.write(`${render(report)}\nwritten to ${values.json}\n`);
}

async function measure(dataDir: string): Promise<NeedlesReport> {
  const segments = readHours(dataDir).flatMap((hour) => hour.segments);
  const pathsOf = (signal: Signal) =>
    segments.filter((each) => each.signal === signal).map(({ path }) => path);
  const plain = await openPlain(dataDir, {
    logs: pathsOf("logs"),
    spans: pathsOf("spans"),
    metrics: pathsOf("metrics"),
  });
  const stored = await describeStored(dataDir, segments);
  const runDir = `${dataDir}-run`;
  cloneFolder(dataDir, runDir);
  const command = openwitCommand(values.executable);
  const server = await startServer(command, runDir, {
    settings: { OPENWIT_MEMORY__LIMIT: "512MiB" },
    readyMsMax: 60_000,
  });
  try {
    const samples = await sample(plain, segments);
    const pattern = new RegExp(values.only, "i");
    const queries = needleQueries(samples).filter(({ name }) => pattern.test(name));
    const measured: Measured[] = [];
    say(needlesHeading);
    for (const query of queries) {
      const result = await measureQuery(server, plain, query);
      measured.push(result);
      say(needleRow(result)); // seen also when the run is stopped
    }
    const load = values.beside === undefined ? undefined : await measureBeside(
      server,
      new Map(queries.map((query) => [query.name, () => ask(server, query.ask)])),
      { rate: Number(values.beside), stretches: 5, seconds: 15 },
      say,
    );
    return {
      at: new Date().toISOString(),
      command,
      machine: describeMachine(runDir),
      stored,
      samples,
      queries: measured.map((each) => {
        const times = load?.times.get(each.name);
        return times === undefined ? each : { ...each, byTurns: times };
      }),
      peakBytes: server.resident().peak,
      ...(load === undefined ? {} : { load: reportOf(load) }),
    };
  } finally {
    plain.close();
    await server.stop();
    rmSync(runDir, { recursive: true });
  }
}

/** Hard links of the files, which nothing changes: what a run writes and removes is its own. */
function cloneFolder(from: string, to: string): void {
  rmSync(to, { recursive: true, force: true });
  const { status, stderr } = spawnSync("cp", ["-al", from, to], { encoding: "utf8" });
  if (status !== 0) throw new Error(`cannot link ${from} to ${to}: ${stderr}`);
  // The manifest alone is appended to, and the lock is the server's own.
  rmSync(join(to, "manifest"), { recursive: true });
  rmSync(join(to, "run"), { recursive: true, force: true });
  spawnSync("cp", ["-a", join(from, "manifest"), join(to, "manifest")]);
}

async function describeStored(
  dataDir: string,
  segments: readonly SegmentMeta[],
): Promise<Record<Signal, StoredSignal>> {
  const stored = {} as Record<Signal, StoredSignal>;
  for (const signal of signals) {
    const own = segments.filter((each) => each.signal === signal);
    const sum = (valueOf: (segment: SegmentMeta) => number) =>
      own.reduce((total, each) => total + valueOf(each), 0);
    stored[signal] = {
      rows: sum(({ rows }) => rows),
      segments: own.length,
      bytes: sum(({ bytes }) => bytes),
      indexBytes: sum(({ path }) => statSync(join(dataDir, indexPath(path))).size),
      indexRowsPerCpuSecond: await indexSpeed(dataDir, own),
    };
  }
  return stored;
}

/** The first of the segments warm the compiler up, and do not count. */
async function indexSpeed(dataDir: string, segments: readonly SegmentMeta[]): Promise<number> {
  const disk = new NodeDisk(dataDir);
  const largest = [...segments].sort((a, b) => b.rows - a.rows);
  const index = async (some: readonly SegmentMeta[]) => {
    const before = process.cpuUsage();
    for (const segment of some) await buildIndex(disk, systemRandom, segment);
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1e6;
  };
  await index(largest.slice(0, 2));
  const counted = largest.slice(2, 6).length > 0 ? largest.slice(2, 6) : largest.slice(0, 1);
  const seconds = await index(counted);
  return counted.reduce((sum, { rows }) => sum + rows, 0) / seconds;
}

async function sample(plain: PlainDuckDb, segments: readonly SegmentMeta[]): Promise<Samples> {
  const endNs = segments.reduce((end, { maxTimeNs }) => maxTimeNs > end ? maxTimeNs : end, 0n);
  const endMs = Number(endNs / 1_000_000n) + 1;
  const at = (ms: number) => new Date(ms).toISOString();
  const middle = [...segments].filter(({ signal }) => signal === "spans").sort((a, b) => a.hour - b.hour);
  const { minTimeNs } = middle[Math.floor(middle.length / 2)];
  const around = (column: string) => {
    const fromMs = Number(minTimeNs / 1_000_000n);
    return `${column} >= '${at(fromMs)}' AND ${column} < '${at(fromMs + 600_000)}'`;
  };
  const one = async (sql: string) => {
    const [row] = await plain.rows(sql);
    if (row === undefined) throw new Error(`the history has no sample: ${sql}`);
    return row[0];
  };
  return {
    end: at(endMs),
    dayBefore: at(endMs - 86_400_000),
    hourBefore: at(endMs - 3_600_000),
    trace: await one(
      `SELECT trace_id FROM spans WHERE ${around("start_timestamp")} GROUP BY ALL
        ORDER BY count(DISTINCT service_name) DESC, trace_id LIMIT 1`,
    ),
    order: await one(
      `SELECT attributes['order.id'] AS id FROM logs WHERE ${
        around("timestamp")
      } AND id IS NOT NULL ORDER BY id LIMIT 1`,
    ),
    pod: await one(
      `SELECT json_extract_string(resource_attributes, '/k8s.pod.name') AS pod FROM logs
        WHERE ${around("timestamp")} AND service_name = 'payment' AND pod IS NOT NULL ORDER BY pod LIMIT 1`,
    ),
  };
}

async function measureQuery(
  server: ServerUnderTest,
  plain: PlainDuckDb,
  query: NeedleQuery,
): Promise<Measured> {
  const plainTimes: number[] = [];
  let expected: string[][] = [];
  const rounds = Number(values["plain-rounds"]);
  for (let round = 0; round <= rounds; round++) {
    const beganMs = performance.now();
    expected = await plain.rows(query.plainSql);
    if (round > 0 || rounds === 0) plainTimes.push(performance.now() - beganMs);
  }
  const found = await ask(server, query.ask);
  const isSame = query.same === "rows"
    ? found.length === expected.length
    : Bun.deepEquals(found.map((row) => row.map(String)), expected);
  if (!isSame) {
    throw new Error(
      `${query.name}: the server gave ${JSON.stringify(found).slice(0, 500)}, the files have ${
        JSON.stringify(expected).slice(0, 500)
      }`,
    );
  }
  return {
    name: query.name,
    rows: expected.length,
    plainMs: percentile(plainTimes, 0.5),
    ours: await timesOf(server, query.ask, 2, Number(values.rounds)),
    ...(query.wanted === undefined ? {} : { wanted: query.wanted }),
  };
}

async function timesOf(server: ServerUnderTest, what: Ask, warmUp: number, rounds: number): Promise<Times> {
  const times: number[] = [];
  const startedMs = performance.now();
  for (let round = 0; times.length < rounds; round++) {
    const beganMs = performance.now();
    await ask(server, what);
    const endedMs = performance.now();
    const isWarm = round >= warmUp || endedMs - startedMs > askedMsMax;
    if (isWarm) times.push(endedMs - beganMs);
    if (times.length >= 3 && endedMs - startedMs > askedMsMax) break;
  }
  return { p50: percentile(times, 0.5), p95: percentile(times, 0.95) };
}

async function ask(server: ServerUnderTest, what: Ask): Promise<unknown[][]> {
  if ("sql" in what) return (await server.query(what.sql)) as unknown[][];
  const response = await fetch(`${server.http}${what.path}`);
  if (!response.ok) throw new Error(`${what.path} answered ${response.status}: ${await response.text()}`);
  return what.read(await response.json() as Record<string, unknown>);
}

function reportOf({ times: _, ...report }: BesideReport): NeedlesReport["load"] {
  return report;
}

function render({ machine, stored, queries, peakBytes, load }: NeedlesReport): string {
  const lines = [
    `${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.cpu}; load average ${machine.loadAverage}`,
    ...signals.map((signal) => {
      const { rows, segments, bytes, indexBytes, indexRowsPerCpuSecond } = stored[signal];
      return `${whole(rows)} ${signal} in ${segments} segments of ${whole(bytes / 2 ** 20)} MiB; index ${
        whole(indexBytes / 2 ** 20)
      } MiB (${(100 * indexBytes / bytes).toFixed(1)}%), built at ${
        whole(indexRowsPerCpuSecond)
      } rows a CPU-second`;
    }),
    `resident memory of the server, highest: ${whole(peakBytes / 2 ** 20)} MiB`,
    ...(load === undefined ? [] : [
      `beside: ${
        whole(load.perSecond)
      } records a second, ${load.failures} failures, ${load.retries} retries, ${load.refused} queries refused`,
    ]),
    "",
    needlesHeading,
    ...queries.map(needleRow),
  ];
  return lines.join("\n");
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
