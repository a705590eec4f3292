/**
 * Checks a whole data folder without changing it: every frame of the manifest, every record of the WAL, every segment
 * against the manifest, and every file that nobody names. `repair.ts` mends what is found here.
 *
 * A folder that a server works on changes while it is read: what a server may just be writing, or has just removed,
 * is told as a note and not as a finding.
 */
import { type Disk, temporarySuffix } from "../env/disk.ts";
import { silentLog } from "../env/log.ts";
import { toOpenWitError } from "../error.ts";
import { indexPath, indexSuffix } from "../index/format.ts";
import { manifestFolder, manifestPath, parseManifestName } from "../manifest/format.ts";
import { type ManifestReport, readManifest } from "../manifest/reader.ts";
import type { ManifestState } from "../manifest/state.ts";
import { parseFooter } from "../segment/footer.ts";
import { segmentRoot } from "../segment/path.ts";
import { readParquetFooter } from "../segment/reader.ts";
import { filesUnder } from "../store/orphans.ts";
import { streamKey } from "../store/store.ts";
import { quarantineFolder } from "../wal/quarantine.ts";
import { again } from "./again.ts";
import { type Finding, finding, type FindingKind } from "./finding.ts";
import { checkSegment, type SegmentScan } from "./segment.ts";
import { checkWal, type WalCheck } from "./wal.ts";

export interface VerifyEnv {
  readonly disk: Disk;
  /** Reads a segment's content: what a check in depth needs. */
  readonly scan?: SegmentScan;
}

export interface VerifyOptions {
  /** Also read every byte and row. */
  readonly deep: boolean;
  /** Whether a server works on the folder meanwhile; asked again at the end. */
  readonly isLive: () => boolean;
  readonly onProgress?: (progress: VerifyProgress) => void;
}

export interface VerifyProgress {
  readonly doneBytes: number;
  readonly totalBytes: number;
  /** What is being read. */
  readonly path: string;
}

export interface VerifyReport {
  readonly findings: readonly Finding[];
  /** What a server at work explains. */
  readonly notes: readonly Finding[];
  readonly checked: {
    readonly manifestEdits: number;
    readonly walFiles: number;
    readonly walRecords: number;
    readonly segments: number;
    readonly rows: number;
    readonly bytes: number;
  };
}

/** @throws OpenWitError `io`; `unsupported` for a manifest of a newer version */
export async function verifyFolder(env: VerifyEnv, options: VerifyOptions): Promise<VerifyReport> {
  const { disk } = env;
  const wasLive = options.isLive();
  const { report, live: state } = await again(() => readManifest(disk, silentLog, true));
  const segments = [...state.segments.values()];
  const totalBytes = await walBytes(disk) + segments.reduce((sum, { bytes }) => sum + bytes, 0);
  let doneBytes = 0;
  const progress = (path: string) => (bytes: number) => {
    doneBytes += bytes;
    options.onProgress?.({ doneBytes: Math.min(doneBytes, totalBytes), totalBytes, path });
  };

  const findings: Finding[] = await checkManifest(disk, report);
  const wal = await again(() => checkWal(disk, options.deep, progress("wal")));
  findings.push(...wal.findings);
  for (const meta of segments) {
    const onBytes = progress(meta.path);
    const scan = options.deep ? env.scan : undefined;
    findings.push(
      ...await checkSegment(disk, meta, scan === undefined ? undefined : { scan, onBytes }).catch(
        (thrown) => {
          // A server may have removed it between two reads.
          const error = toOpenWitError(thrown);
          if (error.code !== "not_found") throw error;
          return [finding("segment_missing", meta.path, "no file", `${meta.rows} rows`, meta.id)];
        },
      ),
    );
    if (scan === undefined) onBytes(meta.bytes);
  }
  findings.push(...await checkUnnamed(disk, state, wal));
  const isLive = wasLive || options.isLive();
  const now = isLive ? (await again(() => readManifest(disk, silentLog, true))).live : state;
  const isNote = (each: Finding) => isLive && isExplainedByServer(each, now);
  return {
    findings: findings.filter((each) => !isNote(each)),
    notes: findings.filter(isNote),
    checked: {
      manifestEdits: report.edits,
      walFiles: wal.files,
      walRecords: wal.records,
      segments: segments.length,
      rows: segments.reduce((sum, { rows }) => sum + rows, 0),
      bytes: totalBytes,
    },
  };
}

