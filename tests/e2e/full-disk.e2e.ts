/**
 * A volume that is filled to its last byte, by us and by another program: queries answer all along, eviction brings
 * the data folder back under its budget, what was acknowledged is there unless it was evicted, and a start on a full
 * disk works. On a tmpfs and on an ext4 of a loop device, of FULL_DISK_MIB (96) each, which only root may mount:
 * skipped otherwise.
 */
import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, rmSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { sumOfMetric } from "../bench/server.ts";
import { Box } from "./box.ts";

const volumeBytes = Number(process.env.FULL_DISK_MIB ?? 96) * 1024 * 1024;
const batchRecords = 20;
type VolumeKind = "tmpfs" | "ext4";

for (const kind of ["tmpfs", "ext4"] as const) {
  const whyNot = probe(kind);
  if (whyNot !== undefined) console.log(`full disk on ${kind}: skipped, for ${whyNot}`);
  describe.if(whyNot === undefined)(`on a small ${kind}`, () => testVolume(kind));
}

function testVolume(kind: VolumeKind): void {
  test("load that fills it several times over evicts the oldest, and nothing else is lost", async () => {
    await using volume = new Volume(kind, ["--config", writeConfig("evict-oldest")]);
    const { box } = volume;
    await box.start();
    const load = new Load(box);
    const watch = new Watch(box);
    let mostUsed = 0;
    while (load.acknowledgedBytes < volumeBytes * 4) {
      mostUsed = Math.max(mostUsed, await metric(box, "openwit_disk_used_bytes"));
      await Bun.sleep(250);
    }
    await load.stop();
    await until(async () =>
      await metric(box, "openwit_disk_used_bytes") <= await metric(box, "openwit_disk_budget_bytes")
    );
    expect(await metric(box, "openwit_evicted_segments_total")).toBeGreaterThan(0);
    const queries = await watch.stop();
    await Bun.sleep(1_000); // a round under way ends
    const found = await load.check();
    console.log(
      `${load.acknowledged.size} requests acknowledged, ${load.refused} refused, ${found.missing} evicted; ` +
        `${queries} queries; at most ${Math.round(mostUsed / 1024 / 1024)} MiB of ${
          volumeBytes / 1024 / 1024
        }`,
    );
    expect(found.missing * batchRecords).toBe(await metric(box, "openwit_evicted_rows_total"));

    expect(await box.stop()).toBe(0);
    await box.start();
    const after = await load.check();
    const since = await metric(box, "openwit_evicted_rows_total");
    expect(after.missing * batchRecords).toBe(found.missing * batchRecords + since);
    expect(since).toBeLessThan(after.missing * batchRecords / 4);
  }, 180_000);

  test(
    "another program's last byte: refused, answered, restarted, and taken again when it goes",
    async () => {
      await using volume = new Volume(kind, ["--config", writeConfig("refuse")]);
      const { box } = volume;
      await box.start();
      const load = new Load(box);
      const watch = new Watch(box);
      await until(() => load.acknowledged.size > 50);
      for (let round = 0; round < 3; round++) {
        volume.fill();
        const refusedBefore = load.refused;
        await until(() => load.refused > refusedBefore + 3);
        expect(load.lastRefusal).toStartWith("503");
        expect(load.lastRefusal).toContain("full");
        expect(load.lastRetryAfter).toBeGreaterThan(0);
        const status = async () => await (await fetch(`${box.endpoints.http}/api/v1/status`)).json();
        await until(async () => (await status()).refusing?.includes("full"));
        const ready = await fetch(`${box.endpoints.http}/ready`);
        expect(ready.status).toBe(503);
        expect(await ready.json()).toMatchObject({ takes_records: false, answers_queries: true });
        expect((await fetch(`${box.endpoints.http}/ready?for=queries`)).status).toBe(200);
        expect((await fetch(`${box.endpoints.http}/health`)).status).toBe(200);
        const dropped = await metric(box, "openwit_self_dropped_total");
        await until(async () => await metric(box, "openwit_self_dropped_total") > dropped);
        volume.clear();
        const before = load.acknowledged.size;
        const beganMs = performance.now();
        await until(() => load.acknowledged.size > before);
        console.log(`taken again ${Math.round(performance.now() - beganMs)} ms after there was room`);
        expect(performance.now() - beganMs).toBeLessThan(3_000);
      }
      // What it had to say then was kept for when there was room.
      const own = { "X-Scope-OrgID": "_system" };
      await until(async () =>
        Number(await box.value("SELECT count(*) FROM logs WHERE body = 'requests are refused'", own)) > 0
      );
      // Full again, to the last byte that the reserve gives up too, and ended without a word.
      volume.fill();
      await Bun.sleep(1_500);
      volume.fill();
      await load.stop();
      await watch.stop();
      await box.kill();
      volume.fill();
      expect(volume.isFull()).toBe(true);
      await box.start();
      expect((await load.check()).missing).toBe(0);
      volume.clear();
      const again = new Load(box, "again");
      await until(() => again.acknowledged.size > 5);
      await again.stop();
      expect((await load.check()).missing).toBe(0);
      expect((await again.check()).missing).toBe(0);
      expect(await box.stop()).toBe(0);
    },
    120_000,
  );

  test("a program that fills it for good costs the oldest data, not the newest records", async () => {
    await using volume = new Volume(kind, ["--config", writeConfig("evict-oldest")]);
    const { box } = volume;
    await box.start();
    const load = new Load(box);
    const watch = new Watch(box);
    await until(async () => await metric(box, "openwit_segments") > 3);
    volume.fill();
    const before = load.acknowledged.size;
    await until(() => load.acknowledged.size > before + 50);
    expect(await metric(box, "openwit_evicted_segments_total")).toBeGreaterThan(0);
    await load.stop();
    await watch.stop();
    await load.check();
    expect(await box.stop()).toBe(0);
  }, 120_000);
}

