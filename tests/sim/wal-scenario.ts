/**
 * A life after another of a WAL on a disk that fails: appends, seals, frees; then a power cut, a kill or a close;
 * then a recovery that is held against what was sent and acknowledged.
 *
 * Promises: what was acknowledged and not yet flushed comes back, byte for byte; nothing comes back that was not
 * sent, or was refused and passed by, or was once found lost; LSNs ascend, each once.
 */
import type { Disk } from "../../core/env/disk.ts";
import { silentLog } from "../../core/env/log.ts";
import { type Random, randomBelow, seededRandom } from "../../core/env/random.ts";
import { OpenWitError } from "../../core/error.ts";
import { type Signal, signals } from "../../core/model/columns.ts";
import { decodeBody } from "../../core/wal/body.ts";
import { contentHash, DedupWindow, dedupWindowNs } from "../../core/wal/dedup.ts";
import { readWal } from "../../core/wal/recovery.ts";
import { Wal, type WalSync } from "../../core/wal/wal.ts";
import { SimClock } from "./clock.ts";
import { SimDisk, type SimDiskOptions } from "./disk.ts";

export interface WalScenario extends SimDiskOptions {
  readonly sync?: WalSync;
  /** Whether operations fail besides the cuts. */
  readonly failures?: boolean;
}

export interface WalScenarioResult {
  readonly appended: number;
  readonly acknowledged: number;
  readonly refused: number;
  readonly recovered: number;
  /** Every operation of the disk, in order. */
  readonly trace: readonly string[];
}

interface Sent {
  readonly lsn: number;
  readonly tenant: string;
  readonly signal: Signal;
  readonly text: string;
  readonly hash: Uint8Array;
  readonly receivedAtNs: bigint;
  state: "pending" | "acknowledged" | "refused";
}

/** What the world outside the WAL knows. */
class Model {
  /** By LSN: what was found or acknowledged; it has to come back until it is flushed. */
  readonly kept = new Map<number, Sent>();
  /** Sent in this life. */
  sent: Sent[] = [];
  readonly watermarks = new Map<string, number>();
  acknowledged = 0;
  refused = 0;
  recovered = 0;
  appended = 0;

  watermarkOf = (tenant: string, signal: Signal) => this.watermarks.get(`${tenant}/${signal}`) ?? 0;

  isFlushed({ tenant, signal, lsn }: Sent): boolean {
    return lsn <= this.watermarkOf(tenant, signal);
  }
}

export async function runWalScenario(seed: number, scenario: WalScenario = {}): Promise<WalScenarioResult> {
  const random = seededRandom(seed);
  const disk = new SimDisk(seed, scenario);
  disk.trace = [];
  const clock = new SimClock();
  const model = new Model();
  const lives = 2 + randomBelow(random, 5);
  let wasCut = false;
  for (let life = 0; life <= lives; life++) {
    disk.restart();
    const process = disk.process();
    // The last life only looks.
    const isQuiet = life === lives;
    if (!isQuiet) armDisk(disk, random, scenario);
    const nextLsn = await recover(model, process, clock, scenario, wasCut);
    if (nextLsn === undefined) {
      if (isQuiet) throw new Error("the recovery of a sound disk failed");
      endLife(disk, random);
      wasCut ||= disk.isOff;
      continue;
    }
    if (isQuiet) break;
    wasCut = await live(model, disk, process, clock, random, nextLsn.lsn, nextLsn.report, scenario);
  }
  const { appended, acknowledged, refused, recovered } = model;
  return { appended, acknowledged, refused, recovered, trace: disk.trace };
}

function armDisk(disk: SimDisk, random: Random, scenario: WalScenario): void {
  if (randomBelow(random, 2) === 0) disk.cutAt(disk.operations + 1 + randomBelow(random, 150));
  if (!scenario.failures) return;
  const kind = randomBelow(random, 2) === 0 ? "io" : "disk_full";
  disk.failOften([0, 8, 30, 100][randomBelow(random, 4)], kind);
}

