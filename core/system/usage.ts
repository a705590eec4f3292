/**
 * What takes the space of a data folder: every file and folder once, by allocated blocks, so that the sum is what `du`
 * says. Segments are told apart by tenant, signal and level through the manifest.
 */
import { reservePath } from "../budget/reserve.ts";
import type { Disk } from "../env/disk.ts";
import { silentLog } from "../env/log.ts";
import { toOpenWitError } from "../error.ts";
import { readManifest } from "../manifest/reader.ts";
import type { SegmentMeta } from "../manifest/manifest.ts";
import type { Signal } from "../model/columns.ts";
import { segmentRoot } from "../segment/path.ts";
import { readParquetFooter } from "../segment/reader.ts";
import { again } from "../verify/again.ts";

/**
 * Where bytes lie. `retired`: segments that went, until nobody reads them; `unnamed`: under parquet/ and not in the
 * manifest; `reserve`: kept to be given up when the disk is full; `other`: folders, run/ and tmp/.
 */
export const tiers = [
  "L0",
  "L1",
  "L2",
  "retired",
  "wal",
  "manifest",
  "catalog",
  "quarantine",
  "reserve",
  "unnamed",
  "other",
] as const;
export type Tier = (typeof tiers)[number];

export interface UsageRow {
  readonly tier: Tier;
  /** Only of segments. */
  readonly tenant?: string;
  readonly signal?: Signal;
  files: number;
  /** Allocated blocks, in bytes. */
  bytes: number;
  rows: number;
  /** Event times, nanoseconds since 1970; only of segments. */
  oldestNs?: bigint;
  newestNs?: bigint;
}

export interface ColumnUsage {
  readonly signal: Signal;
  readonly column: string;
  /** Compressed, as in the files. */
  bytes: number;
  rows: number;
}

export interface FolderUsage {
  /** By tenant, signal and tier. */
  readonly usage: readonly UsageRow[];
  readonly bytes: number;
}

/** @throws OpenWitError `io`; `unsupported` for a manifest of a newer version */
export async function folderUsage(disk: Disk): Promise<FolderUsage> {
  const { segments, retired } = await readSegments(disk);
  const rows = new Map<string, UsageRow>();
  let total = 0;
  const add = (path: string, bytes: number, isFolder: boolean) => {
    const segment = segments.get(path.replace(/\.idx$/, ".parquet"));
    const tier = isFolder
      ? "other"
      : segment === undefined
      ? tierOf(path, retired)
      : levelTier(segment.level);
    const key = `${tier}/${segment?.tenant ?? ""}/${segment?.signal ?? ""}`;
    const row = rows.get(key) ?? {
      tier,
      ...(segment === undefined ? {} : { tenant: segment.tenant, signal: segment.signal }),
      files: 0,
      bytes: 0,
      rows: 0,
    };
    rows.set(key, row);
    row.bytes += bytes;
    total += bytes;
    if (!isFolder) row.files++;
    if (segment !== undefined && path === segment.path) count(row, segment);
  };
  for await (const { path, bytes, isFolder } of walk(disk, "")) add(path, bytes, isFolder);
  const usage = [...rows.values()].sort((a, b) =>
    tiers.indexOf(a.tier) - tiers.indexOf(b.tier) || b.bytes - a.bytes
  );
  return { usage, bytes: total };
}

/** Compressed bytes by column, from the segments' footers; one that cannot be read counts for nothing. */
export async function columnUsage(disk: Disk): Promise<ColumnUsage[]> {
  const columns = new Map<string, ColumnUsage>();
  for (const { path, signal, rows } of (await readSegments(disk)).segments.values()) {
    let footer;
    try {
      footer = await readParquetFooter(disk, path);
    } catch (thrown) {
      // Which segments are damaged is what `openwit verify` tells.
      if (["malformed", "not_found"].includes(toOpenWitError(thrown).code)) continue;
      throw thrown;
    }
    const bytesOf = new Map<string, number>();
    for (const chunk of footer.rowGroups.flatMap((group) => group.columns)) {
      bytesOf.set(chunk.path[0], (bytesOf.get(chunk.path[0]) ?? 0) + chunk.compressedBytes);
    }
    for (const [column, bytes] of bytesOf) {
      const key = `${signal}/${column}`;
      const usage = columns.get(key) ?? { signal, column, bytes: 0, rows: 0 };
      columns.set(key, usage);
      usage.bytes += bytes;
      usage.rows += rows;
    }
  }
  return [...columns.values()].sort((a, b) => b.bytes - a.bytes);
}

/** Live segments by path, and the paths of retired ones that may still be on the disk. */
async function readSegments(
  disk: Disk,
): Promise<{ segments: Map<string, SegmentMeta>; retired: ReadonlySet<unknown> }> {
  const { live } = await again(() => readManifest(disk, silentLog, true));
  return {
    segments: new Map([...live.segments.values()].map((segment) => [segment.path, segment])),
    retired: new Set([...live.settings].flatMap(([key, path]) => key.startsWith("retired/") ? [path] : [])),
  };
}

/** Everything below a folder, the folder itself included; what goes meanwhile is passed over. */
async function* walk(
  disk: Disk,
  path: string,
): AsyncGenerator<{ path: string; bytes: number; isFolder: boolean }> {
  const stat = await disk.stat(path);
  if (stat === undefined) return;
  yield { path, bytes: stat.allocatedBytes, isFolder: stat.isFolder };
  if (!stat.isFolder) return;
  for (const name of await disk.list(path)) {
    const child = name.endsWith("/") ? name.slice(0, -1) : name;
    yield* walk(disk, path === "" ? child : `${path}/${child}`);
  }
}

function tierOf(path: string, retired: ReadonlySet<unknown>): Tier {
  const folder = path.split("/", 1)[0];
  if (folder === segmentRoot) return retired.has(path) ? "retired" : "unnamed";
  if (path === reservePath) return "reserve";
  return (["wal", "manifest", "catalog", "quarantine"] as const).find((each) => each === folder) ?? "other";
}

function levelTier(level: number): Tier {
  return level === 0 ? "L0" : level === 1 ? "L1" : "L2";
}

function count(row: UsageRow, { rows, minTimeNs, maxTimeNs }: SegmentMeta): void {
  row.rows += rows;
  if (row.oldestNs === undefined || minTimeNs < row.oldestNs) row.oldestNs = minTimeNs;
  if (row.newestNs === undefined || maxTimeNs > row.newestNs) row.newestNs = maxTimeNs;
}
