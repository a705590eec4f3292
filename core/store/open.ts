/**
 * Opens a data folder: finds out what exists, brings the memtables back from the WAL, and puts aside what cannot
 * be read. Nothing found here stops a start, but a format of a newer version.
 *
 *   manifest ─▶ (rebuilt from footers when lost) ─▶ sweep temporaries and orphans ─▶ read the WAL ─▶ take requests
 *                                                                                              └▶ replay the WAL
 *
 * Read-only opening writes nothing into the data folder: a torn tail stays, and a WAL larger than memory is
 * spilled as segments into the caller's scratch folder.
 */
import type { Disk } from "../env/disk.ts";
import type { OpenWitError } from "../error.ts";
import { Manifest } from "../manifest/manifest.ts";
import type { WalRecord } from "../wal/format.ts";
import { quarantineBytes } from "../wal/quarantine.ts";
import { readWal } from "../wal/recovery.ts";
import { Wal } from "../wal/wal.ts";
import { findDamaged, sweepOrphans } from "./orphans.ts";
import { rebuildManifest } from "./rebuild.ts";
import { findRecords, judgeRecords, type ReplayProgress, replayWal } from "./replay.ts";
import { Store, type StoreEnv, type StoreOptions } from "./store.ts";

/**
 * Opens a folder to serve it, all of it: what the WAL holds is back.
 * @throws OpenWitError `unsupported` for a format of a newer version, `io`, `disk_full`
 */
export async function openStore(env: StoreEnv, options: StoreOptions): Promise<Store> {
  const store = await startStore(env, options);
  await store.recovered;
  return store;
}

/** What is told of a recovery while it goes on. */
export interface RecoveryListener {
  /** How far the WAL has been replayed; now and then. */
  onProgress?(progress: ReplayProgress): void;
  /** Memory was taken for one more record. */
  onRecord?(): void;
}

/**
 * Opens a folder and takes requests as soon as it is known what the WAL holds, which is brought back meanwhile: see
 * `Store.recovered`.
 * @throws OpenWitError as `openStore`
 */
export async function startStore(
  env: StoreEnv,
  options: StoreOptions,
  listener: RecoveryListener = {},
): Promise<Store> {
  const { disk, clock, log, metrics } = env;
  const startedMs = clock.monotonicMs();
  for (const folder of ["wal", "manifest", "parquet", "quarantine"]) await disk.makeDir(folder);
  const manifest = await openManifest(env, options);
  const swept = await sweepOrphans(env, manifest);
  const reading = readWal(disk, log, { quarantine: true, keepsBodies: false });
  const store = new Store(env, options, manifest, await findDamaged(env, manifest));
  const putAside = async (record: WalRecord, error: OpenWitError) => {
    metrics.add("openwit_quarantined_total", 1, { kind: "wal_record" });
    const path = await quarantineBytes(disk, `record-${record.lsn}`, record.body, {
      ...record,
      body: undefined,
      hash: record.hash.toHex(),
      error,
    });
    log("error", "a request in the WAL no longer decodes; it was put aside", {
      lsn: record.lsn,
      path,
      error,
    });
  };
  const judge = await findRecords(manifest, store.dedup, reading);
  const { report } = reading;
  metrics.add("openwit_quarantined_total", report.gaps.length, { kind: "wal_gap" });
  const watermark = Math.max(0, ...manifest.state.watermarks.values());
  const files = [...report.files];
  store.openWal(await Wal.open(env, options.wal, Math.max(report.maxLsn, watermark) + 1, report));
  const foundMs = clock.monotonicMs();
  store.recover(async (signal) => {
    // What is wrong with a file has been told, and mended as far as it can be.
    const again = readWal(disk, () => {}, { quarantine: false, files });
    const rows = judge === undefined
      ? 0
      : await replayWal(store, again, { ...listener, judge, putAside, signal });
    log("info", "recovered", {
      segments: manifest.state.segments.size,
      wal_records: report.records,
      rows_replayed: rows,
      torn_bytes: report.tornBytes,
      gaps: report.gaps.length,
      orphans: swept,
      ms_to_requests: Math.round(foundMs - startedMs),
      ms: Math.round(clock.monotonicMs() - startedMs),
    });
  });
  return store;
}

/** Where a read-only store may write. */
export interface Scratch {
  /** A private folder, empty, which the caller removes afterwards. */
  readonly disk: Disk;
  /** Its absolute path, which goes before the paths of segments that are written there. */
  readonly path: string;
}

/** Opens a folder that no server runs on, to ask it, and writes nothing there. @throws OpenWitError */
export async function openStoreReadOnly(
  env: StoreEnv,
  options: StoreOptions,
  scratch: Scratch,
): Promise<Store> {
  const manifest = await Manifest.open(env, { readOnly: true });
  const reading = readWal(env.disk, env.log, { quarantine: false });
  const store = new Store(env, options, manifest, await findDamaged(env, manifest), scratch);
  const judge = judgeRecords(manifest, store.dedup, reading);
  const putAside = (record: WalRecord, error: OpenWitError) => {
    env.log("error", "a request in the WAL no longer decodes; it is left out", { lsn: record.lsn, error });
    return Promise.resolve();
  };
  store.recover(async (signal) => void await replayWal(store, reading, { judge, putAside, signal }));
  await store.recovered;
  return store;
}

/** The manifest, or one rebuilt from the segments' footers when it is lost or damaged. */
async function openManifest(env: StoreEnv, { manifestBytesMax }: StoreOptions): Promise<Manifest> {
  const manifest = await Manifest.open(env, { readOnly: false, compactBytesMin: manifestBytesMax });
  const { lost, damaged } = manifest.report;
  if (!lost && damaged === undefined) return manifest;
  const content = await rebuildManifest(env, manifest.state);
  env.log("warn", "the manifest has been rebuilt from the segments' footers", {
    why: damaged ?? "there was none",
    segments: content.segments.length,
  });
  await manifest.close();
  return await Manifest.create(env, content, manifestBytesMax);
}
