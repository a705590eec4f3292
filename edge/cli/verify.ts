/** `openwit verify`: checks every file of a data folder, and with --repair mends it. */
import process from "node:process";
import { systemRandom } from "../../core/env/random.ts";
import { toOpenWitError } from "../../core/error.ts";
import type { Finding } from "../../core/verify/finding.ts";
import { type Repair, repairFolder } from "../../core/verify/repair.ts";
import { verifyFolder, type VerifyOptions, type VerifyReport } from "../../core/verify/verify.ts";
import { NodeDisk } from "../disk/disk.ts";
import { type DataLock, lockDataFolder } from "../disk/lock.ts";
import { segmentScanner } from "../duckdb/scan.ts";
import { parseFlags } from "./flags.ts";
import { dataFolder, isServed, refuseArguments } from "./folder.ts";
import type { Command } from "./main.ts";
import { progressBar } from "./progress.ts";
import { bytes } from "./status.ts";

export const verifyCommand: Command = {
  usage: `openwit verify: check every file of a data folder against the manifest.

Usage: openwit verify [options]

Options:
  --deep                 also read every byte and every row of every segment
  --repair               mend: put what is damaged into quarantine/ with the reason beside it, remove litter, and
                         make the manifest name what is there; no data is deleted; not while a server runs
  --data-dir DIR         data folder (default ./data)
  --json                 one JSON document: data_dir, deep, served, checked, findings, notes, repairs

While a server runs the check only reads, and takes what the server explains for notes.

Exit status: 0 clean (after --repair: clean now), 1 findings are left, 2 misuse.

Example:
  openwit verify --deep --data-dir /var/lib/openwit
`,
  async run(args) {
    const { values, positionals } = parseFlags(args, {
      deep: { type: "boolean" },
      repair: { type: "boolean" },
      "data-dir": { type: "string" },
      json: { type: "boolean" },
    }, "verify");
    refuseArguments(positionals, "verify");
    const dataDir = dataFolder(values["data-dir"]);
    const lock = values.repair ? lockDataFolder(dataDir) : undefined;
    const served = lock === undefined && isServed(dataDir);
    if (served && !values.json) {
      process.stderr.write(
        "openwit: a server works on this folder: reading only, and what it explains is noted\n",
      );
    }
    return await check(dataDir, values.deep === true, values.json === true, served, lock);
  },
};

async function check(
  dataDir: string,
  deep: boolean,
  asJson: boolean,
  served: boolean,
  lock: DataLock | undefined,
): Promise<number> {
  const scanner = segmentScanner(dataDir);
  const bar = progressBar();
  const env = {
    disk: new NodeDisk(dataDir),
    random: systemRandom,
    scan: scanner.scan,
    log: warn,
  };
  const options: VerifyOptions = {
    deep,
    // With the lock held asking would find our own.
    isLive: () => lock === undefined && isServed(dataDir),
    onProgress: ({ doneBytes, totalBytes, path }) => bar.update(doneBytes, totalBytes, path),
  };
  try {
    const before = await verifyFolder(env, options);
    const { repairs, after } = lock === undefined || before.findings.length === 0
      ? { repairs: [], after: before }
      : await repairFolder(env, before, options);
    bar.end();
    if (asJson) {
      process.stdout.write(JSON.stringify(asDocument(dataDir, deep, served, before, repairs, after)) + "\n");
    } else process.stdout.write(describe(before, repairs, after, lock !== undefined));
    return after.findings.length === 0 ? 0 : 1;
  } finally {
    bar.end();
    scanner.close();
    lock?.release();
  }
}

/** Repairs use the parts of the database that log; only what went wrong is of interest here. */
function warn(level: string, message: string, fields: Record<string, unknown> = {}): void {
  if (level !== "error" && level !== "warn") return;
  const { error } = fields;
  process.stderr.write(
    `openwit: ${message}${error === undefined ? "" : `: ${toOpenWitError(error).message}`}\n`,
  );
}

function asDocument(
  dataDir: string,
  deep: boolean,
  served: boolean,
  before: VerifyReport,
  repairs: readonly Repair[],
  after: VerifyReport,
): Record<string, unknown> {
  const { manifestEdits, walFiles, walRecords, segments, rows, bytes } = before.checked;
  const checked = {
    manifest_edits: manifestEdits,
    wal_files: walFiles,
    wal_records: walRecords,
    segments,
    rows,
    bytes,
  };
  const clean = after.findings.length === 0;
  return {
    data_dir: dataDir,
    deep,
    served,
    clean,
    checked,
    findings: before.findings,
    notes: before.notes,
    repairs,
  };
}

function describe(
  before: VerifyReport,
  repairs: readonly Repair[],
  after: VerifyReport,
  repairing: boolean,
): string {
  const { checked, findings, notes } = before;
  const text = [
    `checked ${checked.manifestEdits} manifest edits, ${checked.walRecords} records in ${checked.walFiles} WAL files, ` +
    `${checked.segments} segments of ${checked.rows} rows: ${bytes(checked.bytes)}`,
    ...findings.map(describeFinding),
    ...notes.map((each) => `note: ${each.path}: ${each.found} (the server may be at it)`),
    ...repairs.map(({ path, done }) => `repaired ${path}: ${done}`),
  ];
  if (findings.length === 0) text.push("no findings");
  else if (!repairing) {
    const costly = findings.filter(({ costs }) => costs).length;
    text.push(
      `${findings.length} findings, ${costly} of which may cost data; openwit verify --repair mends them`,
    );
  } else if (after.findings.length === 0) text.push(`${findings.length} findings, all mended`);
  else text.push(`${after.findings.length} findings are left:`, ...after.findings.map(describeFinding));
  return text.join("\n") + "\n";
}

function describeFinding({ kind, path, found, expected, hint, costs }: Finding): string {
  return `${costs ? "damage" : "litter"} ${path}: ${kind}
  found     ${found}
  expected  ${expected}
  what to do: ${hint}`;
}
