/** `openwit manifest rebuild`: writes the manifest anew from what the segments say of themselves. */
import process from "node:process";
import { readFile } from "../../core/env/disk.ts";
import { systemRandom } from "../../core/env/random.ts";
import { OpenWitError } from "../../core/error.ts";
import { manifestPath } from "../../core/manifest/format.ts";
import { Manifest } from "../../core/manifest/manifest.ts";
import { readManifest } from "../../core/manifest/reader.ts";
import { rebuildManifest } from "../../core/store/rebuild.ts";
import { quarantineBytes } from "../../core/wal/quarantine.ts";
import { nearestWord } from "../config/parse.ts";
import { NodeDisk } from "../disk/disk.ts";
import { lockDataFolder } from "../disk/lock.ts";
import { stderrLog } from "../log/log.ts";
import { parseFlags } from "./flags.ts";
import { dataFolder } from "./folder.ts";
import type { Command } from "./main.ts";

export const manifestCommand: Command = {
  usage: `openwit manifest rebuild: write the manifest anew from the footers of the segments.

Usage: openwit manifest rebuild [options]

Options:
  --data-dir DIR         data folder (default ./data)
  --json                 one JSON document: data_dir, kept, segments, rows, added, removed

The manifest that was there is kept in quarantine/. What a person set, and how far each stream is flushed, is carried
over where it can be read. A start does this by itself when the manifest is lost or damaged. Not while a server runs.

Example:
  openwit manifest rebuild --data-dir /var/lib/openwit
`,
  async run(args) {
    const { values, positionals } = parseFlags(args, {
      "data-dir": { type: "string" },
      json: { type: "boolean" },
    }, "manifest");
    const [action, ...rest] = positionals;
    if (action !== "rebuild" || rest.length > 0) {
      const near = nearestWord(action ?? "", ["rebuild"]);
      throw new OpenWitError("invalid_argument", `manifest cannot ${positionals.join(" ") || "do nothing"}`, {
        hint: near === undefined ? "openwit manifest rebuild" : `did you mean openwit manifest ${near}?`,
      });
    }
    const dataDir = dataFolder(values["data-dir"]);
    using _lock = lockDataFolder(dataDir);
    const { kept, segments, rows, added, removed } = await rebuild(dataDir);
    process.stdout.write(
      values.json ? JSON.stringify({ data_dir: dataDir, kept, segments, rows, added, removed }) + "\n" : [
        `the manifest of ${dataDir} names ${segments} segments of ${rows} rows`,
        ...added.map((path) => `added    ${path}`),
        ...removed.map((path) => `removed  ${path}`),
        kept === undefined ? "there was none before" : `the one before is kept as ${kept}`,
      ].join("\n") + "\n",
    );
    return 0;
  },
};

interface Rebuilt {
  /** Where the manifest before is now. */
  readonly kept: string | undefined;
  readonly segments: number;
  readonly rows: number;
  /** Paths that the manifest before did not name, and that it alone named. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

async function rebuild(dataDir: string): Promise<Rebuilt> {
  const disk = new NodeDisk(dataDir);
  const log = stderrLog();
  const { report, live } = await readManifest(disk, log, true);
  const content = await rebuildManifest({ disk, log }, live);
  let kept: string | undefined;
  if (!report.missing) {
    const path = manifestPath(report.n);
    const why = report.damaged ?? "rebuilt by openwit manifest rebuild";
    kept = await quarantineBytes(disk, path.replace("/", "-"), await readFile(disk, path), {
      file: path,
      reason: why,
    });
  }
  const nodeId = content.nodeId === "" ? undefined : content.nodeId;
  const manifest = await Manifest.create({ disk, log, random: systemRandom }, { ...content, nodeId });
  await manifest.close();
  const before = new Set([...live.segments.values()].map(({ path }) => path));
  const after = new Set(content.segments.map(({ path }) => path));
  return {
    kept,
    segments: content.segments.length,
    rows: content.segments.reduce((sum, { rows }) => sum + rows, 0),
    added: [...after].filter((path) => !before.has(path)),
    removed: [...before].filter((path) => !after.has(path)),
  };
}
