/** `openwit serve`: runs a node until SIGTERM or SIGINT. */
import process from "node:process";
import { systemClock } from "../../core/env/clock.ts";
import { type FileFlags, pathsOf, readInputs } from "../config/files.ts";
import { loadConfiguration } from "../config/settings.ts";
import { watchFiles } from "../config/watch.ts";
import { NodeLog } from "../log/log.ts";
import { boot, bootIdOf } from "../server/boot.ts";
import { isLocalOnly } from "../server/listeners.ts";
import { Node } from "../server/node.ts";
import { type ReloadCause, Reloader } from "../server/reload.ts";
import { beginAnew, ensureRuntime } from "../server/runtime.ts";
import { SafeMode } from "../server/safe_mode.ts";
import { bytes } from "./status.ts";
import { type Supervision, supervisionOf } from "../systemd/supervision.ts";
import { version } from "../version.ts";
import { parseFlags } from "./flags.ts";
import { refuseArguments } from "./folder.ts";
import { type Command, report } from "./main.ts";
import { serveFlags, serveFlagsUsage } from "./serve_flags.ts";

export const serveCommand: Command = {
  usage: `openwit serve: run the database: OTLP in, SQL out.

Usage: openwit serve [options]

Options:
${serveFlagsUsage}

Each key can also be set by environment: ${"OPENWIT_"} and the key in capitals, "__" between levels.

Example:
  openwit serve --data-dir /var/lib/openwit
`,
  run: serve,
};

async function serve(args: string[]): Promise<number> {
  const { values, positionals } = parseFlags(args, serveFlags, "serve");
  refuseArguments(positionals, "serve");
  const paths = pathsOf(values as FileFlags, process.env);
  const load = async () => await loadConfiguration(await readInputs(values, process.env, paths));
  const bootId = bootIdOf();
  const booted = await boot({ flags: values, environment: process.env, paths, load, bootId });
  const { config } = booted.running;
  ensureRuntime();
  const logging = new NodeLog(config.logging);
  logging.redactor.hide(config.metastore.url);
  const { log } = logging;
  const node = new Node(config, logging);
  const supervision = superviseNode(node);
  if (booted.problem !== undefined) {
    log("error", "the configuration cannot be read: the last good one takes its place", {
      error: booted.problem,
    });
  }
  let askedMs: number | undefined;
  let ending: Promise<void> | undefined;
  const end = () => ending ??= node.stop();
  const restart = async () => {
    supervision.reloading();
    await end().catch((error) => log("error", "the node could not be stopped in good order", { error }));
    if (askedMs !== undefined) return; // somebody has asked for its end meanwhile
    beginAnew();
    process.exit(1); // its supervisor begins it anew
  };
  const safeMode = node.safeMode = new SafeMode({
    dataDir: node.dataDir,
    ...paths.file === undefined ? {} : { file: paths.file },
    bootId,
    log,
    health: () => node.health(),
    isRecovering: () => node.recovery !== undefined,
    onRollback: (reason) =>
      node.noteReload(
        "rolled_back",
        `the configuration that was asked for failed, the last good one runs: ${reason}`,
      ),
    restart,
  }, booted);
  const stopped = new Promise<void>((resolve, reject) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      process.on(signal, () => {
        // A second Ctrl-C ends it at once: the WAL has everything that was acknowledged. Under npm one Ctrl-C comes
        // twice, from the terminal and from the parent.
        if (askedMs !== undefined && performance.now() - askedMs > 500) process.exit(130);
        if (askedMs !== undefined) return;
        askedMs = performance.now();
        log("info", "stopping", { signal });
        supervision.stopping();
        safeMode.stop().then(end).then(resolve, reject);
      });
    }
  });
  // Whoever asks this way hears of a refusal in the log.
  const reload = (cause: ReloadCause) => void node.reloader?.reload(cause).catch(() => {});
  let isReloadDue = false;
  process.on("SIGHUP", () => node.reloader === undefined ? isReloadDue = true : reload("signal"));
  supervision.start();
  await node.start(() => safeMode.begin());
  const reloader = node.reloader = new Reloader(
    {
      paths,
      load,
      apply: (config) => {
        logging.redactor.hide(config.metastore.url);
        node.configure(config);
      },
      log,
      onOutcome: (outcome, trouble) => node.noteReload(outcome, trouble),
    },
    booted.running,
    booted.asked,
  );
  reloader.listeners.add((phase) => phase === "begin" ? supervision.reloading() : supervision.ready());
  const watched = Object.values(paths);
  if (watched.length > 0) watchFiles(watched, { onChange: () => reload("file") });
  supervision.ready();
  safeMode.ready(reloader);
  if (isReloadDue) reload("signal");
  const isExposed = config.insecure || !isLocalOnly(config);
  if (logging.isForPeople) process.stderr.write(greeting(node, isExposed));
  else {
    for (const note of node.limits.notes) log("info", note);
    log("info", "ready", { version, data_dir: node.dataDir, ...node.endpoints, without_login: isExposed });
  }
  await Promise.race([stopped, node.failed]).catch(async (error) => {
    await node.stop();
    report(error);
    process.exit(1);
  });
  log("info", "stopped");
  logging.close();
  // Everything is closed. What keeps the event loop for some seconds more are idle connections of clients.
  process.exit(0);
}

function superviseNode(node: Node): Supervision {
  return supervisionOf(node, process.env, {
    pid: process.pid,
    monotonicMs: () => systemClock.monotonicMs(),
    onHealth: (isHealthy, stuckMs) => {
      if (isHealthy) return node.log("info", "requests end again: the watchdog is told so");
      node.log("error", "no request has ended for a while: the watchdog is told nothing", { ms: stuckMs });
    },
  });
}

function greeting(node: Node, exposed: boolean): string {
  const { http, otlp_http, otlp_grpc } = node.endpoints!;
  return `OpenWit ${version} is ready: data in ${node.dataDir}
  OTLP/gRPC  ${otlp_grpc}
  OTLP/HTTP  ${otlp_http}
  API        ${http}
  Limits     ${bytes(node.limits.memoryBytes)} of memory, ${node.limits.searchThreads} search threads
${node.limits.notes.map((note) => `             ${note}\n`).join("")}${
    exposed ? "  open to other machines, without any login (--insecure)\n" : ""
  }
Try, in another terminal:
  openwit demo --duration 30s${defaultPortNote(otlp_grpc)}
  openwit query "SELECT service_name, count(*) AS records FROM logs GROUP BY ALL ORDER BY ALL"
From a checkout, "openwit" is "npm run openwit --".
`;
}

function defaultPortNote(otlpGrpc: string): string {
  return otlpGrpc.endsWith(":4317") ? "" : ` --endpoint ${otlpGrpc}`;
}
