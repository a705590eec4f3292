/**
 * Reads the newest manifest file into a state.
 *
 * An edit that is cut short at the end was never committed, and is passed over. Damage anywhere else costs the edits
 * that it covers: those after it still apply, the bytes are reported, and the caller rebuilds what is missing from
 * the footers of the segments.
 */
import { type Disk, readFile } from "../env/disk.ts";
import type { Log } from "../env/log.ts";
import {
  decodeFrame,
  decodeManifestHeader,
  frameMark,
  manifestFolder,
  type ManifestFrame,
  manifestHeaderBytes,
  manifestPath,
  parseManifestName,
} from "./format.ts";
import { quarantineBytes } from "../wal/quarantine.ts";
import { LiveState } from "./state.ts";

export interface ManifestReport {
  /** Number of the newest file; 0 when there is none. */
  readonly n: number;
  /** Whether there was no manifest. */
  readonly missing: boolean;
  /** Whether there was none although segments exist. */
  readonly lost: boolean;
  /** What is wrong with it, when edits or the snapshot could not be read. */
  readonly damaged: string | undefined;
  /** Edits read after the snapshot. */
  readonly edits: number;
  /** Length up to the last whole edit, and how much lies behind it. */
  readonly bytes: number;
  readonly tornBytes: number;
  readonly snapshotBytes: number;
  /** Where the last whole frame begins. */
  readonly lastFrameAt: number;
  /** Of the header; what the checksums of frames go on from. */
  readonly checksum: number;
}

/** @throws OpenWitError `unsupported` for a newer version, `io` */
export async function readManifest(
  disk: Disk,
  log: Log,
  readOnly: boolean,
): Promise<{ report: ManifestReport; live: LiveState }> {
  const numbers: number[] = [];
  for (const name of await disk.list(manifestFolder)) {
    const n = parseManifestName(name);
    if (n !== undefined) numbers.push(n);
    else if (!readOnly && name.endsWith(".log.tmp")) await disk.remove(`${manifestFolder}/${name}`);
  }
  numbers.sort((a, b) => b - a);
  const empty = {
    n: 0,
    edits: 0,
    bytes: 0,
    tornBytes: 0,
    snapshotBytes: 0,
    lastFrameAt: 0,
    checksum: 0,
    damaged: undefined,
  };
  if (numbers.length === 0) {
    const lost = (await disk.list("parquet")).length > 0;
    return { report: { ...empty, missing: true, lost }, live: new LiveState() };
  }
  const [n] = numbers;
  const path = manifestPath(n);
  const bytes = await readFile(disk, path);
  const reading = parseManifest(bytes, path);
  const { damaged } = reading.report;
  if (damaged !== undefined) {
    log("error", "the manifest is damaged", { path, reason: damaged });
    // A rebuilt manifest takes its place; this is the evidence.
    if (!readOnly) {
      await quarantineBytes(disk, path.replace("/", "-"), bytes, { file: path, reason: damaged });
    }
  }
  return { live: reading.live, report: { ...empty, missing: false, lost: false, ...reading.report, n } };
}

/**
 * The state that a file's bytes give.
 * @throws OpenWitError `unsupported` for a newer version
 */
export function parseManifest(
  bytes: Uint8Array,
  path: string,
): {
  live: LiveState;
  report: Pick<
    ManifestReport,
    "damaged" | "edits" | "bytes" | "tornBytes" | "snapshotBytes" | "lastFrameAt" | "checksum"
  >;
} {
  const live = new LiveState();
  const checksum = decodeManifestHeader(bytes, path);
  if (checksum === undefined) {
    const damaged = `the header of ${path} is damaged`;
    return {
      live,
      report: { damaged, edits: 0, bytes: 0, tornBytes: 0, snapshotBytes: 0, lastFrameAt: 0, checksum: 0 },
    };
  }
  const damages: string[] = [];
  let partsMissing = 1; // the snapshot's own frame
  let edits = 0;
  let snapshotBytes = 0;
  let lastFrameAt = 0;
  let end = manifestHeaderBytes;
  for (const { frame, at, end: frameEnd } of frames(bytes, checksum)) {
    if (at > end) damages.push(`${at - end} bytes at byte ${end}`);
    end = frameEnd;
    lastFrameAt = at;
    partsMissing += applyFrame(live, frame);
    if ("edits" in frame) edits += frame.edits.length;
    else snapshotBytes = end;
  }
  const damaged = damages.length > 0
    ? `${path}: ${damages.join(", ")} cannot be read`
    : partsMissing > 0
    ? `${path}: the snapshot at its head is not whole`
    : undefined;
  return {
    live,
    report: {
      damaged,
      edits,
      bytes: end,
      tornBytes: bytes.length - end,
      snapshotBytes,
      lastFrameAt,
      checksum,
    },
  };
}

/** Applies a frame; returns by how much it changes the number of snapshot frames to come. */
function applyFrame(live: LiveState, frame: ManifestFrame): number {
  if ("snapshot" in frame) {
    live.loadSnapshot(frame.snapshot);
    return frame.snapshot.parts - 1;
  }
  if ("segments" in frame) {
    live.addSegments(frame.segments);
    return -1;
  }
  for (const edit of frame.edits) live.apply(edit);
  return 0;
}

/** Every whole frame, also those behind damaged ones. */
function* frames(
  bytes: Uint8Array,
  checksum: number,
): Generator<{ frame: ManifestFrame; at: number; end: number }> {
  const searched = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = manifestHeaderBytes; at < bytes.length;) {
    const found = decodeFrame(bytes, at, checksum);
    if (found !== undefined) {
      yield { ...found, at };
      at = found.end;
      continue;
    }
    at = searched.indexOf(frameMark, at + 1);
    if (at < 0) return;
  }
}
