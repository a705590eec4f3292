import { describe, expect, test } from "bun:test";
import { SimClock } from "../../tests/sim/clock.ts";
import { SimDisk } from "../../tests/sim/disk.ts";
import { silentLog } from "../env/log.ts";
import { decodeBody } from "./body.ts";
import { contentHash } from "./dedup.ts";
import { readWal } from "./recovery.ts";
import { Wal, type WalOptions } from "./wal.ts";

async function open(disk: SimDisk, clock: SimClock, options: Partial<WalOptions> = {}): Promise<Wal> {
  const defaults: WalOptions = {
    sync: "always",
    intervalMs: 50,
    fileBytesMax: 1 << 24,
    fileAgeMsMax: 60_000,
  };
  return await Wal.open({ disk, clock, log: silentLog }, { ...defaults, ...options }, 1, {
    files: [],
    seen: new Map(),
  });
}

function append(wal: Wal, clock: SimClock, body: Uint8Array, tenant = "default") {
  return wal.append({
    receivedAtNs: clock.nowNs(),
    tenant,
    signal: "logs",
    protocol: "otlp-grpc",
    encoding: "protobuf",
    compression: "identity",
    decodedBytes: body.length,
    hash: contentHash(tenant, "logs", body),
    body,
  });
}

const bodyOf = (length: number, fill = 7) => new Uint8Array(length).fill(fill);

