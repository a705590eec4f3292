/** What a data folder tells of itself without its records: how much of what there is, from when, and what is put aside. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ManifestState } from "../../core/manifest/state.ts";
import { isoTimestamp } from "../../core/model/row.ts";
import { folderUsage } from "../../core/system/usage.ts";
import { quarantineFolder } from "../../core/wal/quarantine.ts";
import { NodeDisk } from "../disk/disk.ts";

/** Names that are listed of a folder's files of one kind. */
const listedMax = 200;

/** Segments by tenant, signal and level. */
export function segmentsSummary(state: ManifestState, damaged: ReadonlyMap<string, string>): unknown {
  const groups = Map.groupBy(
    state.segments.values(),
    ({ tenant, signal, level }) => `${tenant}/${signal}/L${level}`,
  );
  return {
    segments: state.segments.size,
    groups: [...groups].map(([group, segments]) => ({
      group,
      segments: segments.length,
      rows: segments.reduce((sum, { rows }) => sum + rows, 0),
      bytes: segments.reduce((sum, { bytes }) => sum + bytes, 0),
      late: segments.filter(({ late }) => late).length,
      imported: segments.filter(({ origin }) => origin !== undefined).length,
      oldest: isoTimestamp(least(segments.map(({ minTimeNs }) => minTimeNs))),
      newest: isoTimestamp(-least(segments.map(({ maxTimeNs }) => -maxTimeNs))),
      schema_versions: [...new Set(segments.map(({ schemaVersion }) => schemaVersion))],
    })),
    damaged: Object.fromEntries(damaged),
  };
}

/** What the manifest knows beside the segments; of what a person set the names. */
export function manifestSummary(state: ManifestState): unknown {
  return {
    node_id: state.nodeId,
    edits: state.version,
    newest_ingest: isoTimestamp(state.newestIngestNs),
    watermarks: Object.fromEntries(state.watermarks),
    settings: [...state.settings.keys()],
  };
}

/** Bytes by tier, tenant and signal; the files of WAL and manifest by name. */
export async function folderSummary(dataDir: string): Promise<unknown> {
  const disk = new NodeDisk(dataDir);
  const { usage, bytes } = await folderUsage(disk);
  const { freeBytes, totalBytes } = await disk.space();
  return {
    data_dir: dataDir,
    bytes,
    free_bytes: freeBytes,
    total_bytes: totalBytes,
    usage: usage.map(({ oldestNs: _, newestNs: __, ...row }) => row),
    wal: await filesIn(disk, "wal"),
    manifest: await filesIn(disk, "manifest"),
  };
}

/** Names, sizes and reasons of what was put aside. What it holds may be records, and is not read. */
export async function quarantineSummary(dataDir: string): Promise<unknown> {
  const files = await filesIn(new NodeDisk(dataDir), quarantineFolder);
  return await Promise.all(
    files.map(async (file) =>
      file.name.endsWith(".json")
        ? { ...file, reason: await reasonOf(join(dataDir, quarantineFolder, file.name)) }
        : file
    ),
  );
}

/** Members that say where and why; others might be what was found. */
const reasonNames = [
  "file",
  "kind",
  "reason",
  "error",
  "code",
  "from",
  "to",
  "at",
  "offset",
  "lsn",
  "tenant",
  "signal",
];

async function reasonOf(path: string): Promise<unknown> {
  try {
    const document: Record<string, unknown> = JSON.parse(await readFile(path, "utf8"));
    return Object.fromEntries(
      reasonNames.flatMap((name) => name in document ? [[name, document[name]]] : []),
    );
  } catch {
    return "half written"; // its name and size are what there is
  }
}

async function filesIn(disk: NodeDisk, folder: string): Promise<{ name: string; bytes: number }[]> {
  const names = (await disk.list(folder).catch(() => [])).slice(0, listedMax); // no such folder: nothing in it
  return await Promise.all(
    names.map(async (name) => ({ name, bytes: (await disk.stat(`${folder}/${name}`))?.bytes ?? 0 })),
  );
}

function least(times: readonly bigint[]): bigint {
  return times.reduce((a, b) => a < b ? a : b);
}
