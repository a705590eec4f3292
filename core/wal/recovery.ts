/**
 * Reads the WAL back: every record once, in LSN order, one at a time, whatever the files have been through.
 *
 * - Bytes that are no record are a torn tail when nothing valid follows them in the newest file: they are cut off.
 * - They are leftovers of a failed write when the next file begins where the records end: it supersedes them.
 * - Elsewhere they are a gap: what follows is kept, the gap's bytes go to the quarantine, and the report says so.
 * - A file whose header is lost cannot be checked and is one gap. A newer version is refused and left alone.
 *
 * Unless read-only, what was read is made durable: a process that died without a power cut leaves records that a
 * reader sees and the disk has not got, and a client that sends one again is told that it is safe. A sync alone will
 * not do for the end of the newest file: where the dead process's sync failed, the system took the pages for clean,
 * and syncs them no more. They are written again as they are.
 */
import type { Disk, DiskFile } from "../env/disk.ts";
import type { Log } from "../env/log.ts";
import { OpenWitError } from "../error.ts";
import { WalFile } from "./file.ts";
import {
  compareWalNames,
  decodeRecord,
  decodeWalHeader,
  groupBytesMax,
  parseWalName,
  peekRecord,
  recordHeaderBytes,
  recordMark,
  walFolder,
  type WalHeader,
  walHeaderBytes,
  type WalName,
  walPath,
  type WalRecord,
} from "./format.ts";
import { quarantineBytes } from "./quarantine.ts";
import { readSeen, type SeenHashes } from "./seen.ts";
import { FileWindow } from "./window.ts";

/** Bytes of a WAL file that could not be read as records although something valid follows them. */
export interface WalGap {
  readonly path: string;
  readonly offset: number;
  readonly bytes: number;
  /** LSNs that are missing: all in [from, end). */
  readonly lsnFrom: number;
  readonly lsnEnd: number;
  /** Where the bytes were put; `undefined` when read-only or when even that failed. */
  readonly quarantine: string | undefined;
}

export interface WalReport {
  /** Oldest first; what `Wal.open` goes on from. */
  readonly files: WalFile[];
  /** Records yielded. */
  records: number;
  /** Bytes of all files, known before the first record is yielded; and where in them the reading is. */
  bytes: number;
  bytesRead: number;
  /** Bytes behind the last record that were never acknowledged. */
  tornBytes: number;
  readonly gaps: WalGap[];
  /** Greatest LSN that was ever taken; 0 for an empty WAL. The next one is above it and above every watermark. */
  maxLsn: number;
  /** Hashes of records in files freed lately, by the sidecar's path; complete before the first record is yielded. */
  readonly seen: Map<string, SeenHashes>;
}

/** Iterate once; the report is complete afterwards. */
export interface WalReading extends AsyncIterable<WalRecord> {
  readonly report: WalReport;
}

/**
 * With `quarantine: false` nothing is written: no cut, no sync, no quarantine.
 * @param options.files these alone, oldest first, as an earlier report has them; hashes of freed files are left out
 * @param options.keepsBodies whether a record's body is the reader's to keep; else it holds until the next record
 */
export function readWal(
  disk: Disk,
  log: Log,
  options: { quarantine: boolean; files?: readonly WalFile[]; keepsBodies?: boolean },
): WalReading {
  const report: WalReport = {
    files: [],
    records: 0,
    bytes: 0,
    bytesRead: 0,
    tornBytes: 0,
    gaps: [],
    maxLsn: 0,
    seen: new Map(),
  };
  const { quarantine, keepsBodies = true } = options;
  const reader: Reader = { disk, log, readOnly: !quarantine, keepsBodies, report };
  const names = options.files?.map(({ name }) => name);
  return { report, [Symbol.asyncIterator]: () => readFiles(reader, names) };
}

interface Reader {
  readonly disk: Disk;
  readonly log: Log;
  readonly readOnly: boolean;
  readonly keepsBodies: boolean;
  readonly report: WalReport;
}

