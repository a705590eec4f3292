/** `openwit bench`: what this very box can do, and which settings suit it. */
import { resolve } from "node:path";
import process from "node:process";
import { type BenchReport, runBench } from "../bench/bench.ts";
import { recommend, type Recommendation } from "../bench/recommend.ts";
import { fileFlags, readInputs } from "../config/files.ts";
import { loadConfig } from "../config/settings.ts";
import { OpenWitError } from "../../core/error.ts";
import { interruptedStatus } from "./ask.ts";
import { parseFlags } from "./flags.ts";
import { refuseArguments } from "./folder.ts";
import type { Command } from "./main.ts";
import { listing } from "./order.ts";
import { bytes } from "./status.ts";

export const benchCommand: Command = {
  usage: `openwit bench: what this very box can do, and which settings suit it. Takes less than a minute.

It measures on the volume of the data folder, with a server of its own in a scratch folder, and clears up behind itself,
after Ctrl-C too. What else runs on the box is measured with it: a server that is busy makes the figures worse.

Usage: openwit bench [options]

Options:
  --quick                about 10 seconds, and less exact
  --data-dir DIR         data folder whose volume it is (default ./data)
  --config FILE          configuration that the settings are compared with (default OPENWIT_CONFIG)
  --environment NAME     with the overlay for it (default OPENWIT_ENVIRONMENT)
  --json                 figures and recommendations as JSON

Exit status: 0 done, 1 failed (too little room, say), 130 interrupted.

Example:
  openwit bench --quick --data-dir /var/lib/openwit
`,
  async run(args) {
    const { values, positionals } = parseFlags(args, {
      quick: { type: "boolean" },
      "data-dir": { type: "string" },
      ...fileFlags,
      json: { type: "boolean" },
    }, "bench");
    refuseArguments(positionals, "bench");
    const config = await loadConfig(await readInputs(values, process.env));
    const interrupted = new AbortController();
    const stop = () => interrupted.abort(new OpenWitError("cancelled", "interrupted"));
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, stop);
    const steps = stepTeller();
    try {
      const report = await runBench({
        config,
        dataDir: resolve(config.dataDir),
        isQuick: values.quick === true,
        abort: interrupted.signal,
        onStep: steps.tell,
      });
      steps.end();
      const advice = recommend(report.measured, report.configured);
      process.stdout.write(
        values.json ? JSON.stringify(asDocument(report, advice), null, 2) + "\n" : describe(report, advice),
      );
      return 0;
    } catch (error) {
      steps.end();
      if (!interrupted.signal.aborted) throw error;
      process.stderr.write("openwit: stopped; nothing is left behind\n");
      return interruptedStatus;
    } finally {
      for (const signal of ["SIGINT", "SIGTERM"] as const) process.removeListener(signal, stop);
    }
  },
};

/** On a terminal one line that changes, elsewhere a line a step. */
function stepTeller() {
  const { stderr } = process;
  return {
    tell: (what: string) =>
      void stderr.write(stderr.isTTY ? `\r\x1b[Kmeasuring: ${what} …` : `measuring: ${what}\n`),
    end: () => void (stderr.isTTY && stderr.write("\r\x1b[K")),
  };
}

function describe(report: BenchReport, advice: readonly Recommendation[]): string {
  const { measured, sync, acknowledgements, intake, queries } = report;
  const lines = [
    `box        ${measured.cores} cores, ${bytes(measured.memoryBytes)} of memory, ${
      bytes(measured.freeBytes)
    } of ${bytes(measured.totalBytes)} free`,
    `fsync      p50 ${ms(sync.p50Ms)}, p99 ${ms(sync.p99Ms)}, worst of ${sync.rounds} ${ms(sync.worstMs)}`,
    `writing    ${bytes(measured.writeBytesPerSecond)}/s at a stretch`,
    `requests   p50 ${ms(acknowledgements.p50Ms)}, p99 ${
      ms(acknowledgements.p99Ms)
    } until one is acknowledged (${acknowledgements.requests}, one at a time)`,
    `records    ${Math.round(intake.recordsPerSecond).toLocaleString("en-US")} a second (${
      intake.records.toLocaleString("en-US")
    } sent, ${bytes(report.storedBytes)} once stored${
      intake.refused === 0 ? "" : `; ${intake.refused} requests had to wait for memory`
    })`,
    `memory     the server took ${bytes(report.residentBytes)}`,
  ];
  const questions = listing(
    ["question", "p50", "p99", "asked"],
    ["asked"],
    queries.map(({ question, p50Ms, p99Ms, asked }) => [question, ms(p50Ms), ms(p99Ms), asked]),
  );
  const changes = advice.filter(({ isChange }) => isChange);
  const kept = advice.filter(({ isChange }) => !isChange);
  const told = (each: readonly Recommendation[]) =>
    each.map(({ key, value, why }) => `  ${key}: ${value}\n      ${why}\n`).join("");
  return `${lines.join("\n")}\n\n${questions}\n` +
    (changes.length === 0 ? "the settings suit this box\n" : `change\n${told(changes)}`) +
    (kept.length === 0 ? "" : `keep\n${told(kept)}`);
}

function asDocument(report: BenchReport, advice: readonly Recommendation[]) {
  const { measured, sync, acknowledgements, intake, queries } = report;
  return {
    cores: measured.cores,
    memory_bytes: measured.memoryBytes,
    free_bytes: measured.freeBytes,
    total_bytes: measured.totalBytes,
    fsync: { rounds: sync.rounds, p50_ms: sync.p50Ms, p99_ms: sync.p99Ms, worst_ms: sync.worstMs },
    write_bytes_per_second: measured.writeBytesPerSecond,
    acknowledgement: {
      requests: acknowledgements.requests,
      p50_ms: acknowledgements.p50Ms,
      p99_ms: acknowledgements.p99Ms,
    },
    records: intake.records,
    records_per_second: intake.recordsPerSecond,
    refused_requests: intake.refused,
    stored_bytes: report.storedBytes,
    resident_bytes: report.residentBytes,
    queries: queries.map(({ question, asked, p50Ms, p99Ms }) => ({
      question,
      asked,
      p50_ms: p50Ms,
      p99_ms: p99Ms,
    })),
    recommendations: advice.map(({ key, value, isChange, why }) => ({ key, value, change: isChange, why })),
  };
}

function ms(value: number): string {
  return value < 10 ? `${value.toFixed(2)} ms` : `${Math.round(value)} ms`;
}