/** A box whose data folder is on a volume of its own, with room for others beside it. */
class Volume implements AsyncDisposable {
  readonly box: Box;
  readonly #image: string | undefined;

  constructor(kind: VolumeKind, flags: string[]) {
    this.box = new Box(flags);
    this.#image = mount(kind, this.box.folder);
  }

  /** As another program does: until not one byte more goes, and what is given back meanwhile has gone too. */
  fill(): void {
    while (this.#append() > 0);
  }

  /** Bytes that could still be written. */
  #append(): number {
    const file = openSync(join(this.box.folder, "others"), "a");
    let bytes = 0;
    try {
      for (const size of [1 << 20, 4096, 1]) {
        const part = new Uint8Array(size);
        for (let written = size; written === size; bytes += written) written = writeSync(file, part);
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
    } finally {
      closeSync(file);
    }
    return bytes;
  }

  /** An ext4 keeps some blocks back from everybody, and counts them as free. */
  isFull(): boolean {
    return this.#append() === 0;
  }

  clear(): void {
    rmSync(join(this.box.folder, "others"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.box.kill(); // no error when it has ended already
    spawnSync("umount", ["-l", this.box.folder]);
    if (this.#image !== undefined) rmSync(this.#image);
    await this.box[Symbol.asyncDispose]();
  }
}

/** Four clients that send numbered batches, and send again what was refused, until stopped. */
class Load {
  readonly acknowledged = new Set<number>();
  refused = 0;
  acknowledgedBytes = 0;
  lastRefusal = "";
  lastRetryAfter = 0;
  #sent = 0;
  #isStopped = false;
  readonly #clients: Promise<void>[];

  constructor(readonly box: Box, readonly name = "load") {
    this.#clients = Array.from({ length: 4 }, () => this.#send());
    // Reported by `stop`; until then they are nobody's.
    for (const client of this.#clients) client.catch((error) => this.lastRefusal = String(error));
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#clients);
  }

  /** Every batch is there whole and once, or not at all; those that are not are the oldest. */
  async check(): Promise<{ missing: number }> {
    const rows = await this.box.rows(
      `SELECT event_name, count(*), count(DISTINCT left(body, 20)) FROM logs WHERE event_name LIKE '${this.name}-%' GROUP BY ALL`,
    );
    const found = new Set<number>();
    for (const [name, count, distinct] of rows) {
      expect([name, Number(count), Number(distinct)]).toEqual([name, batchRecords, batchRecords]);
      found.add(Number(String(name).slice(this.name.length + 1)));
    }
    const missing = [...this.acknowledged].filter((number) => !found.has(number));
    const oldestFound = Math.min(...found, Infinity);
    // Four clients at once: neighbours may be stored in another order than they were numbered.
    expect(missing.filter((number) => number > oldestFound + 8)).toEqual([]);
    return { missing: missing.length };
  }

  async #send(): Promise<void> {
    while (!this.#isStopped) {
      const number = this.#sent++;
      const body = batch(`${this.name}-${number}`);
      for (;;) {
        const response = await fetch(`${this.box.endpoints.otlp_http}/v1/logs`, {
          method: "POST",
          headers: { "Content-Type": "application/json" },
          body,
        });
        const text = await response.text();
        if (response.ok) {
          this.acknowledged.add(number);
          this.acknowledgedBytes += body.length;
          break;
        }
        this.refused++;
        this.lastRefusal = `${response.status} ${text}`;
        this.lastRetryAfter = Number(response.headers.get("Retry-After"));
        if (![429, 503].includes(response.status)) throw new Error(this.lastRefusal);
        if (this.#isStopped) return;
        await Bun.sleep(100);
      }
    }
  }
}

/** Queries without a pause: each must be answered. */
class Watch {
  #isStopped = false;
  #queries = 0;
  readonly #done: Promise<void>;

  constructor(readonly box: Box) {
    this.#done = this.#watch();
    this.#done.catch(() => {}); // reported by `stop`
  }

  async stop(): Promise<number> {
    this.#isStopped = true;
    await this.#done;
    return this.#queries;
  }

  async #watch(): Promise<void> {
    while (!this.#isStopped) {
      await this.box.value("SELECT count(*), max(timestamp) FROM logs");
      this.#queries++;
      await Bun.sleep(100);
    }
  }
}

function batch(name: string): string {
  const timeUnixNano = String(BigInt(Date.now()) * 1_000_000n);
  const logRecords = Array.from({ length: batchRecords }, () => ({
    timeUnixNano,
    eventName: name,
    body: { stringValue: crypto.getRandomValues(new Uint8Array(3_000)).toBase64() },
  }));
  return JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords }] }] });
}

