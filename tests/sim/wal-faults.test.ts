/** The same short life of a WAL again and again, with the fault at every single operation in turn. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Disk } from "../../core/env/disk.ts";
import { silentLog } from "../../core/env/log.ts";
import { OpenWitError } from "../../core/error.ts";
import { contentHash } from "../../core/wal/dedup.ts";
import { readWal } from "../../core/wal/recovery.ts";
import { Wal } from "../../core/wal/wal.ts";
import { SimClock } from "./clock.ts";
import { SimDisk } from "./disk.ts";

setDefaultTimeout(30_000);

const options = { sync: "always", intervalMs: 50, fileBytesMax: 2_000, fileAgeMsMax: 60_000 } as const;

async function open(disk: Disk, clock: SimClock, quarantine = true) {
  const reading = readWal(disk, silentLog, { quarantine });
  const texts: string[] = [];
  for await (const record of reading) texts.push(new TextDecoder().decode(record.body));
  const wal = await Wal.open(
    { disk, clock, log: silentLog },
    options,
    reading.report.maxLsn + 1,
    reading.report,
  );
  return { wal, texts, report: reading.report };
}

function append(wal: Wal, clock: SimClock, text: string): Promise<void> {
  const body = new TextEncoder().encode(text);
  return wal.append({
    receivedAtNs: clock.nowNs(),
    tenant: "default",
    signal: "logs",
    protocol: "otlp-http",
    encoding: "json",
    compression: "identity",
    decodedBytes: body.length,
    hash: contentHash("default", "logs", body),
    body,
  }).durable;
}

/** Two lives; returns the texts that were acknowledged and those flushed and freed. */
async function liveTwice(
  disk: Disk,
  clock: SimClock,
): Promise<{ acknowledged: Set<string>; flushed: Set<string> }> {
  const acknowledged = new Set<string>();
  const flushed = new Set<string>();
  const sending = (wal: Wal, text: string) =>
    append(wal, clock, text).then(() => void acknowledged.add(text), (error) => {
      expect(error).toBeInstanceOf(OpenWitError);
      expect(error.retryable).toBe(true);
    });
  try {
    const { wal } = await open(disk, clock);
    await Promise.all([1, 2, 3].map((n) => sending(wal, `first ${n} ${"x".repeat(150)}`)));
    for (const n of [4, 5, 6]) await sending(wal, `first ${n} ${"x".repeat(150)}`);
    await wal.seal();
    const { next } = wal;
    for (const text of acknowledged) flushed.add(text);
    await wal.free(() => next - 1);
    await sending(wal, "between");
    await wal.close();
    const again = await open(disk, clock);
    await Promise.all([sending(again.wal, "second 1"), sending(again.wal, "second 2")]);
    await sending(again.wal, "second 3");
  } catch (error) {
    expect(error).toBeInstanceOf(OpenWitError);
    expect(["io", "disk_full", "unavailable"]).toContain((error as OpenWitError).code);
  }
  return { acknowledged, flushed };
}

async function countOperations(): Promise<number> {
  const disk = new SimDisk(1);
  const { acknowledged } = await liveTwice(disk.process(), new SimClock());
  expect(acknowledged.size).toBe(10);
  return disk.operations;
}

for (const fault of ["io", "disk_full", "cut"] as const) {
  for (const end of ["kill", "cut"] as const) {
    test(`what was acknowledged is there after a ${fault} at any operation, then a ${end}`, async () => {
      const operations = await countOperations();
      expect(operations).toBeGreaterThan(30);
      for (let at = 1; at <= operations; at++) {
        const disk = new SimDisk(at);
        const clock = new SimClock();
        if (fault === "cut") disk.cutAt(at);
        else disk.failAt(at, fault);
        const { acknowledged, flushed } = await liveTwice(disk.process(), clock);
        if (end === "kill") disk.kill();
        else disk.cut();
        disk.restart();
        const { texts } = await open(disk.process(), clock);
        expect(new Set(texts).size).toBe(texts.length);
        for (const text of acknowledged) {
          if (!flushed.has(text) && !texts.includes(text)) {
            throw new Error(`operation ${at}: ${text} is lost`);
          }
        }
      }
    });
  }
}

describe("a full disk", () => {
  test("refuses, retryable, and accepts again by itself once there is room", async () => {
    const disk = new SimDisk(1, { capacityBytes: 1_000 });
    const clock = new SimClock();
    const { wal } = await open(disk, clock);
    let accepted = 0;
    let refused = 0;
    for (let n = 0; n < 30; n++) {
      await append(wal, clock, `${n} ${"y".repeat(90)}`).then(() => accepted++, (error) => {
        expect(error.code).toBe("disk_full");
        expect(error.retryable).toBe(true);
        refused++;
      });
    }
    expect(accepted).toBeGreaterThan(2);
    expect(refused).toBeGreaterThan(2);
    disk.capacityBytes = 100_000;
    await append(wal, clock, "there is room");
    await wal.close();
    const { texts, report } = await open(disk, clock);
    expect(texts.length).toBe(accepted + 1);
    expect(texts.at(-1)).toBe("there is room");
    expect(report.gaps).toEqual([]);
  });

  test("keeps a file from being freed for as long as its hashes are needed, and no longer", async () => {
    const disk = new SimDisk(1);
    const clock = new SimClock();
    const { wal } = await open(disk, clock);
    await append(wal, clock, "one");
    await wal.seal();
    disk.capacityBytes = 0;
    await expect(wal.free(() => 1)).rejects.toMatchObject({ code: "disk_full" });
    expect(wal.stats.files).toBe(1);
    await clock.advance(601_000);
    expect(await wal.free(() => 1)).toMatchObject({ files: 1 });
    expect(wal.stats.files).toBe(0);
  });
});

describe("refusal", () => {
  test("strikes all that is pending in one turn, and whoever appends in that turn", async () => {
    const disk = new SimDisk(1);
    const clock = new SimClock();
    const { wal } = await open(disk, clock);
    await append(wal, clock, "before");
    disk.failOften(1);
    const outcomes = await Promise.allSettled(["a", "b", "c"].map((text) => append(wal, clock, text)));
    expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
    disk.failOften(0);
    await append(wal, clock, "after");
    await wal.close();
    expect((await open(disk, clock)).texts).toEqual(["before", "after"]);
  });
});