/** Reads the WAL and checks it; `undefined` when an injected failure stopped the recovery. */
async function recover(model: Model, disk: Disk, clock: SimClock, scenario: WalScenario, wasCut: boolean) {
  const reading = readWal(disk, silentLog, { quarantine: true });
  const found: Sent[] = [];
  const candidates = new Map<number, Sent[]>();
  for (const sent of [...model.kept.values(), ...model.sent]) {
    candidates.set(sent.lsn, [...(candidates.get(sent.lsn) ?? []), sent]);
  }
  try {
    let lastLsn = 0;
    for await (const record of reading) {
      if (record.lsn <= lastLsn) throw new Error(`LSN ${record.lsn} comes after ${lastLsn}`);
      lastLsn = record.lsn;
      const text = new TextDecoder().decode(decodeBody(record));
      const match = candidates.get(record.lsn)?.find((sent) =>
        sent.text === text && sent.tenant === record.tenant && sent.signal === record.signal &&
        sent.receivedAtNs === record.receivedAtNs && Buffer.compare(sent.hash, record.hash) === 0
      );
      if (match === undefined) {
        throw new Error(`LSN ${record.lsn} was recovered and never sent, or was lost before`);
      }
      found.push(match);
    }
  } catch (error) {
    if (error instanceof OpenWitError && (error.code === "io" || error.code === "disk_full")) {
      return undefined;
    }
    throw error;
  }
  const foundSet = new Set(found);
  const mayLose = scenario.sync !== undefined && scenario.sync !== "always" && wasCut;
  const must = [...model.kept.values(), ...model.sent.filter((sent) => sent.state === "acknowledged")];
  for (const sent of must) {
    if (!mayLose && !foundSet.has(sent) && !model.isFlushed(sent)) {
      throw new Error(`LSN ${sent.lsn} was acknowledged and is lost`);
    }
  }
  const lastAcknowledged = Math.max(
    0,
    ...model.sent.map((sent) => sent.state === "acknowledged" ? sent.lsn : 0),
  );
  for (const sent of model.sent) {
    if (sent.state === "refused" && sent.lsn < lastAcknowledged && foundSet.has(sent)) {
      throw new Error(`LSN ${sent.lsn} was refused, passed by, and came back`);
    }
  }
  if (!scenario.failures && !mayLose) checkWindow(found, reading.report.seen.values(), must, clock.nowNs());

  for (const sent of must) model.kept.set(sent.lsn, sent);
  if (mayLose) { for (const sent of must) if (!foundSet.has(sent)) model.kept.delete(sent.lsn); }
  // What was pending at the crash and is there now stays; the rest is gone for good, and its LSNs may be used again.
  for (const sent of found) model.kept.set(sent.lsn, sent);
  for (const sent of model.kept.values()) sent.state = "acknowledged";
  model.sent = [];
  model.recovered += found.length;
  const lsn = Math.max(reading.report.maxLsn, ...model.watermarks.values(), 0) + 1;
  return { lsn, report: reading.report };
}

/** Every body acknowledged in the last ten minutes must still be known as sent. */
function checkWindow(
  found: readonly Sent[],
  sidecars: Iterable<Iterable<{ hash: Uint8Array; receivedAtNs: bigint; lsn: number }>>,
  acknowledged: readonly Sent[],
  nowNs: bigint,
): void {
  const dedup = new DedupWindow();
  for (const sidecar of sidecars) {
    for (const { hash, receivedAtNs, lsn } of sidecar) dedup.add(hash, receivedAtNs, lsn);
  }
  for (const { hash, receivedAtNs, lsn } of found) dedup.add(hash, receivedAtNs, lsn);
  for (const { hash, receivedAtNs, lsn } of acknowledged) {
    if (receivedAtNs >= nowNs - dedupWindowNs && !dedup.seen(hash, receivedAtNs)) {
      throw new Error(`the body of LSN ${lsn} is not known as sent any more`);
    }
  }
}

