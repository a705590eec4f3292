/**
 * Brings the memtables back from the WAL: every record above its stream's watermark is applied, once.
 *
 *   find    read all of it: what is damaged, which requests came twice ─▶ new requests can be taken
 *   replay  read it again, in order ─▶ decompress, some ahead, in the runtime's threads ─▶ decode into the memtable
 *             ─▶ flush when its share of memory is used up, while the next records are decoded (replayer.ts)
 *
 * Invariants: (1) whether a record is applied is decided in LSN order. (2) Bodies that wait, decompressed, are no more
 * than `aheadBytesMax`, but for one that is larger by itself.
 */
import { OpenWitError, toOpenWitError } from "../error.ts";
import type { Manifest } from "../manifest/manifest.ts";
import { jsonToProtobuf } from "../otlp/json.ts";
import { decodeBodyAhead } from "../wal/body.ts";
import type { DedupWindow } from "../wal/dedup.ts";
import type { WalRecord } from "../wal/format.ts";
import type { WalReading } from "../wal/recovery.ts";
import { type Store, streamKey } from "./store.ts";

export interface ReplayProgress {
  /** Of all WAL files. */
  readonly bytes: number;
  /** Of those, how many have been read. */
  readonly bytesRead: number;
  readonly rows: number;
}

/** What becomes of a record: its rows are brought back, or its LSN alone, or a flush has it already. */
type Verdict = "apply" | "pass" | "flushed";

export interface Replay {
  /** To be asked of every record, in LSN order. */
  readonly judge: (record: WalRecord) => Verdict;
  /** Told of a record that no longer decodes. */
  readonly putAside: (record: WalRecord, error: OpenWitError) => Promise<void>;
  /** Told after each `progressBytes` of WAL. */
  readonly onProgress?: (progress: ReplayProgress) => void;
  /** Told after each record that took memory. */
  readonly onRecord?: () => void;
  /** Ends it between two records. */
  readonly signal?: AbortSignal;
}

/**
 * Judges the records of a reading, which fill the window of bodies seen lately as they come.
 *
 * A request that was refused when its file failed may be on disk all the same, and again as its client's retry.
 */
export function judgeRecords(
  manifest: Manifest,
  dedup: DedupWindow,
  { report }: WalReading,
): Replay["judge"] {
  let isFirst = true;
  return (record) => {
    // Hashes of files freed lately are older than any record: they are complete before the first is yielded.
    if (isFirst) rememberFreed(dedup, report.seen);
    isFirst = false;
    const isAgain = dedup.seen(record.hash, record.receivedAtNs);
    dedup.add(record.hash, record.receivedAtNs, record.lsn);
    if (isFlushed(manifest, record)) return "flushed";
    return isAgain ? "pass" : "apply";
  };
}

/**
 * Reads the WAL through, and leaves the records for a second reading.
 * @returns the judge of that reading; `undefined` when there is nothing to bring back
 */
export async function findRecords(
  manifest: Manifest,
  dedup: DedupWindow,
  reading: WalReading,
): Promise<Replay["judge"] | undefined> {
  const judge = judgeRecords(manifest, dedup, reading);
  const again = new Set<number>();
  let records = 0, unflushed = 0;
  for await (const record of reading) {
    records++;
    const verdict = judge(record);
    if (verdict === "pass") again.add(record.lsn);
    if (verdict !== "flushed") unflushed++;
  }
  if (records === 0) rememberFreed(dedup, reading.report.seen);
  if (unflushed === 0) return undefined;
  return (record) => isFlushed(manifest, record) ? "flushed" : again.has(record.lsn) ? "pass" : "apply";
}

/** @returns the rows that were applied. @throws OpenWitError `io`; `unavailable` when aborted */
export async function replayWal(store: Store, reading: WalReading, replay: Replay): Promise<number> {
  const { report } = reading;
  const waiting: Waiting[] = [];
  let waitingBytes = 0, rows = 0, toldBytes = 0;
  const applyNext = async () => {
    const next = waiting.shift()!;
    waitingBytes -= next.record.decodedBytes;
    rows += await apply(store, next, replay.putAside);
    replay.onRecord?.();
    if (report.bytesRead - toldBytes < progressBytes) return;
    toldBytes = report.bytesRead;
    replay.onProgress?.({ bytes: report.bytes, bytesRead: toldBytes, rows });
  };
  for await (const record of reading) {
    if (replay.signal?.aborted) throw stopped();
    const verdict = replay.judge(record);
    if (verdict === "flushed") continue;
    waiting.push({ record, body: verdict === "pass" ? undefined : decodeBodyAhead(record) });
    waitingBytes += record.decodedBytes;
    while (waiting.length > aheadRecordsMax || waitingBytes > aheadBytesMax) await applyNext();
  }
  while (waiting.length > 0) await applyNext();
  return rows;
}

const aheadBytesMax = 8 * 1024 * 1024;
const aheadRecordsMax = 16;
const progressBytes = 32 * 1024 * 1024;

interface Waiting {
  readonly record: WalRecord;
  /** `undefined` for one that is passed over. */
  readonly body: ReturnType<typeof decodeBodyAhead> | undefined;
}

async function apply(
  store: Store,
  { record, body }: Waiting,
  putAside: Replay["putAside"],
): Promise<number> {
  const { tenant, signal, receivedAtNs, lsn } = record;
  if (body === undefined) {
    store.replayer.pass(tenant, signal, lsn);
    return 0;
  }
  try {
    const decoded = await body();
    const protobuf = record.encoding === "json" ? jsonToProtobuf(signal, decoded) : decoded;
    return await store.replayer.apply(tenant, signal, protobuf, receivedAtNs, lsn);
  } catch (thrown) {
    const error = toOpenWitError(thrown);
    if (!["malformed", "corrupt", "too_large", "invalid_argument"].includes(error.code)) throw error;
    await putAside(record, error);
    store.replayer.pass(tenant, signal, lsn);
    return 0;
  }
}

function isFlushed({ state }: Manifest, { tenant, signal, lsn }: WalRecord): boolean {
  return lsn <= (state.watermarks.get(streamKey(tenant, signal)) ?? 0);
}

function rememberFreed(dedup: DedupWindow, seen: WalReading["report"]["seen"]): void {
  const entries = [...seen.values()].flatMap((hashes) => [...hashes]).sort((a, b) => a.lsn - b.lsn);
  for (const { hash, receivedAtNs, lsn } of entries) dedup.add(hash, receivedAtNs, lsn);
}

function stopped(): OpenWitError {
  return new OpenWitError("unavailable", "the node stopped before the WAL was replayed", {
    hint: "the next start replays it",
  });
}
