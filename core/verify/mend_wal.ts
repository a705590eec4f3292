/**
 * Takes damaged bytes out of the WAL: they go to quarantine, and the records behind them into a file of their own,
 * which is named by the first of them. So each file again holds records whose LSNs ascend by one, back to back.
 *
 * The new file is durable before the old one is cut, and supersedes what follows there: interrupted between the two,
 * no record is lost or read twice.
 */
import { type Disk, readFile, writeFileDurably } from "../env/disk.ts";
import type { Log } from "../env/log.ts";
import {
  decodeRecord,
  decodeWalHeader,
  encodeRecord,
  encodeWalHeader,
  parseWalName,
  peekRecord,
  recordBytes,
  recordHeaderBytes,
  recordMark,
  walFolder,
  type WalHeader,
  walHeaderBytes,
  walPath,
  type WalRecord,
} from "../wal/format.ts";
import { readWal, type WalGap } from "../wal/recovery.ts";
import type { Repair } from "./repair.ts";

/** @throws OpenWitError `io`, `disk_full`, `unsupported` */
export async function mendWal(disk: Disk, log: Log): Promise<Repair[]> {
  const repairs: Repair[] = [];
  const reading = readWal(disk, log, { quarantine: true });
  for await (const _record of reading); // reading puts gaps into quarantine and cuts the torn end
  const { report } = reading;
  if (report.tornBytes > 0 && report.files.length > 0) {
    repairs.push({ path: report.files.at(-1)!.path, done: `cut ${report.tornBytes} bytes behind its end` });
  }
  // From the last gap of a file to its first: each cut leaves the offsets of those before it as they are.
  for (const gap of report.gaps.toReversed()) {
    if (gap.quarantine === undefined) continue; // there was no room for the bytes: they stay
    repairs.push(await takeOut(disk, gap));
  }
  return repairs;
}

async function takeOut(disk: Disk, gap: WalGap): Promise<Repair> {
  const { path, offset } = gap;
  const bytes = await readFile(disk, path);
  const header = decodeWalHeader(bytes.subarray(0, walHeaderBytes), path);
  if (header === undefined) {
    await disk.remove(path);
    await disk.syncDir(walFolder);
    return { path, done: `put into ${gap.quarantine}: its header is lost` };
  }
  const lsnEnd = await lsnBehind(disk, path);
  const moved = recordsIn(bytes, offset + gap.bytes, header, path).filter(({ lsn }) => lsn < lsnEnd);
  let where = "";
  if (moved.length > 0) {
    const to = walPath({ firstLsn: moved[0].lsn, attempt: 0 });
    await writeRecords(disk, to, moved, header.createdAtNs);
    where = `; the ${moved.length} records behind them moved to ${to}`;
  }
  const file = await disk.open(path, "update");
  try {
    await file.truncate(offset);
    await file.sync();
  } finally {
    await file.close();
  }
  return { path, done: `${gap.bytes} bytes at byte ${offset} put into ${gap.quarantine}${where}` };
}

/** Where the next file takes over; Infinity for the newest. */
async function lsnBehind(disk: Disk, path: string): Promise<number> {
  const names = (await disk.list(walFolder)).flatMap((name) => parseWalName(name) ?? []);
  const own = names.find((name) => walPath(name) === path)!;
  const behind = names.filter((name) =>
    name.firstLsn > own.firstLsn || name.firstLsn === own.firstLsn && name.attempt > own.attempt
  );
  return Math.min(...behind.map(({ firstLsn }) => firstLsn));
}

function recordsIn(bytes: Uint8Array, from: number, header: WalHeader, path: string): WalRecord[] {
  const records: WalRecord[] = [];
  const searched = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = from; at >= 0 && at < bytes.length;) {
    const peek = peekRecord(bytes.subarray(at, at + recordHeaderBytes), header);
    const record = peek && decodeRecord(bytes.subarray(at, at + peek.length), header, path);
    if (record !== undefined && record.lsn > (records.at(-1)?.lsn ?? 0)) {
      records.push(record);
      at += peek!.length;
    } else at = searched.indexOf(recordMark, at + 1);
  }
  return records;
}

async function writeRecords(
  disk: Disk,
  path: string,
  records: readonly WalRecord[],
  createdAtNs: bigint,
): Promise<void> {
  const head = encodeWalHeader(records[0].lsn, createdAtNs);
  await writeFileDurably(
    disk,
    path,
    function* () {
      yield head.bytes;
      for (const record of records) {
        const bytes = new Uint8Array(recordBytes(record));
        encodeRecord(record, head.header, bytes, 0);
        yield bytes;
      }
    }(),
  );
}
