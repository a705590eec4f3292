/** `openwit demo`: its options, and what it says when it is done. */
import process from "node:process";
import { OpenWitError } from "../../core/error.ts";
import { type Signal, signals } from "../../core/model/columns.ts";
import { parseTenant } from "../../core/tenant.ts";
import { parseFlags } from "../cli/flags.ts";
import { nearestWord, parseDuration, parseInteger } from "../config/parse.ts";
import { type DemoIo, type DemoOptions, type DemoSummary, runDemo, stderrIo } from "./demo.ts";
import { count, duration } from "./progress.ts";

const defaultEndpoints = { grpc: "http://127.0.0.1:4317", http: "http://127.0.0.1:4318" } as const;

export const demoCommand: { readonly usage: string; run(args: string[], io?: DemoIo): Promise<number> } = {
  usage: `openwit demo: send believable telemetry of a web shop over OTLP.

Ten services with traces, logs and metrics that belong together, a day's rise and fall, and one incident an
hour. The same seed tells the same story.

Usage: openwit demo [options]

Options:
  --endpoint URL         where to send (default ${defaultEndpoints.grpc}; with --protocol http, port 4318)
  --protocol grpc|http   OTLP/gRPC, or OTLP/HTTP with protobuf (default grpc)
  --rate N               records a second of the shop's time (default 200)
  --duration TIME        how long to send live: 30s, 5m, 0s for not at all, "forever" (default 1m)
  --backfill TIME        send this much of the past first, as fast as it is taken: 6h, 7d (default 0s)
  --signals LIST         some of logs,spans,metrics (default all)
  --seed N               which story (default 1)
  --tenant NAME          sent as X-Scope-OrgID (default: none, which is tenant "default")
  --compression none|gzip  (default gzip)
  --concurrency N        requests under way at once (default 8)

Exit status: 0 all acknowledged, 1 nothing could be sent, 2 misuse, 3 some was refused or lost.

Example:
  openwit demo --backfill 6h --rate 500 --duration 5m
`,
  async run(args: string[], io: DemoIo = stderrIo) {
    const options = parseDemoOptions(args);
    const abort = new AbortController();
    const stop = () => abort.abort();
    process.once("SIGINT", stop);
    process.once("SIGTERM", stop);
    try {
      const summary = await runDemo(options, io, abort.signal);
      io.write(describeSummary(options, summary));
      return summary.failed + summary.rejected > 0 && !summary.aborted ? 3 : 0;
    } finally {
      process.removeListener("SIGINT", stop);
      process.removeListener("SIGTERM", stop);
    }
  },
};

/** @throws OpenWitError `invalid_argument`, naming the flag */
export function parseDemoOptions(args: string[]): DemoOptions {
  const names = [
    "endpoint",
    "protocol",
    "rate",
    "duration",
    "backfill",
    "signals",
    "seed",
    "tenant",
    "compression",
  ];
  const options = [...names, "concurrency"].map((name) => [name, { type: "string" as const }]);
  const { values, positionals } = parseFlags(args, Object.fromEntries(options), "demo");
  if (positionals.length > 0) {
    throw new OpenWitError("invalid_argument", `demo takes no argument ${JSON.stringify(positionals[0])}`, {
      hint: "openwit demo --help",
    });
  }
  const flag = (name: string, fallback: string) => values[name] as string | undefined ?? fallback;
  const protocol = oneOf("--protocol", flag("protocol", "grpc"), ["grpc", "http"]);
  return {
    protocol,
    endpoint: parseEndpoint(flag("endpoint", defaultEndpoints[protocol])),
    rate: within("--rate", parseInteger(flag("rate", "200"), "--rate"), 1, 10_000_000),
    durationMs: flag("duration", "1m") === "forever"
      ? Infinity
      : parseDuration(flag("duration", "1m"), "--duration"),
    backfillMs: parseDuration(flag("backfill", "0s"), "--backfill"),
    signals: parseSignals(flag("signals", signals.join(","))),
    seed: within("--seed", parseInteger(flag("seed", "1"), "--seed"), 0, 0xffff_ffff),
    tenant: values.tenant === undefined ? undefined : parseTenant(values.tenant as string),
    compression: oneOf("--compression", flag("compression", "gzip"), ["none", "gzip"]),
    concurrency: within("--concurrency", parseInteger(flag("concurrency", "8"), "--concurrency"), 1, 256),
    retryMs: 60_000,
  };
}