async function* readFiles(
  reader: Reader,
  wanted: readonly WalName[] | undefined,
): AsyncGenerator<WalRecord> {
  const { disk, report } = reader;
  const names = wanted ?? await findFiles(reader);
  for (const name of names) report.bytes += (await disk.stat(walPath(name)))?.bytes ?? 0;
  for (const [index, name] of names.entries()) {
    report.maxLsn = Math.max(report.maxLsn, name.firstLsn - 1);
    yield* readOne(reader, name, names[index + 1]?.firstLsn);
  }
  if (!reader.readOnly && names.length > 0) await disk.syncDir(walFolder);
}

/** Names of all files, oldest first; the report gets the hashes of those that were freed lately. */
async function findFiles({ disk, log, report }: Reader): Promise<WalName[]> {
  const names: WalName[] = [];
  for (const name of await disk.list(walFolder)) {
    const walName = parseWalName(name);
    if (walName !== undefined) names.push(walName);
    const seenName = parseWalName(name, "seen");
    if (seenName === undefined) continue;
    const path = walPath(seenName, "seen");
    const seen = await readSeen(disk, path);
    if (seen !== undefined) report.seen.set(path, seen);
    else {log(
        "warn",
        "hashes of re-sent bodies cannot be read: one sent again just now may be stored twice",
        { path },
      );}
  }
  return names.sort(compareWalNames);
}

/** Records of one file below `lsnEnd`, where the next file begins; `undefined` for the newest. */
async function* readOne(
  reader: Reader,
  name: WalName,
  lsnEnd: number | undefined,
): AsyncGenerator<WalRecord> {
  const { disk, report, readOnly } = reader;
  const walFile = new WalFile(name);
  const { path } = walFile;
  const file = await disk.open(path, readOnly ? "read" : "update");
  try {
    walFile.bytes = await file.size();
    if (!readOnly) await file.sync();
    const window = new FileWindow(file, walFile.bytes);
    const header = decodeWalHeader(await window.bytes(0, walHeaderBytes), path);
    report.files.push(walFile);
    const found: Found = { reader, walFile, window, lsnEnd };
    if (header === undefined) return await leaveTail(found, 0, false);

    let offset = walHeaderBytes;
    while (offset < walFile.bytes) {
      const from = offset;
      let record = await recordAt(found, header, offset);
      if (record === undefined) {
        const next = await findRecord(found, header, offset + 1);
        if (next === undefined) return await leaveTail(found, offset, true);
        [offset, record] = next;
        const keptUpTo = Math.min(record.lsn, lsnEnd ?? Infinity);
        if (walFile.lastLsn + 1 < keptUpTo) {
          await leaveGap(found, from, offset, keptUpTo);
          walFile.hasLeftover = record.lsn >= keptUpTo && keptUpTo === lsnEnd;
          if (walFile.hasLeftover) return;
        }
      }
      if (lsnEnd !== undefined && record.lsn >= lsnEnd) return await leaveTail(found, from, true);
      offset += window.recordBytes;
      walFile.note(record);
      report.records++;
      report.bytesRead += window.recordBytes;
      report.maxLsn = record.lsn;
      yield record;
    }
    if (lsnEnd === undefined && !readOnly) await rewriteEnd(reader, file, window, walFile);
  } finally {
    await file.close();
  }

  async function leaveTail(found: Found, offset: number, hasHeader: boolean): Promise<void> {
    await settleTail(found, offset, hasHeader, (bytes) => file.truncate(bytes).then(() => file.sync()));
    if (lsnEnd === undefined && hasHeader && !readOnly) await rewriteEnd(reader, file, found.window, walFile);
  }
}

/** Writes the last group of a file again: the only one whose sync can have failed. */
async function rewriteEnd(
  { log }: Reader,
  file: DiskFile,
  window: FileWindow,
  walFile: WalFile,
): Promise<void> {
  try {
    await rewrite(file, window, walFile);
  } catch (error) {
    // Where the file system writes nothing in place, a full disk refuses even this; it must not stop a start.
    if (!(error instanceof OpenWitError) || error.code !== "disk_full") throw error;
    log("warn", "the newest requests could not be synced again: the disk is full", {
      path: walFile.path,
      error,
    });
  }
}

async function rewrite(file: DiskFile, window: FileWindow, walFile: WalFile): Promise<void> {
  const end = walFile.bytes;
  const groupBytes = Math.max(groupBytesMax, window.recordBytes) + walHeaderBytes;
  let at = Math.max(0, end - groupBytes);
  for await (const part of window.stream(at, end)) {
    await file.write(part, at);
    at += part.length;
  }
  await file.sync();
}