async function metric(box: Box, name: string): Promise<number> {
  return sumOfMetric(await (await fetch(`${box.endpoints.http}/metrics`)).text(), name);
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!await isSo()) {
    if (Date.now() > deadline) throw new Error(`waited for a minute: ${isSo}`);
    await Bun.sleep(20);
  }
}

/**
 * Flushes of a few MiB, so that there are segments to evict. Where evicted rows are counted one by one, the node stores
 * nothing of itself, which would be counted with them.
 */
function writeConfig(whenFull: string): string {
  const selfInterval = whenFull === "refuse" ? "200ms" : "0s";
  const path = `${process.env.TMPDIR ?? "/tmp"}/openwit-full-${process.pid}-${whenFull}.yaml`;
  Bun.write(
    path,
    `processing:\n  flush_size: 4MiB\nwal:\n  file_size: 2MiB\nstorage:\n  when_full: ${whenFull}\n` +
      `control_plane:\n  self_interval: ${selfInterval}\n`,
  );
  return path;
}

/** Mounts a new volume on a folder; returns the file that it is in, if it is in one. */
function mount(kind: VolumeKind, folder: string): string | undefined {
  if (kind === "tmpfs") {
    run("mount", "-t", "tmpfs", "-o", `size=${volumeBytes}`, "tmpfs", folder);
    return undefined;
  }
  const image = `${folder}.img`;
  run("truncate", "-s", String(volumeBytes), image);
  run("mkfs.ext4", "-q", "-m", "0", image); // no blocks for root alone: the last one is the last one for us too
  run("mount", "-o", "loop", image, folder);
  return image;
}

/** @throws Error with what the command said */
function run(command: string, ...args: string[]): void {
  const { status, stderr, error } = spawnSync(command, args);
  if (status !== 0) throw new Error(`${command}: ${error?.message ?? String(stderr).trim()}`);
}

/** Why a volume of this kind cannot be mounted here; `undefined` when it can: containers often may not. */
function probe(kind: VolumeKind): string | undefined {
  if (process.getuid?.() !== 0) return "only root may mount";
  const folder = `${process.env.TMPDIR ?? "/tmp"}/openwit-mount-${process.pid}-${kind}`;
  mkdirSync(folder);
  try {
    const before = statSync(folder).dev;
    mount(kind, folder);
    const isMounted = statSync(folder).dev !== before;
    spawnSync("umount", [folder]);
    return isMounted ? undefined : "mounting does nothing";
  } catch (error) {
    return (error as Error).message;
  } finally {
    rmSync(folder, { recursive: true });
    rmSync(`${folder}.img`, { force: true });
  }
}