async function checkManifest(disk: Disk, report: ManifestReport): Promise<Finding[]> {
  const findings: Finding[] = [];
  const path = manifestPath(report.n);
  if (report.lost) {
    findings.push(
      finding("manifest_lost", manifestFolder, "no manifest beside segments", "one manifest file"),
    );
  } else if (report.damaged !== undefined) {
    findings.push(finding("manifest_damaged", path, report.damaged, "edits whose checksums are right"));
  } else if (report.tornBytes > 0) {
    const found = `${report.tornBytes} bytes behind the last edit`;
    findings.push(finding("manifest_torn", path, found, `an end at byte ${report.bytes}`));
  }
  for (const name of await disk.list(manifestFolder)) {
    const n = parseManifestName(name);
    const at = `${manifestFolder}/${name}`;
    if (name.endsWith(temporarySuffix)) {
      findings.push(finding("temporary", at, "a file that was being written", "none"));
    } else if (n === undefined) {
      findings.push(finding("foreign", at, "a name that is none of ours", "{n}.log"));
    } else if (n < report.n) findings.push(finding("manifest_old", at, "an older manifest", path));
  }
  return findings;
}

/** Files that the manifest does not name. */
async function checkUnnamed(disk: Disk, state: ManifestState, wal: WalCheck): Promise<Finding[]> {
  const findings: Finding[] = [];
  const named = new Set([...state.segments.values()].flatMap(({ path }) => [path, indexPath(path)]));
  const retired = new Set(
    [...state.settings].flatMap(([key, path]) =>
      key.startsWith("retired/") ? [String(path), indexPath(String(path))] : []
    ),
  );
  for await (const path of filesUnder(disk, segmentRoot)) {
    if (named.has(path) || retired.has(path)) continue;
    if (path.endsWith(temporarySuffix)) {
      findings.push(finding("temporary", path, "a file that was being written", "none"));
      continue;
    }
    if (path.endsWith(indexSuffix)) {
      findings.push(finding("orphan_covered", path, "an index of a segment that is not there", "none"));
      continue;
    }
    try {
      const covered = await whyCovered(disk, path, state, wal);
      findings.push(
        covered === undefined
          ? finding("orphan", path, "a segment that no edit names", "one that the manifest names")
          : finding("orphan_covered", path, `a segment that no edit names; ${covered}`, "none"),
      );
    } catch (thrown) {
      const error = toOpenWitError(thrown);
      if (error.code === "not_found") continue; // removed meanwhile
      if (error.code === "io") throw error;
      const kind: FindingKind = error.code === "unsupported" ? "newer_version" : "orphan";
      findings.push(finding(kind, path, `it cannot be read: ${error.message}`, "a segment"));
    }
  }
  for (const name of await disk.list(quarantineFolder)) {
    if (!name.endsWith(temporarySuffix)) continue;
    findings.push(
      finding("temporary", `${quarantineFolder}/${name}`, "a file that was being written", "none"),
    );
  }
  return findings;
}

/** Where else the rows of a segment are that nobody names: in the WAL, or in the segment that replaced it. */
async function whyCovered(
  disk: Disk,
  path: string,
  state: ManifestState,
  wal: WalCheck,
): Promise<string | undefined> {
  const footer = parseFooter((await readParquetFooter(disk, path)).keyValues);
  const { id, tenant, signal, lsnFrom, lsnTo, origin, replaces } = footer;
  const successor = [...state.segments.values()].find((segment) => segment.replaces.includes(id));
  if (successor !== undefined) return `its rows are in ${successor.path}`;
  if (origin !== undefined && replaces.length === 0) return "it is of an import that did not end";
  const watermark = state.watermarks.get(streamKey(tenant, signal)) ?? 0;
  const isInWal = lsnFrom > watermark && lsnTo <= wal.lsnMax &&
    !wal.gaps.some((gap) => gap.lsnFrom <= lsnTo && lsnFrom < Math.max(gap.lsnEnd, gap.lsnFrom + 1));
  return isInWal ? `its rows are in the WAL from LSN ${lsnFrom}` : undefined;
}

/** What a server at work does all the time: writing at ends, under temporary names, and removing. */
function isExplainedByServer({ kind, segment }: Finding, now: ManifestState): boolean {
  switch (kind) {
    case "manifest_torn":
    case "manifest_old":
    case "wal_torn":
    case "wal_hashes":
    case "temporary":
    case "orphan":
    case "orphan_covered":
      return true;
    default:
      return segment !== undefined && !now.segments.has(segment); // merged or evicted meanwhile
  }
}

async function walBytes(disk: Disk): Promise<number> {
  let bytes = 0;
  for await (const path of filesUnder(disk, "wal")) bytes += (await disk.stat(path))?.bytes ?? 0;
  return bytes;
}
