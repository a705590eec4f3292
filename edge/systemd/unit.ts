/**
 * The systemd unit (systemd.service(5), systemd.exec(5)) as a pure function of where things lie. The packages and
 * `openwit install` both write what it returns.
 *
 * Every setting is known to systemd 247 (Debian 11), for an older one ignores what it does not know, with a warning.
 * `systemd-analyze verify` must be content and the exposure below 3: unit.test.ts holds both.
 */
import { posix } from "node:path";

export interface UnitOptions {
  /** `user`: for `systemctl --user`, without what only root's systemd may do. */
  readonly scope: "system" | "user";
  /** Absolute path of the executable. */
  readonly executable: string;
  /** Absolute path of openwit.yaml. */
  readonly configFile: string;
  /** Absolute path of variables for the service; need not exist. */
  readonly environmentFile: string;
  /** Absolute path of the data folder, as the configuration names it. */
  readonly dataDir: string;
}

export const serviceName = "openwit";
export const unitName = `${serviceName}.service`;

/** What the packages install, and `openwit install` without options. */
export const packagedUnit: UnitOptions = {
  scope: "system",
  executable: "/usr/bin/openwit",
  configFile: "/etc/openwit/openwit.yaml",
  environmentFile: "/etc/default/openwit",
  dataDir: "/var/lib/openwit",
};

/** The drain takes 10 s at most, and closing the store what the disk needs; then comes SIGKILL, which loses nothing. */
export const stopSeconds = 120;

/** Four signs of life may be missed before a stuck service is started anew. */
export const watchdogSeconds = 60;

export function systemdUnit(options: UnitOptions): string {
  const { scope, executable, configFile, environmentFile } = options;
  const command = `${word(executable)} serve --config ${word(configFile)}`;
  const sections: [string, string[]][] = [
    ["Unit", [
      "Description=OpenWit, an observability database",
      "Documentation=man:openwit(1)",
      // Neither network-online.target nor time-sync.target: a box without a network starts too, and knows when its
      // clock cannot be believed.
      ...(scope === "system" ? ["After=network.target local-fs.target"] : []),
      "# However often it fails, it is tried again: nobody stands beside the box.",
      "StartLimitIntervalSec=0",
    ]],
    ["Service", [
      "Type=notify",
      "# Also systemd-notify, which speaks for the service where the runtime cannot call the C library.",
      "NotifyAccess=all",
      `EnvironmentFile=-${path(environmentFile)}`,
      "# It tells all that is wrong, and stops nothing: the start goes on with the last good configuration, if there is one.",
      `ExecStartPre=-${word(executable)} config check --config ${word(configFile)}`,
      `ExecStart=${command}`,
      "# The node says within the second that a reload has begun: then systemctl waits for its end.",
      "ExecReload=/bin/kill -HUP $MAINPID",
      "ExecReload=/bin/sleep 1",
      "Restart=always",
      "RestartSec=2",
      "# A start asks for more time for as long as the replay of its WAL goes on.",
      `TimeoutStartSec=${stopSeconds}`,
      `TimeoutStopSec=${stopSeconds}`,
      `WatchdogSec=${watchdogSeconds}`,
      "",
      ...(scope === "system" ? ownUser : []),
      ...folders(options),
      "UMask=0077",
      "LimitNOFILE=65536",
      "LimitCORE=0",
      "",
      ...(scope === "system" ? hardening : []),
      ...hardeningOfAll,
    ]],
    ["Install", [`WantedBy=${scope === "system" ? "multi-user.target" : "default.target"}`]],
  ];
  return sections.map(([name, lines]) => `[${name}]\n${lines.join("\n")}\n`).join("\n");
}

const ownUser = [`User=${serviceName}`, `Group=${serviceName}`];

/** What needs root's systemd: mounts, capabilities, devices. */
const hardening = [
  "ProtectSystem=strict",
  "PrivateTmp=yes",
  "PrivateDevices=yes",
  "ProtectClock=yes",
  "ProtectHostname=yes",
  "ProtectKernelLogs=yes",
  "ProtectKernelModules=yes",
  "ProtectKernelTunables=yes",
  "ProtectControlGroups=yes",
  "ProtectProc=invisible",
  "RemoveIPC=yes",
  "CapabilityBoundingSet=",
  "AmbientCapabilities=",
];

/** What an unprivileged systemd can do as well. */
const hardeningOfAll = [
  "NoNewPrivileges=yes",
  "LockPersonality=yes",
  "RestrictRealtime=yes",
  "RestrictSUIDSGID=yes",
  "RestrictNamespaces=yes",
  "# Agents on other machines may send, when networking.* says so: no IPAddressDeny.",
  "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6",
  "SystemCallArchitectures=native",
  "SystemCallFilter=@system-service",
  "SystemCallFilter=~@privileged @resources",
  "# Threads that merge and index go behind those that answer.",
  "SystemCallFilter=setpriority",
  "SystemCallErrorNumber=EPERM",
  "# The runtime compiles as it runs.",
  "MemoryDenyWriteExecute=no",
];

/** Where the service may write: the data folder, and a cache for the parts of the SQL engine. */
function folders({ scope, dataDir }: UnitOptions): string[] {
  if (scope === "user") return [];
  const state = posix.dirname(dataDir) === "/var/lib" ? posix.basename(dataDir) : undefined;
  const isAtHome = homes.some((home) => dataDir === home || dataDir.startsWith(`${home}/`));
  return [
    ...(state === undefined ? [] : [`StateDirectory=${escape(state)}`, "StateDirectoryMode=0700"]),
    `CacheDirectory=${serviceName}`,
    "CacheDirectoryMode=0700",
    // Of the homes nothing is seen but the data folder, where that is in one.
    ...(isAtHome ? ["ProtectHome=tmpfs", `BindPaths=${word(dataDir)}`] : ["ProtectHome=yes"]),
    ...(state === undefined && !isAtHome ? [`ReadWritePaths=${word(dataDir)}`] : []),
  ];
}

/** What ProtectHome= hides. */
const homes = ["/home", "/root", "/run/user"];

/** One word of a command line or of a list of paths (systemd.syntax(7)): `%` and `$` would be expanded. */
function word(text: string): string {
  const escaped = escape(text).replaceAll("$", "$$$$");
  return /^[\w@%+=:,./$-]+$/.test(escaped) ? escaped : `"${escaped.replace(/["\\]/g, "\\$&")}"`;
}

/** A value that is one path and nothing else, where quotes would be part of it. */
function path(text: string): string {
  return escape(text);
}

function escape(text: string): string {
  return text.replaceAll("%", "%%");
}
