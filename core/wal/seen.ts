/**
 * Hashes of bodies with when and as what they were received: kept of every WAL file in memory, and written beside
 * the WAL as `wal/{lsn}.seen` when a file is freed younger than the window of re-sent bodies (dedup.ts), which a
 * restart would otherwise forget.
 *
 * File, version 1, little-endian: "OWIT-SEE", u32 version, u32 entries, then for each 16 bytes hash, i64 received at
 * (Unix nanoseconds), u64 LSN; at the end u32 CRC-32C of all before. A file that is not whole is ignored: losing it
 * costs a duplicate at worst.
 */
import { OpenWitError } from "../error.ts";
import { type Disk, readFile, writeFileDurably } from "../env/disk.ts";
import { crc32c } from "./crc32c.ts";

export interface SeenEntry {
  readonly hash: Uint8Array;
  readonly receivedAtNs: bigint;
  readonly lsn: number;
}

/** Entries packed in bytes: 32 each. */
export class SeenHashes implements Iterable<SeenEntry> {
  #bytes = new Uint8Array(0);
  #length = 0;
  /** Least and greatest received time; both 0 when there are none. */
  oldestNs = 0n;
  newestNs = 0n;

  get entries(): number {
    return this.#length / entryBytes;
  }

  add(hash: Uint8Array, receivedAtNs: bigint, lsn: number): void {
    if (this.#length === this.#bytes.length) this.#grow();
    const view = new DataView(this.#bytes.buffer, this.#length, entryBytes);
    this.#bytes.set(hash, this.#length);
    view.setBigInt64(16, receivedAtNs, true);
    view.setBigUint64(24, BigInt(lsn), true);
    if (this.#length === 0 || receivedAtNs < this.oldestNs) this.oldestNs = receivedAtNs;
    if (this.#length === 0 || receivedAtNs > this.newestNs) this.newestNs = receivedAtNs;
    this.#length += entryBytes;
  }

  *[Symbol.iterator](): Iterator<SeenEntry> {
    for (let at = 0; at < this.#length; at += entryBytes) {
      const view = new DataView(this.#bytes.buffer, at, entryBytes);
      yield {
        hash: this.#bytes.subarray(at, at + 16),
        receivedAtNs: view.getBigInt64(16, true),
        lsn: Number(view.getBigUint64(24, true)),
      };
    }
  }

  #grow(): void {
    const grown = new Uint8Array(Math.max(64 * entryBytes, this.#bytes.length * 2));
    grown.set(this.#bytes);
    this.#bytes = grown;
  }
}

/** Writes the entries received at or after `sinceNs`; returns what was written, `undefined` when there are none. */
export async function writeSeen(
  disk: Disk,
  path: string,
  hashes: SeenHashes,
  sinceNs: bigint,
): Promise<SeenHashes | undefined> {
  const kept = new SeenHashes();
  for (const entry of hashes) {
    if (entry.receivedAtNs >= sinceNs) kept.add(entry.hash, entry.receivedAtNs, entry.lsn);
  }
  if (kept.entries === 0) return undefined;
  await writeFileDurably(disk, path, [encodeSeen(kept)]);
  return kept;
}

/** The entries of a file; `undefined` when it is not whole. @throws OpenWitError `io`; `unsupported` for a newer version */
export async function readSeen(disk: Disk, path: string): Promise<SeenHashes | undefined> {
  return decodeSeen(await readFile(disk, path));
}

export function encodeSeen(hashes: SeenHashes): Uint8Array {
  const bytes = new Uint8Array(headerBytes + hashes.entries * entryBytes + 4);
  const view = new DataView(bytes.buffer);
  bytes.set(magic);
  view.setUint32(8, 1, true);
  view.setUint32(12, hashes.entries, true);
  let at = headerBytes;
  for (const { hash, receivedAtNs, lsn } of hashes) {
    bytes.set(hash, at);
    view.setBigInt64(at + 16, receivedAtNs, true);
    view.setBigUint64(at + 24, BigInt(lsn), true);
    at += entryBytes;
  }
  view.setUint32(at, crc32c(bytes.subarray(0, at)), true);
  return bytes;
}

export function decodeSeen(bytes: Uint8Array): SeenHashes | undefined {
  if (bytes.length < headerBytes + 4 || !magic.every((byte, index) => bytes[index] === byte)) {
    return undefined;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  // A version is believed when the checksum is right: a damaged file must not stop a start.
  if (view.getUint32(bytes.length - 4, true) !== crc32c(bytes.subarray(0, -4))) return undefined;
  const version = view.getUint32(8, true);
  if (version > 1) {
    throw new OpenWitError(
      "unsupported",
      `the hashes of a freed WAL file are of version ${version}; this build reads version 1`,
      { hint: "start the version of OpenWit that wrote it; the file was left as it is" },
    );
  }
  const end = headerBytes + view.getUint32(12, true) * entryBytes;
  if (version !== 1 || end + 4 !== bytes.length) return undefined;
  const hashes = new SeenHashes();
  for (let at = headerBytes; at < end; at += entryBytes) {
    hashes.add(
      bytes.subarray(at, at + 16),
      view.getBigInt64(at + 16, true),
      Number(view.getBigUint64(at + 24, true)),
    );
  }
  return hashes;
}

const magic = new TextEncoder().encode("OWIT-SEE");
const headerBytes = 16;
const entryBytes = 32;
