/**
 * Dispatch of the command line. The answer goes to stdout, all else to stderr.
 *
 * Exit status: 0 done, 1 failed, 2 misuse, 3 a partial answer.
 * Commands are imported when called, so that --version and --help load no engine.
 */
import process from "node:process";
import { errorMappings, OpenWitError, toOpenWitError } from "../../core/error.ts";
import { nearestWord } from "../config/parse.ts";
import { endWithReader } from "./output.ts";
import { version } from "../version.ts";

/** One command: its `--help`, and what it does. Resolves with the exit status. */
export interface Command {
  readonly usage: string;
  run(args: string[]): Promise<number>;
}

export interface CommandEntry {
  readonly summary: string;
  load(): Promise<Command>;
}

export const commands: Readonly<Record<string, CommandEntry>> = {
  serve: {
    summary: "run the database: OTLP in, SQL out",
    load: async () => (await import("./serve.ts")).serveCommand,
  },
  query: {
    summary: "answer a SQL query, from the running server or the data folder",
    load: async () => (await import("./query.ts")).queryCommand,
  },
  search: {
    summary: "find log records that hold a text, newest first",
    load: async () => (await import("./search.ts")).searchCommand,
  },
  trace: {
    summary: "show a trace as a waterfall",
    load: async () => (await import("./trace.ts")).traceCommand,
  },
  tail: {
    summary: "show the newest records and follow those that arrive",
    load: async () => (await import("./tail.ts")).tailCommand,
  },
  status: {
    summary: "say how the running server is",
    load: async () => (await import("./status.ts")).statusCommand,
  },
  inspect: {
    summary: "print what is in a WAL, manifest or segment file",
    load: async () => (await import("./inspect.ts")).inspectCommand,
  },
  config: {
    summary: "show, check and compare configurations; write a sample",
    load: async () => (await import("./config.ts")).configCommand,
  },
  doctor: {
    summary: "say what is wrong with this box, and what to do",
    load: async () => (await import("./doctor.ts")).doctorCommand,
  },
  bench: {
    summary: "measure this very box, and recommend settings",
    load: async () => (await import("./bench.ts")).benchCommand,
  },
  verify: {
    summary: "check every file of a data folder, and mend it with --repair",
    load: async () => (await import("./verify.ts")).verifyCommand,
  },
  disk: {
    summary: "say what takes the space of a data folder",
    load: async () => (await import("./disk.ts")).diskCommand,
  },
  manifest: {
    summary: "write the manifest anew from the segments",
    load: async () => (await import("./manifest.ts")).manifestCommand,
  },
  flush: {
    summary: "have the running server write all that is in memory into segments",
    load: async () => (await import("./flush.ts")).flushCommand,
  },
  drain: {
    summary: "have the running server take no more records, and put all there are into segments",
    load: async () => (await import("./drain.ts")).drainCommand,
  },
  retention: {
    summary: "say how long records are kept, and what would be removed now",
    load: async () => (await import("./retention.ts")).retentionCommand,
  },
  batches: {
    summary: "say how far the batches of rows have come",
    load: async () => (await import("./batches.ts")).batchesCommand,
  },
  tasks: {
    summary: "list the server's maintenance, or run some of it now",
    load: async () => (await import("./tasks.ts")).tasksCommand,
  },
  compact: {
    summary: "have the running server merge its segments now",
    load: async () => (await import("./compact.ts")).compactCommand,
  },
  "support-bundle": {
    summary: "gather what somebody who is to help needs to see, without any record",
    load: async () => (await import("./support_bundle.ts")).supportBundleCommand,
  },
  export: {
    summary: "write all data, or some of it, into a portable archive",
    load: async () => (await import("./export.ts")).exportCommand,
  },
  import: {
    summary: "check an archive of openwit export, and add what is in it",
    load: async () => (await import("./import.ts")).importCommand,
  },
  index: {
    summary: "index segments that lack an index, or all of them anew",
    load: async () => (await import("./index.ts")).indexCommand,
  },
  install: {
    summary: "make this executable a service of the box",
    load: async () => (await import("./install.ts")).installCommand,
  },
  upgrade: {
    summary: "put another version in the place of the installed one, with a way back",
    load: async () => (await import("./upgrade.ts")).upgradeCommand,
  },
  uninstall: {
    summary: "remove the service; data stays unless told",
    load: async () => (await import("./uninstall.ts")).uninstallCommand,
  },
  completions: {
    summary: "print completions for bash, zsh or fish",
    load: async () => (await import("./completions.ts")).completionsCommand,
  },
  demo: {
    summary: "send believable telemetry of a web shop",
    load: async () => (await import("../demo/command.ts")).demoCommand,
  },
};

export async function main(args: string[]): Promise<number> {
  const [name, ...rest] = args;
  endWithReader(process.stdout);
  try {
    if (name === undefined || name === "--help" || name === "-h" || name === "help") {
      process.stdout.write(overview());
      return name === undefined ? 2 : 0;
    }
    if (name === "--version" || name === "-V" || name === "version") {
      process.stdout.write(`openwit ${version}\n`);
      return 0;
    }
    const entry = Object.hasOwn(commands, name) ? commands[name] : undefined;
    if (entry === undefined) {
      const near = nearestWord(name, Object.keys(commands));
      throw new OpenWitError("invalid_argument", `there is no command ${JSON.stringify(name)}`, {
        hint: near === undefined ? "openwit --help lists them" : `did you mean openwit ${near}?`,
      });
    }
    const command = await entry.load();
    if (rest.includes("--help") || rest.includes("-h")) {
      process.stdout.write(command.usage);
      return 0;
    }
    return await command.run(rest);
  } catch (thrown) {
    return report(thrown);
  }
}

/** Prints an error as a person reads it; returns the exit status. */
export function report(thrown: unknown): number {
  const error = toOpenWitError(thrown);
  process.stderr.write(`openwit: ${error.message}\n`);
  if (error.hint !== undefined) process.stderr.write(`  hint: ${error.hint}\n`);
  if (error.code === "internal" && error.cause instanceof Error) {
    process.stderr.write(`${error.cause.stack}\n`);
  }
  return errorMappings[error.code].exit;
}

function overview(): string {
  const width = Math.max(...Object.keys(commands).map((name) => name.length));
  return `OpenWit ${version}: an observability database for logs, traces and metrics in one executable.

Usage: openwit <command> [options]

Commands:
${Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`).join("\n")}

Options:
  --help     this text, or that of a command
  --version  the version

Example:
  openwit serve --data-dir ./data
  openwit query "SELECT service_name, count(*) FROM logs GROUP BY ALL"
`;
}
