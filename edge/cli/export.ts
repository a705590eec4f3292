/** `openwit export`: writes an archive (docs/archive.md) of a running server's data, or of a folder's. */
import { type FileHandle, open, rename, rm, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import process from "node:process";
import { ArchiveReader } from "../../core/archive/reader.ts";
import { OpenWitError } from "../../core/error.ts";
import { exportPath } from "../api/admin/archive.ts";
import { parseFlags } from "./flags.ts";
import { refuseArguments } from "./folder.ts";
import type { Command } from "./main.ts";
import { progressBar } from "./progress.ts";
import { bytes } from "./status.ts";
import { expectOk, findTarget } from "./target.ts";

export const exportCommand: Command = {
  usage: `openwit export: write data into a portable archive, which openwit import takes.

An archive is a tar file: a manifest, and the Parquet segments at their usual paths. Everything that is acknowledged
when it begins is in it, what only the WAL has included.

Usage: openwit export [options]

Options:
  --output FILE          where to; - for stdout (the default where stdout is no terminal)
  --force                replace FILE
  --tenant NAME          only this tenant (default: all)
  --signal SIGNAL        only logs, spans or metrics (default: all)
  --since WHEN           only segments with rows from then on: 15m, 7d, 2026-11-23, 2026-11-23T20:00:00Z
  --until WHEN           only segments with rows from before then; segments are whole, so other rows of their hour
                         are in the archive too
  --url URL              ask this server (default: OPENWIT_URL, or the one that runs here)
  --data-dir DIR         data folder (default ./data); without a running server it is read, and not changed
  --json                 what was written as JSON

Exit status: 0 done, 1 failed, 3 damaged segments are left out.

Example:
  openwit export --output box.tar --since 7d
`,
  async run(args) {
    const { values, positionals } = parseFlags(args, {
      output: { type: "string" },
      force: { type: "boolean" },
      tenant: { type: "string" },
      signal: { type: "string" },
      since: { type: "string" },
      until: { type: "string" },
      url: { type: "string" },
      "data-dir": { type: "string" },
      json: { type: "boolean" },
    }, "export");
    refuseArguments(positionals, "export");
    const output = await parseOutput(values.output as string | undefined, values.force === true);
    const target = await findTarget(
      { url: values.url as string | undefined, dataDir: values["data-dir"] as string | undefined },
      async (dataDir) => (await import("./offline.ts")).openOffline(dataDir),
    );
    const interrupted = new AbortController();
    process.once("SIGINT", () => interrupted.abort());
    try {
      const query = new URLSearchParams();
      for (const name of ["tenant", "signal", "since", "until"]) {
        if (values[name] !== undefined) query.set(name, String(values[name]));
      }
      const answer = await expectOk(
        await target.fetch(`${exportPath}?${query}`, { signal: interrupted.signal }),
      );
      const written = await write(answer.body!, output);
      const partial = answer.headers.get("X-OpenWit-Partial");
      if (partial !== null) process.stderr.write(`openwit: the archive is not all there is: ${partial}\n`);
      tell(written, output, values.json === true);
      return partial === null ? 0 : 3;
    } finally {
      await target.close();
    }
  },
};

/** `undefined` for stdout. @throws OpenWitError `invalid_argument`, `conflict` */
async function parseOutput(flag: string | undefined, isForced: boolean): Promise<string | undefined> {
  if (flag === "-" || flag === undefined && !process.stdout.isTTY) return undefined;
  if (flag === undefined) {
    throw new OpenWitError("invalid_argument", "an archive is not for a terminal", {
      hint: "name a file with --output, or pipe it",
    });
  }
  const path = resolve(flag);
  if (!isForced && await stat(path).then(() => true, () => false)) {
    throw new OpenWitError("conflict", `${path} is there already`, { hint: "--force replaces it" });
  }
  return path;
}

interface Written {
  readonly segments: number;
  readonly rows: number;
  /** Of the archive. */
  readonly bytes: number;
}

/** Passes the archive on and checks it on the way; a file gets its name when it is whole and durable. */
async function write(body: ReadableStream<Uint8Array>, output: string | undefined): Promise<Written> {
  const bar = progressBar();
  const temporary = `${output}.${process.pid}.tmp`;
  const file = output === undefined ? undefined : await createFile(temporary);
  let passed = 0;
  const through = async function* () {
    for await (const part of body as unknown as AsyncIterable<Uint8Array>) {
      await pass(part, file);
      passed += part.length;
      yield part;
    }
  };
  try {
    const reader = await ArchiveReader.open(through());
    const { segments } = reader.manifest;
    const total = segments.reduce((sum, each) => sum + each.bytes, 0);
    let done = 0;
    for await (const { segment, bytes } of reader.segments()) {
      for await (const part of bytes) bar.update(done += part.length, total, segment.path);
    }
    if (file !== undefined) {
      await file.sync();
      await file.close();
      await rename(temporary, output!);
      await syncFolder(dirname(output!));
    }
    return {
      segments: segments.length,
      rows: segments.reduce((sum, { rows }) => sum + rows, 0),
      bytes: passed,
    };
  } catch (error) {
    await file?.close().catch(() => {}); // closed already, when the rename is what failed
    if (file !== undefined) await rm(temporary, { force: true });
    throw error;
  } finally {
    bar.end();
  }
}

async function pass(part: Uint8Array, file: FileHandle | undefined): Promise<void> {
  if (file === undefined) {
    if (!process.stdout.write(part)) await new Promise((resolve) => process.stdout.once("drain", resolve));
    return;
  }
  try {
    await file.writeFile(part); // at the file's position, all of it
  } catch (cause) {
    throw cannotWrite(cause);
  }
}

async function createFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, "wx", 0o600);
  } catch (cause) {
    throw cannotWrite(cause);
  }
}

function cannotWrite(cause: unknown): OpenWitError {
  return new OpenWitError("io", `the archive cannot be written: ${(cause as Error).message}`, {
    hint: "choose another place with --output",
    cause,
  });
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function tell(written: Written, output: string | undefined, asJson: boolean): void {
  const report = { output: output ?? "-", ...written };
  // With the archive on stdout what is said of it goes beside it.
  const stream = output === undefined ? process.stderr : process.stdout;
  if (asJson) stream.write(JSON.stringify(report) + "\n");
  else {
    stream.write(
      `${written.segments} segments of ${written.rows} rows, ${bytes(written.bytes)}, ` +
        `${output === undefined ? "written" : `in ${output}`}\n`,
    );
  }
}
