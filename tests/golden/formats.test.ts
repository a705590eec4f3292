/**
 * The bytes of the WAL and the manifest, version 1, as they were written once: readable for ever, and what is
 * written today is the same. A file here is never regenerated; a change of format is a new version beside it.
 */
import { describe, expect, test } from "bun:test";
import { silentLog } from "../../core/env/log.ts";
import { type ManifestFrame, encodeFrame, encodeManifestHeader } from "../../core/manifest/format.ts";
import { parseManifest } from "../../core/manifest/reader.ts";
import { contentHash } from "../../core/wal/dedup.ts";
import { encodeRecord, encodeWalHeader, recordBytes, type WalRecord } from "../../core/wal/format.ts";
import { readWal } from "../../core/wal/recovery.ts";
import { decodeSeen, encodeSeen, SeenHashes } from "../../core/wal/seen.ts";
import { SimDisk } from "../sim/disk.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);
const golden = (name: string) => Bun.file(new URL(name, import.meta.url)).bytes();

const records: WalRecord[] = [
  {
    lsn: 41,
    receivedAtNs: 1_795_464_000_123_456_789n,
    tenant: "default",
    signal: "logs",
    protocol: "otlp-grpc",
    encoding: "protobuf",
    compression: "identity",
    decodedBytes: 5,
    hash: contentHash("default", "logs", bytesOf("hello")),
    body: bytesOf("hello"),
  },
  {
    lsn: 42,
    receivedAtNs: -1n,
    tenant: "shop-7",
    signal: "spans",
    protocol: "otlp-http",
    encoding: "json",
    compression: "gzip",
    decodedBytes: 1_000,
    hash: contentHash("shop-7", "spans", bytesOf("x".repeat(1_000))),
    body: Uint8Array.of(31, 139, 8, 0, 1, 2, 3),
    source: '{"topic":"spåns","partition":3,"offsets":[5,9]}',
  },
  {
    lsn: 43,
    receivedAtNs: 0n,
    tenant: "a",
    signal: "metrics",
    protocol: "otlp-http",
    encoding: "protobuf",
    compression: "zstd",
    decodedBytes: 0,
    hash: contentHash("a", "metrics", new Uint8Array(0)),
    body: new Uint8Array(0),
  },
];

function writeWal(): Uint8Array {
  const { bytes: head, header } = encodeWalHeader(41, 1_795_464_000_000_000_000n);
  const bytes = new Uint8Array(records.reduce((sum, record) => sum + recordBytes(record), head.length));
  bytes.set(head);
  records.reduce((at, record) => encodeRecord(record, header, bytes, at), head.length);
  return bytes;
}

const segment = {
  id: "0192f3a4b5c6d7e8",
  tenant: "default",
  signal: "logs",
  path: "parquet/default/2026/11/23/00c0ffee00c0ffee/logs-20-0192f3a4b5c6d7e8_active.parquet",
  level: 0,
  rows: 123,
  bytes: 45_678,
  minTimeNs: 1_795_464_000_123_456_789n,
  maxTimeNs: 9_223_372_036_854_775_807n,
  minIngestNs: -9_223_372_036_854_775_808n,
  maxIngestNs: 1_795_464_001_000_000_001n,
  lsnFrom: 1,
  lsnTo: 9_007_199_254_740_991,
  late: true,
  schemaVersion: 1,
  replaces: ["older"],
  hour: 498_740,
} as const;

const frames: ManifestFrame[] = [
  {
    snapshot: {
      nodeId: "00c0ffee00c0ffee",
      version: 7,
      newestIngestNs: 1_795_464_000_000_000_001n,
      watermarks: { "default/logs": 40, "shop-7/spans": 39 },
      settings: { retention: "7d", limits: { shop: [1, 2.5, null, "ü"] } },
      parts: 1,
    },
  },
  { segments: [segment] },
  {
    edits: [
      { add: [{ ...segment, id: "new", replaces: [segment.id] }], remove: [segment.id] },
      { watermarks: { "default/logs": 43 }, set: { retention: null, motd: "hello" } },
    ],
  },
];

function writeManifest(): Uint8Array {
  const { bytes, checksum } = encodeManifestHeader(3);
  return Buffer.concat([bytes, ...frames.map((frame) => encodeFrame(frame, checksum))]);
}

function writeSeen(): SeenHashes {
  const seen = new SeenHashes();
  for (const { hash, receivedAtNs, lsn } of records) seen.add(hash, receivedAtNs, lsn);
  return seen;
}

if (process.env.WRITE_MISSING_GOLDEN) {
  for (const [name, bytes] of [
    ["wal-v1.wal", writeWal()],
    ["manifest-v1.log", writeManifest()],
    ["wal-v1.seen", encodeSeen(writeSeen())],
  ] as const) {
    const file = Bun.file(new URL(name, import.meta.url));
    if (!await file.exists()) await file.write(bytes);
  }
}

describe("wal-v1.wal", () => {
  test("is read as the records that it was written from", async () => {
    const disk = new SimDisk(1);
    await disk.makeDir("wal");
    const path = "wal/0000000000000041.wal";
    const file = await disk.open(path, "create");
    await file.write(await golden("wal-v1.wal"), 0);
    const reading = readWal(disk, silentLog, { quarantine: false });
    const read: WalRecord[] = [];
    for await (const record of reading) read.push(record);
    expect(read).toEqual(records);
    expect(reading.report).toMatchObject({ tornBytes: 0, gaps: [], maxLsn: 43 });
  });

  test("is what is written today", async () => {
    expect(Buffer.from(writeWal()).toHex()).toBe((await golden("wal-v1.wal")).toHex());
  });
});

describe("wal-v1.seen", () => {
  test("is read as it was written, and written the same today", async () => {
    expect([...decodeSeen(await golden("wal-v1.seen"))!]).toEqual([...writeSeen()]);
    expect(encodeSeen(writeSeen()).toHex()).toBe((await golden("wal-v1.seen")).toHex());
  });
});

describe("manifest-v1.log", () => {
  test("is read as the state that it was written from", async () => {
    const { live, report } = parseManifest(await golden("manifest-v1.log"), "manifest-v1.log");
    expect(report).toMatchObject({ damaged: undefined, edits: 2, tornBytes: 0 });
    expect(live).toMatchObject({ nodeId: "00c0ffee00c0ffee", version: 9, newestIngestNs: segment.maxIngestNs });
    expect([...live.segments.values()]).toEqual([{ ...segment, id: "new", replaces: [segment.id] }]);
    expect([...live.watermarks]).toEqual([["default/logs", 43], ["shop-7/spans", 39]]);
    expect([...live.settings]).toEqual([["limits", { shop: [1, 2.5, null, "ü"] }], ["motd", "hello"]]);
  });

  test("is what is written today", async () => {
    expect(Buffer.from(writeManifest()).toHex()).toBe((await golden("manifest-v1.log")).toHex());
  });
});
