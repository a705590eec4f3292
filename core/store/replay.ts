/**
 * Brings the memtables back from the WAL: every record above its stream's watermark is applied, once.
 *
 *   read, in order ─▶ known already? ─▶ decompress, some ahead, in the runtime's threads ─▶ decode into the memtable
 *     ─▶ flush when its share of memory is used up, while the next records are decoded (replayer.ts)
 *
 * Invariants: (1) whether a record is applied is decided in LSN order. (2) Bodies that wait, decompressed, are no more
 * than `aheadBytesMax`, but for one that is larger by itself.
 */
import { type OpenWitError, toOpenWitError } from "../error.ts";
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

/**
 * @param putAside told of a record that no longer decodes
 * @param onProgress told after each `progressBytes` of WAL
 * @returns the rows that were applied
 */
export async function replayWal(
  store: Store,
  reading: WalReading,
  putAside: (record: WalRecord, error: OpenWitError) => Promise<void>,
  onProgress: (progress: ReplayProgress) => void = () => {},
): Promise<number> {
  const { dedup, manifest } = store;
  const { report } = reading;
  const waiting: Waiting[] = [];
  let waitingBytes = 0, rows = 0, toldBytes = 0;
  const applyNext = async () => {
    const next = waiting.shift()!;
    waitingBytes -= next.record.decodedBytes;
    rows += await apply(store, next, putAside);
    if (report.bytesRead - toldBytes < progressBytes) return;
    toldBytes = report.bytesRead;
    onProgress({ bytes: report.bytes, bytesRead: toldBytes, rows });
  };
  let sidecarsRead = false;
  for await (const record of reading) {
    if (!sidecarsRead) {
      // Hashes of files freed lately are older than any record: they are complete before the first is yielded.
      sidecarsRead = true;
      rememberFreed(dedup, reading);
    }
    const { tenant, signal, receivedAtNs, lsn, hash } = record;
    // A request that was refused when its file failed may be on disk all the same, and again as its client's retry.
    const isAgain = dedup.seen(hash, receivedAtNs);
    dedup.add(hash, receivedAtNs, lsn);
    if (lsn <= (manifest.state.watermarks.get(streamKey(tenant, signal)) ?? 0)) continue;
    waiting.push({ record, body: isAgain ? undefined : decodeBodyAhead(record) });
    waitingBytes += record.decodedBytes;
    while (waiting.length > aheadRecordsMax || waitingBytes > aheadBytesMax) await applyNext();
  }
  if (!sidecarsRead) rememberFreed(dedup, reading);
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
  putAside: (record: WalRecord, error: OpenWitError) => Promise<void>,
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

function rememberFreed(dedup: DedupWindow, { report }: WalReading): void {
  const entries = [...report.seen.values()].flatMap((hashes) => [...hashes]).sort((a, b) => a.lsn - b.lsn);
  for (const { hash, receivedAtNs, lsn } of entries) dedup.add(hash, receivedAtNs, lsn);
}