describe("Wal", () => {
  test("requests that come together share one write and one sync", async () => {
    const clock = new SimClock();
    const wal = await open(new SimDisk(1), clock);
    await Promise.all(Array.from({ length: 100 }, () => append(wal, clock, bodyOf(10)).durable));
    expect(wal.stats).toMatchObject({ appended: 100, groups: 1, fsyncs: 1, files: 1 });
  });

  test("LSNs are given in the order of calls and become durable in it, whatever takes long to compress", async () => {
    const clock = new SimClock();
    const wal = await open(new SimDisk(1), clock);
    const durable: number[] = [];
    const sizes = [500_000, 10, 40_000, 0, 300];
    const appended = sizes.map((size) => append(wal, clock, bodyOf(size)));
    expect(appended.map(({ lsn }) => lsn)).toEqual([1, 2, 3, 4, 5]);
    await Promise.all(appended.map(({ lsn, durable: done }) => done.then(() => durable.push(lsn))));
    expect(durable).toEqual([1, 2, 3, 4, 5]);
  });

  test("stores bodies small, and gives them back as they were", async () => {
    const disk = new SimDisk(1);
    const clock = new SimClock();
    const wal = await open(disk, clock);
    const bodies = [
      bodyOf(100),
      bodyOf(10_000),
      bodyOf(200_000),
      crypto.getRandomValues(new Uint8Array(1_000)),
    ];
    await Promise.all(bodies.map((body) => append(wal, clock, body).durable));
    await wal.close();
    expect(wal.stats.bytes).toBeLessThan(2_000);
    const read: Uint8Array[] = [];
    for await (const record of readWal(disk, silentLog, { quarantine: false })) read.push(decodeBody(record));
    expect(read.map((body) => Buffer.from(body).toHex())).toEqual(
      bodies.map((body) => Buffer.from(body).toHex()),
    );
  });

  test("syncs once an interval when told so, and not at all when told never", async () => {
    const clock = new SimClock();
    const interval = await open(new SimDisk(1), clock, { sync: "interval" });
    for (let n = 0; n < 5; n++) await append(interval, clock, bodyOf(10)).durable;
    expect(interval.stats.fsyncs).toBe(0);
    await clock.advance(50);
    for (let ticks = 0; ticks < 20; ticks++) await undefined;
    expect(interval.stats.fsyncs).toBe(1);
    await interval.close();
    expect(interval.stats.fsyncs).toBe(1);

    const never = await open(new SimDisk(1), clock, { sync: "never" });
    await append(never, clock, bodyOf(10)).durable;
    await clock.advance(10_000);
    expect(never.stats.fsyncs).toBe(0);
    await never.close();
    expect(never.stats.fsyncs).toBe(1);
  });

  test("begins another file by size and by age", async () => {
    const disk = new SimDisk(1);
    const clock = new SimClock();
    const wal = await open(disk, clock, { fileBytesMax: 500 });
    for (let n = 0; n < 4; n++) await append(wal, clock, bodyOf(200)).durable;
    expect(await disk.list("wal")).toEqual([
      "0000000000000001.wal",
      "0000000000000002.wal",
      "0000000000000003.wal",
      "0000000000000004.wal",
    ]);
    await wal.sealIfDue();
    await append(wal, clock, bodyOf(10)).durable;
    expect(wal.stats.files).toBe(4);
    await clock.advance(60_000);
    await wal.sealIfDue();
    await append(wal, clock, bodyOf(10)).durable;
    expect(wal.stats.files).toBe(5);
  });

  test("frees a sealed file once every stream in it is past it, and no other", async () => {
    const disk = new SimDisk(1);
    const clock = new SimClock();
    const wal = await open(disk, clock);
    await append(wal, clock, bodyOf(10), "a").durable;
    await append(wal, clock, bodyOf(10), "b").durable;
    await wal.seal();
    await append(wal, clock, bodyOf(10), "a").durable;
    expect(await wal.free((tenant) => tenant === "a" ? 3 : 1)).toEqual({ files: 0, bytes: 0 });
    expect(await wal.free(() => 3)).toMatchObject({ files: 1 });
    expect(await disk.list("wal")).toEqual(["0000000000000001.seen", "0000000000000003.wal"]);
  });

  test("a freed file's hashes stay for ten minutes", async () => {
    const disk = new SimDisk(1);
    const clock = new SimClock();
    const wal = await open(disk, clock);
    await append(wal, clock, bodyOf(10)).durable;
    await wal.seal();
    await wal.free(() => 1);
    const { report, ...reading } = readWal(disk, silentLog, { quarantine: false });
    for await (const _ of reading as AsyncIterable<unknown>); // there is none: the report is what is asked for
    const [seen] = [...report.seen.values()].flatMap((hashes) => [...hashes]);
    expect(seen).toMatchObject({ lsn: 1, hash: contentHash("default", "logs", bodyOf(10)) });
    await clock.advance(601_000);
    await wal.free(() => 1);
    expect(await disk.list("wal")).toEqual([]);
  });

  test("says why it could not be written until it is written again, and what an fsync takes", async () => {
    const clock = new SimClock();
    const disk = new SimDisk(1);
    const wal = await open(disk, clock);
    await append(wal, clock, bodyOf(1)).durable;
    expect(wal.condition).toEqual({ writingMs: 0, syncMs: 0 });
    disk.failOften(1);
    await expect(append(wal, clock, bodyOf(2)).durable).rejects.toThrow("could not be made durable");
    await clock.advance(5_000);
    expect(wal.condition.trouble).toMatchObject({ message: expect.any(String), agoMs: 5_000 });
    disk.failOften(0);
    await append(wal, clock, bodyOf(3)).durable;
    expect(wal.condition.trouble).toBeUndefined();
  });

  test("a write that does not end is told by its age, and a slow fsync by its time", async () => {
    const clock = new SimClock();
    const disk = new SimDisk(1);
    let release = () => {};
    const slow = new Proxy(disk, {
      get(target, name) {
        if (name !== "open") {
          const value = Reflect.get(target, name);
          return typeof value === "function" ? value.bind(target) : value;
        }
        return async (...args: Parameters<SimDisk["open"]>) => {
          const file = await target.open(...args);
          const sync = file.sync.bind(file);
          file.sync = async () => {
            await new Promise<void>((resolve) => release = resolve);
            await sync();
          };
          return file;
        };
      },
    });
    const wal = await open(slow, clock);
    const { durable } = append(wal, clock, bodyOf(1));
    await Bun.sleep(5);
    await clock.advance(12_000);
    expect(wal.condition.writingMs).toBe(12_000);
    release();
    await durable;
    expect(wal.condition).toEqual({ writingMs: 0, syncMs: expect.closeTo(2_400) });
  });

  test("refuses what no record can hold, and what comes after close", async () => {
    const clock = new SimClock();
    const wal = await open(new SimDisk(1), clock);
    expect(() => append(wal, clock, bodyOf(10), "x".repeat(300))).toThrow("does not fit a WAL record");
    expect(wal.next).toBe(1);
    await wal.close();
    expect(() => append(wal, clock, bodyOf(10))).toThrow("closed");
  });
});