function parseEndpoint(text: string): string {
  const url = URL.parse(/^[a-z]+:\/\//i.test(text) ? text : `http://${text}`);
  if (url !== null && (url.protocol === "http:" || url.protocol === "https:") && url.pathname === "/") {
    return url.origin;
  }
  throw new OpenWitError(
    "invalid_argument",
    `--endpoint is ${JSON.stringify(text)}; expected http://host:port`,
    {
      hint: "without a path, such as http://127.0.0.1:4317",
    },
  );
}

function parseSignals(text: string): Signal[] {
  const named = text.split(",").map((word) => word.trim()).map((word) => word === "traces" ? "spans" : word);
  return [...new Set(named.map((word) => oneOf("--signals", word, signals)))];
}

function oneOf<Word extends string>(flag: string, text: string, words: readonly Word[]): Word {
  const found = words.find((word) => word === text);
  if (found !== undefined) return found;
  const near = nearestWord(text, words);
  throw new OpenWitError(
    "invalid_argument",
    `${flag} is ${JSON.stringify(text)}; expected ${words.join(", ")}`,
    {
      hint: near === undefined ? undefined : `did you mean ${near}?`,
    },
  );
}

function within(flag: string, value: number, least: number, most: number): number {
  if (value >= least && value <= most) return value;
  throw new OpenWitError(
    "invalid_argument",
    `${flag} is ${value}; expected ${count(least)} to ${count(most)}`,
  );
}

/** What was done, what was not, and what to type next. */
export function describeSummary(options: DemoOptions, summary: DemoSummary): string {
  const { bySignal } = summary;
  const seconds = Math.max(0.001, summary.elapsedMs / 1_000);
  const parts = [
    `${summary.aborted ? "Stopped: " : ""}acknowledged ${count(summary.acknowledged)} of ${
      count(summary.sent)
    } records`,
    ` in ${duration(summary.elapsedMs)} (${count(summary.acknowledged / seconds)}/s):`,
    ` ${count(bySignal.logs)} logs, ${count(bySignal.spans)} spans, ${count(bySignal.metrics)} points\n`,
  ];
  if (summary.retries > 0) parts.push(`  ${count(summary.retries)} requests were tried again\n`);
  if (summary.rejected > 0) parts.push(`  ${count(summary.rejected)} records were rejected by the server\n`);
  if (summary.failed > 0) parts.push(`  ${count(summary.failed)} records were not acknowledged\n`);
  if (summary.lastError !== undefined) parts.push(`  last error: ${summary.lastError.message}\n`);
  for (const { kind, service, fromMs, toMs } of summary.incidents.slice(-5)) {
    const what = kind === "errors" ? "fails often" : "is slow";
    parts.push(`  incident: ${service} ${what} from ${clockTime(fromMs)} to ${clockTime(toMs)} UTC\n`);
  }
  const tenant = options.tenant === undefined ? "" : ` --tenant ${options.tenant}`;
  parts.push(
    "\nTry next:\n",
    ...nextQueries(options.signals).map((sql) => `  openwit query${tenant} "${sql}"\n`),
  );
  return parts.join("");
}

function clockTime(ms: number): string {
  return new Date(ms).toISOString().slice(0, 16).replace("T", " ");
}

function nextQueries(wanted: readonly Signal[]): string[] {
  const queries: Record<Signal, string> = {
    logs: "SELECT service_name, severity_text, count(*) AS records FROM logs GROUP BY ALL ORDER BY ALL",
    spans:
      "SELECT service_name, name, count(*) AS errors FROM spans WHERE status_code = 2 GROUP BY ALL ORDER BY errors DESC",
    metrics: "SELECT metric_name, type, count(*) AS points FROM metrics GROUP BY ALL ORDER BY ALL",
  };
  return wanted.map((signal) => queries[signal]);
}
