/**
 * Damaged files of the WAL and the manifest, thousands of them: reading ends, soon, with records that were written
 * and nothing else, or with a refusal of ours.
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import { silentLog } from "../../core/env/log.ts";
import { type Random, randomBelow, seededRandom } from "../../core/env/random.ts";
import { OpenWitError } from "../../core/error.ts";
import { encodeFrame, encodeManifestHeader } from "../../core/manifest/format.ts";
import { parseManifest } from "../../core/manifest/reader.ts";
import { contentHash } from "../../core/wal/dedup.ts";
import { encodeRecord, encodeWalHeader, recordBytes, type WalRecord } from "../../core/wal/format.ts";
import { readWal } from "../../core/wal/recovery.ts";
import { decodeSeen, encodeSeen, SeenHashes } from "../../core/wal/seen.ts";
import { segmentOf } from "../sim/manifest-scenario.ts";
import { SimDisk } from "../sim/disk.ts";

setDefaultTimeout(60_000);

const rounds = Number(process.env.FUZZ_ROUNDS ?? 1_500);
const path = "wal/0000000000000001.wal";

const records = Array.from({ length: 6 }, (_, index): WalRecord => {
  const body = new Uint8Array(index * 97).map((_, at) => at * index);
  return {
    lsn: index + 1,
    receivedAtNs: BigInt(index),
    tenant: "default",
    signal: "logs",
    protocol: "otlp-grpc",
    encoding: "protobuf",
    compression: "gzip",
    decodedBytes: body.length,
    hash: contentHash("default", "logs", body),
    body,
    ...(index % 2 ? { source: '{"topic":"t"}' } : {}),
  };
});

function walBytes(): Uint8Array {
  const { bytes: head, header } = encodeWalHeader(1, 5n);
  const bytes = new Uint8Array(records.reduce((sum, record) => sum + recordBytes(record), head.length));
  bytes.set(head);
  records.reduce((at, record) => encodeRecord(record, header, bytes, at), head.length);
  return bytes;
}

function manifestBytes(): Uint8Array {
  const { bytes, checksum } = encodeManifestHeader(1);
  const snapshot = { nodeId: "n", version: 0, newestIngestNs: 0n, watermarks: {}, settings: {}, parts: 1 };
  const frames = [
    { snapshot },
    { segments: [segmentOf("s0")] },
    ...["s1", "s2", "s3"].map((id) => (
      { edits: [{ add: [segmentOf(id)], watermarks: { "a/logs": 1 } }] }
    )),
  ];
  return Buffer.concat([bytes, ...frames.map((frame) => encodeFrame(frame, checksum))]);
}

/** Bits flipped, runs overwritten, cut out, doubled, or the end cut off. */
function damaged(sound: Uint8Array, random: Random): Uint8Array {
  let bytes = Buffer.from(sound);
  for (let count = 1 + randomBelow(random, 3); count > 0; count--) {
    const at = randomBelow(random, bytes.length);
    const run = 1 + randomBelow(random, 60);
    switch (randomBelow(random, 6)) {
      case 0:
        bytes[at] ^= 1 << randomBelow(random, 8);
        break;
      case 1:
        bytes.fill(randomBelow(random, 2) ? 0 : 0xff, at, Math.min(at + run, bytes.length));
        break;
      case 2:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + run)]);
        break;
      case 3:
        bytes = Buffer.concat([bytes.subarray(0, at + run), bytes.subarray(at)]);
        break;
      case 4:
        bytes = bytes.subarray(0, at + 1);
        break;
      default:
        if (at + 4 <= bytes.length) bytes.writeUInt32LE(random.uint32(), at);
    }
    if (bytes.length === 0) bytes = Buffer.of(0);
  }
  return bytes;
}

test("a damaged WAL file gives records that were written, in order, or a refusal", async () => {
  const sound = walBytes();
  for (let seed = 1; seed <= rounds; seed++) {
    const disk = new SimDisk(seed);
    await disk.makeDir("wal");
    await (await disk.open(path, "create")).close();
    disk.damage(path, () => damaged(sound, seededRandom(seed)));
    try {
      let lastLsn = 0;
      for await (const record of readWal(disk, silentLog, { quarantine: seed % 2 === 0 })) {
        expect(record.lsn).toBeGreaterThan(lastLsn);
        lastLsn = record.lsn;
        expect(record).toEqual(records[record.lsn - 1]);
      }
    } catch (error) {
      if (!(error instanceof OpenWitError)) throw new Error(`seed ${seed}`, { cause: error });
      expect(error.code).toBe("unsupported");
    }
  }
});

test("a damaged manifest gives segments that were written, and says that it is damaged when one is missing", () => {
  const sound = manifestBytes();
  for (let seed = 1; seed <= rounds; seed++) {
    const bytes = damaged(sound, seededRandom(seed));
    try {
      const { live, report } = parseManifest(bytes, "manifest/00000001.log");
      for (const segment of live.segments.values()) expect(segment).toEqual(segmentOf(segment.id));
      const isWhole = live.segments.size === 4;
      const isTorn = report.tornBytes > 0 || bytes.length < sound.length;
      if (!isWhole && report.damaged === undefined && !isTorn) {
        throw new Error(`seed ${seed}: silently incomplete`);
      }
    } catch (error) {
      if (!(error instanceof OpenWitError)) throw new Error(`seed ${seed}`, { cause: error });
      expect(error.code).toBe("unsupported");
    }
  }
});

test("a damaged file of hashes is taken whole or not at all", () => {
  const hashes = new SeenHashes();
  for (const { hash, receivedAtNs, lsn } of records) hashes.add(hash, receivedAtNs, lsn);
  const sound = encodeSeen(hashes);
  for (let seed = 1; seed <= rounds; seed++) {
    const read = decodeSeen(damaged(sound, seededRandom(seed)));
    if (read !== undefined) expect([...read]).toEqual([...hashes]);
  }
});
