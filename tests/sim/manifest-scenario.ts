/**
 * A life after another of a manifest on a disk that fails: commits, compactions, a power cut or a kill; then what is
 * read back is held against what was committed.
 *
 * Promise: the state that is read is that after every committed edit, in order, and at most those that were under
 * way at the end.
 */
import type { Disk } from "../../core/env/disk.ts";
import { silentLog } from "../../core/env/log.ts";
import { type Random, randomBelow, seededRandom } from "../../core/env/random.ts";
import { OpenWitError } from "../../core/error.ts";
import { Manifest, type ManifestEdit, type SegmentMeta } from "../../core/manifest/manifest.ts";
import { LiveState } from "../../core/manifest/state.ts";
import { SimDisk, type SimDiskOptions } from "./disk.ts";

export interface ManifestScenario extends SimDiskOptions {
  readonly failures?: boolean;
}

/** A segment that no file stands behind. */
export function segmentOf(id: string, tenant = "default"): SegmentMeta {
  const timeNs = 1_795_464_000_000_000_000n;
  return {
    id,
    tenant,
    signal: "logs",
    path: `parquet/${tenant}/2026/11/23/node/${id}.parquet`,
    level: 0,
    rows: 10,
    bytes: 1_000,
    minTimeNs: timeNs + 1n,
    maxTimeNs: timeNs + 9n,
    minIngestNs: timeNs,
    maxIngestNs: timeNs + BigInt(id.length),
    lsnFrom: 1,
    lsnTo: 2,
    late: false,
    schemaVersion: 1,
    replaces: [],
    hour: 498_740,
  };
}

/** All that a state says, comparable. */
export function describeState(state: Manifest["state"]): string {
  const { version, nodeId, newestIngestNs, segments, watermarks, settings } = state;
  const sorted = (map: ReadonlyMap<string, unknown>) => [...map].sort(([a], [b]) => a < b ? -1 : 1);
  return JSON.stringify(
    {
      version,
      nodeId,
      newestIngestNs,
      segments: sorted(segments),
      watermarks: sorted(watermarks),
      settings: sorted(settings),
    },
    (_key, value) => typeof value === "bigint" ? `${value}n` : value,
  );
}

export async function runManifestScenario(seed: number, scenario: ManifestScenario = {}): Promise<string[]> {
  const random = seededRandom(seed);
  const disk = new SimDisk(seed, scenario);
  disk.trace = [];
  let nodeId: string | undefined;
  /** All that was committed; then those of the last life whose fate the crash decided, in order. */
  let committed: ManifestEdit[] = [];
  let pending: ManifestEdit[] = [];
  const lives = 2 + randomBelow(random, 6);
  for (let life = 0; life <= lives; life++) {
    disk.restart();
    const process = disk.process();
    const isQuiet = life === lives;
    if (!isQuiet) arm(disk, random, scenario);
    const manifest = await openOrUndefined(process, random);
    if (manifest === undefined) {
      if (isQuiet) throw new Error("a sound disk's manifest did not open");
      end(disk, random);
      continue;
    }
    if (nodeId !== undefined && manifest.state.nodeId !== nodeId) throw new Error("the node's id changed");
    committed = check(manifest, committed, pending);
    if (manifest.report.damaged !== undefined) throw new Error(manifest.report.damaged);
    pending = [];
    const running: Promise<void>[] = [];
    const fates: { edit: ManifestEdit; fate: "pending" | "committed" | "rejected" }[] = [];
    for (let step = randomBelow(random, 40); step > 0 && !isQuiet && !disk.isOff; step--) {
      const entry: typeof fates[number] = {
        edit: newEdit(random, seed * 1_000 + life * 100 + step),
        fate: "pending",
      };
      fates.push(entry);
      let wasVisible = false;
      running.push(
        manifest.commit(entry.edit, () => wasVisible = manifest.state.version > 0).then(() => {
          if (!wasVisible) throw new Error("a committed edit was never visible");
          nodeId = manifest.state.nodeId;
          entry.fate = "committed";
        }, (error) => {
          if (!(error instanceof OpenWitError) || !["io", "disk_full"].includes(error.code)) throw error;
          entry.fate = "rejected";
        }),
      );
      for (let ticks = randomBelow(random, 30); ticks > 0; ticks--) await undefined;
    }
    if (randomBelow(random, 2) === 0) await Promise.all(running);
    end(disk, random);
    await Promise.all(running);
    await manifest.close().catch(() => {}); // the disk may be off
    // What was rejected before the last commit is undone; from there on the crash decided.
    const lastCommitted = fates.findLastIndex((each) => each.fate === "committed");
    committed.push(
      ...fates.slice(0, lastCommitted + 1).filter((each) => each.fate === "committed").map((each) =>
        each.edit
      ),
    );
    pending = fates.slice(lastCommitted + 1).map((each) => each.edit);
  }
  return disk.trace;
}

async function openOrUndefined(disk: Disk, random: Random): Promise<Manifest | undefined> {
  try {
    return await Manifest.open({ disk, random, log: silentLog }, { readOnly: false, compactBytesMin: 3_000 });
  } catch (error) {
    if (error instanceof OpenWitError && (error.code === "io" || error.code === "disk_full")) {
      return undefined;
    }
    throw error;
  }
}

/** The edits that the manifest's state shows to have survived. */
function check(
  manifest: Manifest,
  committed: readonly ManifestEdit[],
  pending: readonly ManifestEdit[],
): ManifestEdit[] {
  const { nodeId } = manifest.state;
  const expected = new LiveState();
  expected.nodeId = nodeId;
  for (const edit of committed) expected.apply(edit);
  const found = describeState(manifest.state);
  if (describeState(expected) === found) return [...committed];
  // Groups fail and survive as they were written: any run of the pending edits may have made it.
  for (let from = 0; from < pending.length; from++) {
    const state = new LiveState();
    state.nodeId = nodeId;
    for (const edit of committed) state.apply(edit);
    for (let to = from; to < pending.length; to++) {
      state.apply(pending[to]);
      if (describeState(state) === found) return [...committed, ...pending.slice(from, to + 1)];
    }
  }
  throw new Error(`version ${manifest.state.version} was read, ${committed.length} edits were committed`);
}

function arm(disk: SimDisk, random: Random, scenario: ManifestScenario): void {
  if (randomBelow(random, 2) === 0) disk.cutAt(disk.operations + 1 + randomBelow(random, 100));
  if (scenario.failures) {
    disk.failOften([0, 5, 15, 50][randomBelow(random, 4)], randomBelow(random, 2) ? "io" : "disk_full");
  }
}

function end(disk: SimDisk, random: Random): void {
  if (disk.isOff) return;
  if (randomBelow(random, 3) === 0) disk.kill();
  else disk.cut();
}

function newEdit(random: Random, serial: number): ManifestEdit {
  const ids = Array.from({ length: randomBelow(random, 3) }, (_, index) => `segment-${serial}-${index}`);
  return {
    add: ids.map((id) => segmentOf(id, ["a", "b"][randomBelow(random, 2)])),
    remove: randomBelow(random, 3) === 0 ? [`segment-${serial - 1}-0`, `segment-${serial - 100}-1`] : [],
    watermarks: { [`${["a", "b"][randomBelow(random, 2)]}/logs`]: serial },
    ...(randomBelow(random, 3) === 0
      ? { set: { key: serial, gone: null, text: "x".repeat(randomBelow(random, 3_000)) } }
      : {}),
  };
}