interface Found {
  readonly reader: Reader;
  readonly walFile: WalFile;
  readonly window: FileWindow;
  readonly lsnEnd: number | undefined;
}

/** The valid record at `offset` that comes after those before it. */
async function recordAt(
  { reader, window, walFile }: Found,
  header: WalHeader,
  offset: number,
): Promise<WalRecord | undefined> {
  const peek = peekRecord(await window.bytes(offset, recordHeaderBytes), header);
  if (peek === undefined || peek.lsn <= walFile.lastLsn || offset + peek.length > walFile.bytes) {
    return undefined;
  }
  const bytes = await window.bytes(offset, peek.length);
  const record = decodeRecord(reader.keepsBodies ? bytes.slice() : bytes, header, walFile.path); // the window moves on
  if (record !== undefined) window.recordBytes = peek.length;
  return record;
}

/** The first valid record at or after `offset`, with where it begins. */
async function findRecord(
  found: Found,
  header: WalHeader,
  offset: number,
): Promise<[number, WalRecord] | undefined> {
  const accept = (bytes: Uint8Array) => peekRecord(bytes, header) !== undefined;
  while (true) {
    const at = await found.window.find(recordMark, offset, recordHeaderBytes, accept);
    if (at === undefined) return undefined;
    const record = await recordAt(found, header, at);
    if (record !== undefined) return [at, record];
    offset = at + 1;
  }
}

/** Decides what the bytes from `offset` to the end are, behind which this file has nothing to say. */
async function settleTail(
  { reader, walFile, window, lsnEnd }: Found,
  offset: number,
  hasHeader: boolean,
  cut: (bytes: number) => Promise<void>,
): Promise<void> {
  const { report, log, readOnly } = reader;
  const superseded = lsnEnd !== undefined && walFile.lastLsn + 1 >= lsnEnd;
  // Without its header a file's records cannot be told; one that holds none was torn as it was begun.
  const isTorn = lsnEnd === undefined &&
    (hasHeader || await window.find(recordMark, 0, 4, () => true) === undefined);
  if (!superseded && !isTorn) {
    await leaveGap({ reader, walFile, window, lsnEnd }, offset, walFile.bytes, lsnEnd);
    return;
  }
  report.tornBytes += walFile.bytes - offset;
  walFile.hasLeftover = superseded;
  if (readOnly || offset === walFile.bytes) return;
  try {
    await cut(offset);
    walFile.bytes = offset;
    walFile.hasLeftover = false;
  } catch (error) {
    log("warn", "the torn end of a WAL file could not be cut off; it is passed over", {
      path: walFile.path,
      error,
    });
  }
}

async function leaveGap(
  { reader, walFile, window }: Found,
  from: number,
  end: number,
  lsnEnd?: number,
): Promise<void> {
  const { disk, log, report, readOnly } = reader;
  const { path } = walFile;
  const reason = {
    file: path,
    offset: from,
    bytes: end - from,
    lsnFrom: walFile.lastLsn + 1,
    lsnEnd: lsnEnd ?? walFile.lastLsn + 1,
    reason: "these bytes hold no record whose checksum is right; records before and after them were kept",
  };
  let quarantine: string | undefined;
  if (!readOnly) {
    const name = `${path.slice(walFolder.length + 1, -".wal".length)}-${from}`;
    try {
      quarantine = await quarantineBytes(disk, name, window.stream(from, end), reason);
    } catch (error) {
      // A full disk must not stop a start; the bytes stay where they are for as long as the file does.
      log("warn", "damaged bytes of the WAL could not be put into quarantine", { path, error });
    }
  }
  report.gaps.push({
    path,
    offset: from,
    bytes: end - from,
    lsnFrom: reason.lsnFrom,
    lsnEnd: reason.lsnEnd,
    quarantine,
  });
  const error = new OpenWitError(
    "corrupt",
    `${path}: ${end - from} bytes at byte ${from} hold no valid record`,
    {
      hint: quarantine === undefined
        ? "records round it were kept"
        : `records round it were kept, these are in ${quarantine}`,
    },
  );
  log("error", "a part of the WAL is damaged", { error });
}
