/**
 * How long requests wait for their acknowledgement while records come at a steady rate: each round a fresh server, a
 * warm-up, and then the figures. Prints a line a round, and exits with 1 when a round missed what is wanted.
 *
 *   npm run compile && node compile/bun.mjs tests/bench/acknowledge.ts --rounds 5
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { prepareLoad } from "./load.ts";
import { machineCpuSeconds, percentile } from "./machine.ts";
import { openwitCommand, startServer } from "./server.ts";

const { values } = parseArgs({
  options: {
    "rate": { type: "string", default: "60000" },
    "warm": { type: "string", default: "8" },
    "seconds": { type: "string", default: "22" },
    "rounds": { type: "string", default: "1" },
    "batch": { type: "string", default: "1000" },
    "wanted-ms": { type: "string", default: "25" },
    "executable": { type: "string" },
    "slow": { type: "string" },
  },
});
await main();

async function main(): Promise<void> {
  const rounds = Number(values.rounds);
  let missed = 0;
  for (let round = 1; round <= rounds; round++) {
    const folder = await mkdtemp(join(tmpdir(), "openwit-acknowledge-"));
    try {
      if (!await measure(folder, `${round}/${rounds}`)) missed++;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
  process.exitCode = missed === 0 ? 0 : 1;
}

/** Whether the round kept to what is wanted. */
async function measure(folder: string, name: string): Promise<boolean> {
  const rate = Number(values.rate);
  const warmMs = Number(values.warm) * 1_000;
  const server = await startServer(openwitCommand(values.executable), join(folder, "data"));
  const load = await prepareLoad({
    endpoint: server.otlpGrpc,
    protocol: "grpc",
    compression: "none",
    signal: "logs",
    records: rate * (Number(values.warm) + Number(values.seconds)),
    batchRecords: Number(values.batch),
    concurrency: 8,
    connections: 2,
    seed: 1,
    rate,
  });
  const before = { cpu: server.cpuSeconds(), waited: server.waitedSeconds(), machine: machineCpuSeconds() };
  const origin = Date.now();
  const report = await load.run();
  const { records, failures, retries, latenciesMs, dueMs, wallSeconds } = report;
  const cpuSeconds = server.cpuSeconds() - before.cpu;
  const waitedShare = (server.waitedSeconds() - before.waited) / wallSeconds;
  const othersShare = (machineCpuSeconds() - before.machine - cpuSeconds - report.cpuSeconds) / wallSeconds;
  const { peak } = server.resident();
  await server.stop();
  const first = latenciesMs.filter((_, index) => dueMs[index] < 1_000);
  const warm = latenciesMs.filter((_, index) => dueMs[index] >= warmMs);
  const at = (share: number) => percentile(warm, share);
  const p99 = at(0.99);
  const ms = (value: number) => value.toFixed(1);
  const percent = (share: number) => `${Math.round(share * 100)}%`;
  process.stdout.write(
    `${name}: p50 ${ms(at(0.5))}, p90 ${ms(at(0.9))}, p99 ${ms(p99)}, p99.9 ${ms(at(0.999))}, max ${
      ms(at(1))
    } ms of ${warm.length} requests; first second at most ${ms(percentile(first, 1))} ms; ` +
      `${Math.round(records / cpuSeconds)} records a CPU-second; peak ${Math.round(peak / 2 ** 20)} MiB; ` +
      `waited ${percent(waitedShare)} of the time for a core, other programs took ${
        percent(othersShare)
      } of one; ` +
      `${retries} retries, ${failures} failures\n`,
  );
  if (values.slow !== undefined) {
    await Bun.write(values.slow, JSON.stringify({ origin, latenciesMs, dueMs, log: `${folder}/data.log` }));
    await Bun.write(values.slow + ".log", Bun.file(`${folder}/data.log`));
  }
  return p99 <= Number(values["wanted-ms"]) && failures === 0;
}
