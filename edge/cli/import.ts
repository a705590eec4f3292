/** `openwit import`: has a running server, or this process on a folder, check an archive and add what is in it. */
import { createReadStream, existsSync, statSync } from "node:fs";
import { resolve } from "node:path";
import process from "node:process";
import { OpenWitError } from "../../core/error.ts";
import { importPath } from "../api/admin/archive.ts";
import { readInputs } from "../config/files.ts";
import { loadConfig } from "../config/settings.ts";
import { type ParsedFlags, parseFlags } from "./flags.ts";
import type { Command } from "./main.ts";
import { progressBar } from "./progress.ts";
import { bytes } from "./status.ts";
import { expectOk, findTarget, type Target } from "./target.ts";

export const importCommand: Command = {
  usage: `openwit import: check an archive of openwit export, and add what is in it.

Everything is checked before anything is added: the archive's structure and checksums, and every segment's footer,
columns and rows. Then all is added at once, or, when the import fails or is cut off, nothing. What is here already
is not added again. Nothing is evicted to make room.

Usage: openwit import [options] FILE

FILE is an archive; - reads it from stdin.

Options:
  --dry-run              check everything, say what would be done, and add nothing
  --url URL              import into this server (default: OPENWIT_URL, or the one that runs here)
  --data-dir DIR         data folder (default ./data); without a running server it is opened, recovered and closed
                         again; one that is named and not there is made
  --config FILE          configuration, of which storage.budget counts when no server runs
  --json                 what was done as JSON

Exit status: 0 done, 1 failed, 3 some segments could not be told apart from what is here, and are left out.

Example:
  openwit import --dry-run box.tar
`,
  async run(args) {
    const { values, positionals } = parseFlags(args, {
      "dry-run": { type: "boolean" },
      url: { type: "string" },
      "data-dir": { type: "string" },
      config: { type: "string" },
      json: { type: "boolean" },
    }, "import");
    if (positionals.length !== 1) {
      throw new OpenWitError(
        "invalid_argument",
        `import takes one archive, there are ${positionals.length}`,
        {
          hint: "openwit import box.tar, or - for stdin",
        },
      );
    }
    const source = openSource(positionals[0]);
    const target = await importTarget(values);
    const interrupted = new AbortController();
    process.once("SIGINT", () => interrupted.abort());
    const bar = progressBar();
    try {
      const answer = await expectOk(
        await target.fetch(`${importPath}?dry_run=${values["dry-run"] === true}`, {
          method: "POST",
          headers: { "Content-Type": "application/x-tar" },
          body: streamOf(source, (done) => bar.update(done, source.bytes ?? done, positionals[0])),
          duplex: "half",
          signal: interrupted.signal,
        } as RequestInit),
      );
      bar.end();
      const report = await answer.json();
      tellOfRetention(report);
      process.stdout.write(values.json ? JSON.stringify(report) + "\n" : describe(report));
      return report.left_out.length > 0 ? 3 : 0;
    } finally {
      bar.end();
      await target.close();
    }
  },
};

interface Source {
  readonly pieces: AsyncIterable<Uint8Array>;
  /** Where it is known. */
  readonly bytes: number | undefined;
}

/** @throws OpenWitError `not_found` */
function openSource(name: string): Source {
  if (name === "-") return { pieces: process.stdin, bytes: undefined };
  const path = resolve(name);
  if (!existsSync(path) || !statSync(path).isFile()) {
    throw new OpenWitError("not_found", `there is no file ${path}`);
  }
  return { pieces: createReadStream(path, { highWaterMark: pieceBytes }), bytes: statSync(path).size };
}

const pieceBytes = 1024 * 1024;

function streamOf(source: Source, onBytes: (doneBytes: number) => void): ReadableStream<Uint8Array> {
  const pieces = source.pieces[Symbol.asyncIterator]();
  let done = 0;
  return new ReadableStream({
    async pull(controller) {
      const { done: isOver, value } = await pieces.next();
      if (isOver) return controller.close();
      onBytes(done += value.length);
      controller.enqueue(value);
    },
    async cancel() {
      await pieces.return?.();
    },
  });
}

async function importTarget(values: ParsedFlags["values"]): Promise<Target> {
  const { url, "data-dir": dataDir } = values as Record<string, string | undefined>;
  const config = await loadConfig(await readInputs({ config: values.config }, process.env));
  const offline = async (folder: string) =>
    (await import("./offline_import.ts")).openOfflineImport(folder, config);
  const isNew = url === undefined && process.env.OPENWIT_URL === undefined && dataDir !== undefined &&
    !existsSync(dataDir);
  return isNew ? await offline(dataDir) : await findTarget({ url, dataDir }, offline);
}

/** Rows that go again before anybody could ask for them are worth a word, whatever the form of the answer. */
// deno-lint-ignore no-explicit-any -- the document of POST /api/v1/admin/import
function tellOfRetention({ beyond_retention: gone, dry_run: dryRun }: any): void {
  if (gone.segments === 0) return;
  process.stderr.write(
    `openwit: ${gone.segments} segments of ${gone.rows} rows are older than storage.retention keeps: the server ` +
      `${
        dryRun ? "would remove" : "removes"
      } them within a minute\n  hint: raise storage.retention before, or import ` +
      "into a data folder without it\n",
  );
}

interface Totals {
  readonly segments: number;
  readonly rows: number;
  readonly bytes: number;
}

// deno-lint-ignore no-explicit-any -- the document of POST /api/v1/admin/import
function describe(report: any): string {
  const of = ({ segments, rows, bytes: size }: Totals) =>
    `${segments} segments of ${rows} rows, ${bytes(size)}`;
  const { archive, dry_run: dryRun } = report;
  const lines = [
    `checked the archive of node ${archive.node_id}, ${archive.created_at}: ${of(archive)}`,
    `${dryRun ? "would add" : "added"} ${of(report.added)}`,
  ];
  if (report.replaced.segments > 0) {
    lines.push(`${dryRun ? "would replace" : "replaced"} ${of(report.replaced)}, imported earlier`);
  }
  if (report.already_here.segments > 0) lines.push(`here already: ${of(report.already_here)}`);
  for (const { path, rows, why } of report.left_out) lines.push(`left out ${path} (${rows} rows): ${why}`);
  return lines.join("\n") + "\n";
}
