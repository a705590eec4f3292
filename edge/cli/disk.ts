/** `openwit disk`: what takes the space of a data folder. */
import process from "node:process";
import { isoTimestamp } from "../../core/model/row.ts";
import { type ColumnUsage, columnUsage, type FolderUsage, folderUsage } from "../../core/system/usage.ts";
import { NodeDisk } from "../disk/disk.ts";
import { parseFlags } from "./flags.ts";
import { dataFolder, refuseArguments } from "./folder.ts";
import type { Command } from "./main.ts";
import { bytes } from "./status.ts";
import { renderTable } from "./table.ts";

export const diskCommand: Command = {
  usage: `openwit disk: what takes the space of a data folder, by tenant, signal and tier.

Usage: openwit disk [options]

Options:
  --columns              also by column: compressed bytes in the segments
  --data-dir DIR         data folder (default ./data)
  --json                 one JSON document: data_dir, bytes, free_bytes, total_bytes, usage, columns

Bytes are allocated blocks, folders included, as du counts them. Tiers: L0 (as flushed), L1 and L2 (merged), retired
(merged or evicted, removed when nobody reads them), wal, manifest, catalog, quarantine, reserve (given up when the disk
is full), unnamed (under parquet/ and not in the manifest), other (folders, run/, tmp/).

Example:
  openwit disk --columns --data-dir /var/lib/openwit
`,
  async run(args) {
    const { values, positionals } = parseFlags(args, {
      columns: { type: "boolean" },
      "data-dir": { type: "string" },
      json: { type: "boolean" },
    }, "disk");
    refuseArguments(positionals, "disk");
    const dataDir = dataFolder(values["data-dir"]);
    const disk = new NodeDisk(dataDir);
    const folder = await folderUsage(disk);
    const space = await disk.space();
    const columns = values.columns ? await columnUsage(disk) : undefined;
    process.stdout.write(
      values.json
        ? JSON.stringify(asDocument(dataDir, folder, space, columns)) + "\n"
        : describe(dataDir, folder, space, columns),
    );
    return 0;
  },
};

interface Space {
  readonly freeBytes: number;
  readonly totalBytes: number;
}

function asDocument(
  dataDir: string,
  folder: FolderUsage,
  space: Space,
  columns: readonly ColumnUsage[] | undefined,
): Record<string, unknown> {
  return {
    data_dir: dataDir,
    bytes: folder.bytes,
    free_bytes: space.freeBytes,
    total_bytes: space.totalBytes,
    usage: folder.usage.map(({ oldestNs, newestNs, ...row }) => ({
      ...row,
      ...(row.rows === 0 ? {} : { bytes_per_row: row.bytes / row.rows }),
      ...(oldestNs === undefined ? {} : { oldest: isoTimestamp(oldestNs) }),
      ...(newestNs === undefined ? {} : { newest: isoTimestamp(newestNs) }),
    })),
    ...(columns === undefined ? {} : {
      columns: columns.map((each) => ({
        ...each,
        bytes_per_row: each.rows === 0 ? 0 : each.bytes / each.rows,
      })),
    }),
  };
}

function describe(
  dataDir: string,
  { usage, bytes: total }: FolderUsage,
  space: Space,
  columns: readonly ColumnUsage[] | undefined,
): string {
  const width = process.stdout.columns ?? 160;
  const share = (part: number) => `${(part / Math.max(total, 1) * 100).toFixed(1)}%`;
  const perRow = (count: number, rows: number) => rows === 0 ? "" : (count / rows).toFixed(1);
  const table = renderTable(
    head(
      ["tier", "tenant", "signal", "files", "rows", "bytes", "share", "bytes/row", "oldest", "newest"],
      3,
      5,
    ),
    usage.map((row) => [
      row.tier,
      row.tenant ?? "",
      row.signal ?? "",
      row.files,
      row.rows,
      bytes(row.bytes),
      share(row.bytes),
      perRow(row.bytes, row.rows),
      row.oldestNs === undefined ? "" : isoTimestamp(row.oldestNs).slice(0, 19),
      row.newestNs === undefined ? "" : isoTimestamp(row.newestNs).slice(0, 19),
    ]),
    width,
  );
  const text = `${table}\n${dataDir}: ${bytes(total)}; the volume has ${bytes(space.freeBytes)} of ${
    bytes(space.totalBytes)
  } free\n`;
  if (columns === undefined) return text;
  const all = columns.reduce((sum, each) => sum + each.bytes, 0);
  const byColumn = renderTable(
    head(["signal", "column", "bytes", "share", "bytes/row"], 5, 5),
    columns.map(({ signal, column, bytes: count, rows }) => [
      signal,
      column,
      bytes(count),
      `${(count / Math.max(all, 1) * 100).toFixed(1)}%`,
      perRow(count, rows),
    ]),
    width,
  );
  return `${text}\n${byColumn}`;
}

/** Columns of a table; those in [from, to) are numbers, set to the right. */
function head(names: readonly string[], from: number, to: number): { name: string; type: string }[] {
  return names.map((name, index) => ({ name, type: index >= from && index < to ? "INTEGER" : "VARCHAR" }));
}