/** One life of the process; returns whether it ended in a power cut. */
async function live(
  model: Model,
  disk: SimDisk,
  process: Disk,
  clock: SimClock,
  random: Random,
  nextLsn: number,
  report: Parameters<typeof Wal.open>[3],
  scenario: WalScenario,
): Promise<boolean> {
  const sync = scenario.sync ?? "always";
  const options = {
    sync,
    intervalMs: 50,
    fileBytesMax: 4_000 + randomBelow(random, 20_000),
    fileAgeMsMax: 60_000,
  };
  const errors: unknown[] = [];
  const expectIo = (error: unknown) => {
    if (!(error instanceof OpenWitError) || !["io", "disk_full"].includes(error.code)) errors.push(error);
  };
  const wal = await Wal.open({ disk: process, clock, log: silentLog }, options, nextLsn, report).catch(
    expectIo,
  );
  if (!wal) return endLife(disk, random);
  const running: Promise<unknown>[] = [];
  let lastSettled = nextLsn - 1;
  const append = () => {
    const sent = newRequest(wal, model, clock, random);
    const { lsn, durable } = wal.append({
      ...sent,
      ...requestShape,
      body: new TextEncoder().encode(sent.text),
    });
    if (lsn !== sent.lsn) errors.push(new Error(`LSN ${lsn} was given where ${sent.lsn} was next`));
    model.sent.push(sent);
    model.appended++;
    running.push(durable.then(() => {
      if (lsn <= lastSettled) errors.push(new Error(`LSN ${lsn} was acknowledged after ${lastSettled}`));
      lastSettled = lsn;
      sent.state = "acknowledged";
      model.acknowledged++;
    }, (error) => {
      sent.state = "refused";
      model.refused++;
      expectIo(error);
    }));
  };
  const steps = 5 + randomBelow(random, 60);
  for (let step = 0; step < steps && !disk.isOff; step++) {
    const choice = randomBelow(random, 20);
    if (choice < 12) {
      for (let count = 1 + randomBelow(random, 4); count > 0; count--) {
        try {
          append();
        } catch (error) {
          if (!(error instanceof OpenWitError) || error.code !== "unavailable") errors.push(error);
        }
      }
    } else if (choice < 14) running.push(wal.seal().catch(expectIo));
    else if (choice < 16) {
      flushSome(model, random);
      running.push(wal.free(model.watermarkOf).catch(expectIo));
    } else if (choice < 18) await clock.advance(randomBelow(random, 90_000));
    else running.push(wal.sealIfDue().catch(expectIo));
    for (let ticks = randomBelow(random, 40); ticks > 0; ticks--) await undefined;
  }
  // Sometimes all comes to rest first; sometimes the end comes in the middle of it.
  if (randomBelow(random, 3) === 0) await Promise.all(running);
  if (randomBelow(random, 4) === 0) await wal.close().catch(expectIo);
  const wasCut = endLife(disk, random);
  await Promise.all(running);
  await wal.close().catch(expectIo);
  if (errors.length > 0) throw errors[0];
  return wasCut;
}

function endLife(disk: SimDisk, random: Random): boolean {
  if (disk.isOff) return true;
  if (randomBelow(random, 3) === 0) disk.kill();
  else disk.cut();
  return disk.isOff;
}

const requestShape = { protocol: "otlp-grpc", encoding: "protobuf", compression: "identity" } as const;

function newRequest(
  wal: Wal,
  model: Model,
  clock: SimClock,
  random: Random,
): Sent & { decodedBytes: number } {
  const tenant = ["a", "b"][randomBelow(random, 2)];
  const signal = signals[randomBelow(random, 3)];
  const filling = ["", "word ".repeat(randomBelow(random, 80)), noise(random, randomBelow(random, 3_000))];
  const text = `${model.appended}:${filling[randomBelow(random, 3)]}`;
  const bytes = new TextEncoder().encode(text);
  return {
    lsn: wal.next,
    tenant,
    signal,
    text,
    decodedBytes: bytes.length,
    hash: contentHash(tenant, signal, bytes),
    receivedAtNs: clock.nowNs(),
    state: "pending",
  };
}

/** Text that does not compress. */
function noise(random: Random, length: number): string {
  let text = "";
  while (text.length < length) text += random.uint32().toString(36);
  return text;
}

/** Streams move their watermarks to something acknowledged, in order, as flushes do. */
function flushSome(model: Model, random: Random): void {
  for (const tenant of ["a", "b"]) {
    for (const signal of signals) {
      if (randomBelow(random, 2) === 0) continue;
      const durable = [...model.kept.values(), ...model.sent].filter((sent) =>
        sent.state === "acknowledged" && sent.tenant === tenant && sent.signal === signal
      );
      const lsn = Math.max(0, ...durable.map((sent) => sent.lsn));
      const key = `${tenant}/${signal}`;
      model.watermarks.set(key, Math.max(lsn, model.watermarks.get(key) ?? 0));
    }
  }
}
