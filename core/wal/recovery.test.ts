import { describe, expect, test } from "bun:test";
import { SimClock } from "../../tests/sim/clock.ts";
import { SimDisk } from "../../tests/sim/disk.ts";
import { silentLog } from "../env/log.ts";
import { contentHash } from "./dedup.ts";
import { recordMark } from "./format.ts";
import { readWal } from "./recovery.ts";
import { Wal } from "./wal.ts";

const options = { sync: "always", intervalMs: 50, fileBytesMax: 1 << 24, fileAgeMsMax: 60_000 } as const;

/** A WAL of one file with these bodies; returns its path. */
async function write(
  disk: SimDisk,
  bodies: readonly Uint8Array[],
  nextLsn = 1,
  clock = new SimClock(),
): Promise<string> {
  const wal = await Wal.open({ disk, clock, log: silentLog }, options, nextLsn, {
    files: [],
    seen: new Map(),
  });
  for (const body of bodies) {
    await wal.append({
      receivedAtNs: clock.nowNs(),
      tenant: "default",
      signal: "logs",
      protocol: "otlp-grpc",
      encoding: "protobuf",
      compression: "gzip", // kept as it came
      decodedBytes: body.length,
      hash: contentHash("default", "logs", body),
      body,
    }).durable;
  }
  await wal.close();
  return `wal/${String(nextLsn).padStart(16, "0")}.wal`;
}

async function read(disk: SimDisk, quarantine = true) {
  const reading = readWal(disk, silentLog, { quarantine });
  const lsns: number[] = [];
  for await (const { lsn } of reading) lsns.push(lsn);
  return { lsns, report: reading.report };
}

const bodies = Array.from({ length: 5 }, (_, index) => new Uint8Array(1_000).fill(index + 1));
/** Of a record of `bodies`: 60 fixed bytes, the tenant, the body. */
const recordLength = 60 + 7 + 1_000;

describe("readWal", () => {
  test("cuts a torn tail of the newest file, and says how much", async () => {
    const disk = new SimDisk(1);
    const path = await write(disk, bodies);
    disk.damage(path, (bytes) => bytes.subarray(0, bytes.length - 10));
    const { lsns, report } = await read(disk);
    expect(lsns).toEqual([1, 2, 3, 4]);
    expect(report).toMatchObject({ tornBytes: recordLength - 10, gaps: [], maxLsn: 4 });
    expect(disk.files().get(path)!.length).toBe(64 + 4 * recordLength);
    expect((await read(disk)).report.tornBytes).toBe(0);
  });

  test("keeps what follows a damaged record, and puts its bytes into quarantine with the reason", async () => {
    const disk = new SimDisk(1);
    const path = await write(disk, bodies);
    disk.damage(path, (bytes) => void (bytes[64 + recordLength + 500] ^= 1));
    const { lsns, report } = await read(disk);
    expect(lsns).toEqual([1, 3, 4, 5]);
    const quarantine = `quarantine/0000000000000001-${64 + recordLength}`;
    expect(report.gaps).toEqual([
      { path, offset: 64 + recordLength, bytes: recordLength, lsnFrom: 2, lsnEnd: 3, quarantine },
    ]);
    expect(disk.files().get(quarantine)!.length).toBe(recordLength);
    const reason = JSON.parse(new TextDecoder().decode(disk.files().get(`${quarantine}.json`)));
    expect(reason).toMatchObject({ file: path, offset: 64 + recordLength, lsnFrom: 2, lsnEnd: 3 });
  });

  test("takes a damaged end of an older file for a gap, not for a torn tail", async () => {
    const disk = new SimDisk(1);
    const path = await write(disk, bodies);
    await write(disk, bodies, 6);
    disk.damage(path, (bytes) => bytes.subarray(0, bytes.length - 10));
    const { lsns, report } = await read(disk);
    expect(lsns).toEqual([1, 2, 3, 4, 6, 7, 8, 9, 10]);
    expect(report.gaps).toMatchObject([{ lsnFrom: 5, lsnEnd: 6 }]);
  });

  test("survives one damaged copy of the header, and a file without any", async () => {
    const disk = new SimDisk(1);
    const path = await write(disk, bodies);
    await write(disk, bodies, 6);
    disk.damage(path, (bytes) => void bytes.fill(0, 0, 20));
    expect((await read(disk)).lsns.length).toBe(10);
    disk.damage(path, (bytes) => void bytes.fill(0, 0, 64));
    const { lsns, report } = await read(disk);
    expect(lsns).toEqual([6, 7, 8, 9, 10]);
    expect(report.gaps).toMatchObject([{ path, offset: 0, lsnFrom: 1, lsnEnd: 6 }]);
  });

  test("writes nothing when read-only", async () => {
    const disk = new SimDisk(1);
    const path = await write(disk, bodies);
    disk.damage(path, (bytes) => {
      bytes[64 + recordLength + 500] ^= 1;
      return bytes.subarray(0, bytes.length - 10);
    });
    const before = disk.files();
    expect((await read(disk, false)).lsns).toEqual([1, 3, 4]);
    expect(disk.files()).toEqual(before);
  });

  test("refuses a newer version and leaves the file alone", async () => {
    const disk = new SimDisk(1);
    const path = await write(disk, bodies);
    disk.damage(path, (bytes) => void (bytes[8] = bytes[40] = 2));
    const before = disk.files().get(path);
    await expect(read(disk)).rejects.toMatchObject({ code: "unsupported" });
    expect(disk.files().get(path)).toEqual(before!);
  });

  test("does not take a record inside a damaged record's body for one", async () => {
    // Begun at another time, and so under another header: what a client can make without knowing it.
    const other = new SimDisk(2);
    const otherPath = await write(other, bodies, 1, new SimClock(1n));
    const image = other.files().get(otherPath)!.slice(64 + recordLength);
    const disk = new SimDisk(1);
    const path = await write(disk, [bodies[0], image, bodies[2]]);
    disk.damage(path, (bytes) => void (bytes[64 + recordLength + 4] ^= 1));
    expect((await read(disk)).lsns).toEqual([1, 3]);
  });

  test("passes over a body full of record marks in no time", async () => {
    const marks = new Uint8Array(4 << 20).map((_, index) => recordMark[index % 4]);
    const disk = new SimDisk(1);
    const path = await write(disk, [bodies[0], marks, bodies[1]]);
    disk.damage(path, (bytes) => void (bytes[64 + recordLength + 20] ^= 1));
    const startedMs = performance.now();
    expect((await read(disk)).lsns).toEqual([1, 3]);
    expect(performance.now() - startedMs).toBeLessThan(3_000);
  });
});
