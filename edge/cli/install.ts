/** `openwit install`: makes this executable a service of the box, starts it, and proves that it works. */
import { randomUUID } from "node:crypto";
import { resolve } from "node:path";
import process from "node:process";
import { systemClock } from "../../core/env/clock.ts";
import { OpenWitError } from "../../core/error.ts";
import { parseDuration, parseSize } from "../config/parse.ts";
import { checkRights, checkSystemd } from "../install/access.ts";
import { awaitHealthy } from "../install/await-healthy.ts";
import { boxFacts } from "../install/box-facts.ts";
import { carryOut, describeAll } from "../install/carry-out.ts";
import { type Host, hostAt } from "../install/host.ts";
import { type Layout, systemctl } from "../install/layout.ts";
import { planInstall } from "../install/plan.ts";
import { proverOf, type Sight } from "../install/proof.ts";
import { runningRelease } from "../install/release-files.ts";
import { withConfiguredData } from "../install/settings.ts";
import { pickSizes } from "../install/sizing.ts";
import { unitName } from "../systemd/unit.ts";
import { version } from "../version.ts";
import { parseFlags } from "./flags.ts";
import { refuseArguments } from "./folder.ts";
import {
  installFlags,
  installFlagsUsage,
  isRoot,
  layoutOfFlags,
  positiveMs,
  say,
  tellLog,
} from "./install_flags.ts";
import type { Command } from "./main.ts";

export const installCommand: Command = {
  usage: `openwit install: make this executable a service of the box.

Puts the executable, a configuration sized to this box and a hardened systemd unit in place, starts the service, and
proves that it works: a record is sent to it and found. What was changed by hand stays as it is. Run again, it says
what is unchanged.

Usage: openwit install [options]

Options:
${installFlagsUsage}
  --data-dir DIR         where the data goes (default /var/lib/openwit; with --user ~/.local/share/openwit)
  --memory-limit SIZE    memory.limit of the configuration (default: a quarter of what the box has)
  --no-start             write the files, tell systemd nothing
  --root DIR             install into the system below DIR, an image, and start nothing
  --timeout TIME         how long to wait until it is ready (default 2m)
  --dry-run              say all that would be done, with every file, and do nothing

Exit status: 0 installed and working, 1 failed, 2 misuse.

Example:
  sudo ./openwit install --dry-run
  sudo ./openwit install
`,
  run: install,
};

async function install(args: string[]): Promise<number> {
  const { values, positionals } = parseFlags(args, {
    ...installFlags,
    "data-dir": { type: "string" },
    "memory-limit": { type: "string" },
    "no-start": { type: "boolean" },
    root: { type: "string" },
    timeout: { type: "string" },
    "dry-run": { type: "boolean" },
  }, "install");
  refuseArguments(positionals, "install");
  const root = values.root === undefined ? undefined : resolve(String(values.root));
  const timeoutMs = positiveMs(parseDuration(String(values.timeout ?? "2m"), "--timeout"), "--timeout");
  const host = hostAt(root);
  if (root !== undefined && (values.user || !hostAt().exists(root))) {
    throw new OpenWitError(
      "invalid_argument",
      values.user ? "--root is of a system, and --user of a person" : `there is no folder ${root}`,
      { hint: "openwit install --help" },
    );
  }
  const wished = layoutOfFlags(values);
  const starts = root === undefined && values["no-start"] !== true;
  const isDry = values["dry-run"] === true;
  if (!isDry) checkRights("install", wished, { isRoot: isRoot(), isImage: root !== undefined });
  if (starts && !isDry) checkSystemd(wished, host);

  const layout = await withConfiguredData(wished, host, values["data-dir"] as string | undefined);
  const picked = pickSizes(boxFacts(layout.dataDir, root));
  const sizes = values["memory-limit"] === undefined ? picked : {
    ...picked,
    memoryBytes: parseSize(String(values["memory-limit"]), "--memory-limit"),
    why: { ...picked.why, memory: "as --memory-limit says" },
  };
  const release = await runningRelease(version);
  const isActive = starts && (await host.run(systemctl(layout, "is-active", unitName))).status === 0;
  const prover = proverOf(layout.dataDir, randomUUID);
  const before = isActive ? await prover.look() : undefined;
  const { steps, changes } = planInstall({ layout, sizes, release, starts, root, isActive }, host);
  if (isDry) {
    say(`What openwit install would do${root === undefined ? "" : ` below ${root}`}:`);
    process.stdout.write(describeAll(steps));
    if (starts) say("  wait    until it is ready, then send it a record and find that");
    return 0;
  }
  say(`Installing OpenWit ${version}${root === undefined ? "" : ` below ${root}`}`);
  await carryOut(steps, host, say);
  if (!starts) {
    say(notStarted(layout, root));
    return 0;
  }
  return await prove(layout, host, timeoutMs, changes && before?.kind === "ready" ? before.pid : undefined);
}

async function prove(
  layout: Layout,
  host: Host,
  timeoutMs: number,
  oldPid: number | undefined,
): Promise<number> {
  const outcome = await awaitHealthy({
    layout,
    host,
    prover: proverOf(layout.dataDir, randomUUID),
    clock: systemClock,
    timeoutMs,
    version,
    oldPid,
  });
  if (!outcome.isHealthy) {
    tellLog(outcome.log);
    throw new OpenWitError("unavailable", `openwit is installed, and does not work: ${outcome.reason}`, {
      hint: `${systemctl(layout, "status", unitName).join(" ")}; openwit doctor --data-dir ${layout.dataDir}`,
      retryable: false,
    });
  }
  say(`\nIt works: a record was sent to it and found, ${(outcome.tookMs / 1_000).toFixed(1)} s after.`);
  say(next(layout, outcome.sight));
  return 0;
}

function notStarted(layout: Layout, root: string | undefined): string {
  const start = systemctl(layout, "enable", "--now", unitName).join(" ");
  return root === undefined
    ? `\nNothing was started. To start it, now and at every boot: ${start}`
    : `\nNothing was started. In the system below ${root}, once it runs: ${start}`;
}

function next(layout: Layout, { http, otlpGrpc, otlpHttp }: Sight & { kind: "ready" }): string {
  const user = layout.scope === "user" ? "--user " : "";
  return `  data       ${layout.dataDir}
  config     ${layout.configFile}
  OTLP/gRPC  ${otlpGrpc}
  OTLP/HTTP  ${otlpHttp}
  API        ${http}

What to do next:
  send it telemetry   OTEL_EXPORTER_OTLP_ENDPOINT=${otlpGrpc} for any OpenTelemetry SDK, or: openwit demo --duration 30s
  ask it              openwit query --url ${http} "SELECT service_name, count(*) AS records FROM logs GROUP BY ALL"
  see how it is       systemctl ${user}status openwit · journalctl ${user}-u openwit -f · openwit status --url ${http}
  change it           edit the config, then: systemctl ${user}reload openwit
${
    layout.scope === "user"
      ? `  keep it running     loginctl enable-linger ${
        process.env.USER ?? "$USER"
      }, or it ends when you log out\n`
      : ""
  }  renew it            ${user === "" ? "sudo " : ""}openwit upgrade ${user}FILE`;
}
