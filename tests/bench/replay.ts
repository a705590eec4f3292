/**
 * How long a box takes to start on a large WAL:
 * `npm run compile && node compile/bun.mjs tests/bench/replay.ts --size 1GiB`.
 *
 * By default nothing of it was flushed, which is more than a box with this `memory.limit` can leave: unflushed rows
 * are in memory, and that is bounded. `--flushed 97%` is as a kill leaves a busy box: the last rows of its busy stream are
 * unflushed, and a quiet stream keeps the files of its flush age.
 *
 * The WAL is written by the store's own `Wal`, of requests of the demo shop: bodies compressed as it compresses them.
 * The executable is started on it with `memory.limit`; measured from outside are the time until a new request is
 * acknowledged, until `/ready`, and until all rows are back (which queries wait for), the highest resident memory and
 * the CPU time. Then the rows are counted by SQL, the process is killed, started again and asked again, so that a replay
 * that doubles or loses a row fails here.
 * With `--kills N` it is also killed N times in the middle of the replay before.
 */
import { cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { systemClock } from "../../core/env/clock.ts";
import { silentLog } from "../../core/env/log.ts";
import { systemRandom } from "../../core/env/random.ts";
import { Manifest } from "../../core/manifest/manifest.ts";
import { type Signal, signals } from "../../core/model/columns.ts";
import { contentHash } from "../../core/wal/dedup.ts";
import { Wal } from "../../core/wal/wal.ts";
import { defaultStoreOptions } from "../../core/store/store.ts";
import { defaultTenant } from "../../core/tenant.ts";
import { parseInteger, parseSize } from "../../edge/config/parse.ts";
import { Shop } from "../../edge/demo/shop.ts";
import { NodeDisk } from "../../edge/disk/disk.ts";
import { describeMachine } from "./machine.ts";
import { openwitCommand, type ServerUnderTest, startServer } from "./server.ts";

const usage = `node compile/bun.mjs tests/bench/replay.ts [options]

  --size SIZE       bytes of the WAL on disk (default 1GiB)
  --signals LIST    (default logs)
  --batch N         records a request (default 1000)
  --flushed SHARE   of the requests, the oldest ones (default 0%)
  --memory SIZE     memory.limit (default 512MiB)
  --kills N         kill -9 in the middle of the replay, so many times, before the start that is measured (default 0)
  --wal DIR         make the WAL there, or take it from there when it has been made (default: made and removed)
  --executable FILE what to measure (default dist/openwit-linux-*, else the sources)
  --json FILE       (default dist/bench/replay-{signals}.json)
`;

interface WalSize {
  /** Records of each request, in LSN order from 1 on, with its signal. */
  readonly requests: readonly (readonly [Signal, number])[];
  readonly bytes: number;
  /** Of the bodies, decompressed. */
  readonly decodedBytes: number;
}

const { values } = parseArgs({
  options: {
    "size": { type: "string", default: "1GiB" },
    "signals": { type: "string", default: "logs" },
    "batch": { type: "string", default: "1000" },
    "flushed": { type: "string", default: "0%" },
    "memory": { type: "string", default: "512MiB" },
    "kills": { type: "string", default: "0" },
    "wal": { type: "string" },
    "executable": { type: "string" },
    "json": { type: "string" },
    "help": { type: "boolean", default: false },
  },
});

if (values.help) process.stdout.write(usage);
else await main();

async function main(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "openwit-replay-"));
  try {
    const template = resolve(values.wal ?? join(folder, "template"));
    const size = await Bun.file(join(template, "size.json")).json().catch(() =>
      undefined
    ) as WalSize | undefined ??
      await makeWal(template);
    const report = await measure(folder, template, size);
    const path = values.json ?? join("dist/bench", `replay-${values.signals.replaceAll(",", "-")}.json`);
    await mkdir(resolve(path, ".."), { recursive: true });
    await Bun.write(path, JSON.stringify(report, null, 2) + "\n");
    process.stdout.write(`${JSON.stringify(report, null, 2)}\nwritten to ${path}\n`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Fills `folder`/wal. */
async function makeWal(folder: string): Promise<WalSize> {
  const bytesWanted = parseSize(values.size, "--size");
  await mkdir(folder, { recursive: true });
  const wanted = signals.filter((signal) => values.signals.split(",").includes(signal));
  const env = { disk: new NodeDisk(folder), clock: systemClock, log: silentLog };
  const wal = await Wal.open(env, { ...defaultStoreOptions.wal, sync: "never" }, 1, {
    files: [],
    seen: new Map(),
  });
  const shop = new Shop({ seed: 1, rate: 20_000, signals: wanted, isSteady: true });
  // As of the last minutes: the hour that the records are of is the one in which they came.
  const toMs = Math.floor(Date.now() / 1_000) * 1_000;
  const requests: [Signal, number][] = [];
  let decodedBytes = 0, shownMs = performance.now();
  for (
    const batch of shop.generate(toMs - 1_200_000, toMs + 3_600_000, parseInteger(values.batch, "--batch"))
  ) {
    await append(wal, batch.signal, batch.body);
    requests.push([batch.signal, batch.records]);
    decodedBytes += batch.body.length;
    if (wal.stats.bytes >= bytesWanted) break;
    if (performance.now() - shownMs < 2_000) continue;
    say(`${Math.round(wal.stats.bytes / 2 ** 20)} MiB of WAL written`);
    shownMs = performance.now();
  }
  await wal.close();
  const size = { requests, bytes: wal.stats.bytes, decodedBytes };
  await Bun.write(join(folder, "size.json"), JSON.stringify(size));
  return size;
}

function append(wal: Wal, signal: Signal, body: Uint8Array): Promise<void> {
  return wal.append({
    receivedAtNs: systemClock.nowNs(),
    tenant: defaultTenant,
    signal,
    protocol: "otlp-grpc",
    encoding: "protobuf",
    compression: "identity",
    decodedBytes: body.length,
    hash: contentHash(defaultTenant, signal, body),
    body,
  }).durable;
}

async function measure(folder: string, template: string, size: WalSize): Promise<Record<string, unknown>> {
  const command = openwitCommand(values.executable);
  const dataDir = join(folder, "data");
  await cp(join(template, "wal"), join(dataDir, "wal"), { recursive: true });
  const flushed = Math.floor(size.requests.length * parsePercent(values.flushed));
  await markFlushed(dataDir, flushed);
  Bun.spawnSync(["sync"]); // what a kill left was synced long ago, and is not to be measured
  const records: Record<string, number> = {};
  for (const [signal, count] of size.requests.slice(flushed)) {
    records[signal] = (records[signal] ?? 0) + count;
  }
  const config = join(folder, "openwit.yaml");
  await Bun.write(config, `memory:\n  limit: ${values.memory}\n`);
  const start = () => startServer(command, dataDir, { flags: ["--config", config], readyMsMax: 120_000 });

  const kills = parseInteger(values.kills, "--kills");
  for (let kill = 0; kill < kills; kill++) await killInReplay(command, dataDir, config, 500 + 700 * kill);

  say("starting");
  const startedMs = performance.now();
  const server = await start();
  const { readyMs } = server;
  await sendOne(server);
  const ackMs = performance.now() - startedMs;
  records.logs = (records.logs ?? 0) + 1;
  await allBack(server);
  const backMs = performance.now() - startedMs;
  const atReady = server.resident();
  const cpuSeconds = server.cpuSeconds();
  await expectRows(server, records);
  const peak = server.resident().peak;
  process.kill(server.pid, "SIGKILL");
  await server.ended;

  say("starting again, after a kill");
  const again = await start();
  await allBack(again);
  await expectRows(again, records);
  await again.stop();
  const rows = Object.values(records).reduce((sum, each) => sum + each);
  return {
    at: new Date().toISOString(),
    command,
    machine: describeMachine(folder),
    wal: {
      bytes: size.bytes,
      decodedBytes: size.decodedBytes,
      requests: size.requests.length,
      records: size.requests.reduce((sum, [, count]) => sum + count, 0),
    },
    unflushedRecords: records,
    memoryLimit: values.memory,
    kills,
    readySeconds: readyMs / 1_000,
    newRequestAcknowledgedSeconds: ackMs / 1_000,
    allBackSeconds: backMs / 1_000,
    cpuSeconds,
    rowsPerSecond: rows / backMs * 1_000,
    rowsPerCpuSecond: rows / cpuSeconds,
    walBytesPerSecond: size.bytes / backMs * 1_000,
    residentBytesWhenBack: atReady.now,
    residentBytesPeak: atReady.peak,
    residentBytesPeakWithQueries: peak,
    readySecondsAgain: again.readyMs / 1_000,
  };
}

/** As if the first requests had been flushed, and their segments had then been evicted. */
async function markFlushed(dataDir: string, requests: number): Promise<void> {
  const disk = new NodeDisk(dataDir);
  await disk.makeDir("manifest");
  const watermarks = signals.map((signal) => [`${defaultTenant}/${signal}`, requests] as const);
  const manifest = await Manifest.create({ disk, random: systemRandom, log: silentLog }, { watermarks });
  await manifest.close();
}

function parsePercent(text: string): number {
  const share = Number(text.replace(/%$/, "")) / 100;
  if (share >= 0 && share < 1) return share;
  throw new Error(`--flushed takes a share such as 97%, not ${text}`);
}

/** SIGKILL after `ms`, which a replay of any size worth measuring does not end before. */
async function killInReplay(command: string[], dataDir: string, config: string, ms: number): Promise<void> {
  const listeners = ["--http", "--otlp-http", "--otlp-grpc"].flatMap((flag) => [flag, "127.0.0.1:0"]);
  const child = Bun.spawn([...command, "serve", "--data-dir", dataDir, "--config", config, ...listeners], {
    stdout: "ignore",
    stderr: "ignore",
  });
  await Bun.sleep(ms);
  child.kill("SIGKILL");
  await child.exited;
  say(`killed after ${ms} ms of replay`);
}

/** A new request, while the old ones are brought back: sent again for as long as it is refused for want of memory. */
async function sendOne(server: ServerUnderTest): Promise<void> {
  const timeUnixNano = String(BigInt(Date.now()) * 1_000_000n);
  const logRecords = [{ timeUnixNano, body: { stringValue: "sent beside the replay" } }];
  const body = JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords }] }] });
  const headers = { "Content-Type": "application/json" };
  while (true) {
    const response = await fetch(`${server.otlpHttp}/v1/logs`, { method: "POST", headers, body });
    if (response.ok) return;
    if (response.status !== 429 && response.status !== 503) {
      throw new Error(`a new request was answered ${response.status}: ${await response.text()}`);
    }
    await Bun.sleep(100);
  }
}

async function allBack(server: ServerUnderTest): Promise<void> {
  const status = async () =>
    await (await fetch(`${server.http}/api/v1/status`)).json() as { recovery?: string };
  while ((await status()).recovery !== undefined) await Bun.sleep(100);
}

async function expectRows(server: ServerUnderTest, records: Record<string, number>): Promise<void> {
  for (const [signal, wanted] of Object.entries(records)) {
    const [row] = await server.query(`SELECT count(*) AS n FROM ${signal}`);
    const found = Number(Object.values(row as object)[0]);
    if (found !== wanted) throw new Error(`${wanted} ${signal} are in the WAL, and ${found} were found`);
  }
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
