/**
 * Mends what a check found, with the folder's lock held: what is damaged goes to quarantine with the reason beside
 * it, litter is removed, and the manifest is made to name what is there. No bytes that may be data are deleted.
 *
 * Order: the WAL and the manifest first, for what is an orphan depends on both; then segments; then litter. Every
 * step is durable before the next, and a repair that was interrupted is begun again.
 */
import { type Disk, folderOf, writeFileDurably } from "../env/disk.ts";
import type { Log } from "../env/log.ts";
import type { Random } from "../env/random.ts";
import { Manifest } from "../manifest/manifest.ts";
import { rebuildManifest } from "../store/rebuild.ts";
import { quarantineFolder } from "../wal/quarantine.ts";
import type { Finding } from "./finding.ts";
import { mendWal } from "./mend_wal.ts";
import { type VerifyEnv, verifyFolder, type VerifyOptions, type VerifyReport } from "./verify.ts";

export interface RepairEnv extends VerifyEnv {
  readonly random: Random;
  readonly log: Log;
}

/** One thing that was done. */
export interface Repair {
  /** Within the data folder. */
  readonly path: string;
  /** As a sentence: "removed", "put into quarantine/…: why". */
  readonly done: string;
}

/** @returns what was done, and the state afterwards. @throws OpenWitError `io`, `disk_full`, `unsupported` */
export async function repairFolder(
  env: RepairEnv,
  before: VerifyReport,
  options: VerifyOptions,
): Promise<{ repairs: Repair[]; after: VerifyReport }> {
  const repairs: Repair[] = [];
  const has = (...kinds: readonly Finding["kind"][]) =>
    before.findings.some(({ kind }) => kinds.includes(kind));
  if (has("newer_version")) return { repairs, after: before }; // what it means is not known to this build
  if (has("wal_gap", "wal_torn")) repairs.push(...await mendWal(env.disk, env.log));
  const manifest = await openManifest(env, repairs);
  // A rebuilt manifest and a shortened WAL change what is an orphan.
  const findings = repairs.length === 0 ? before.findings : (await verifyFolder(env, options)).findings;
  try {
    for (const each of findings) repairs.push(...await mend(env.disk, manifest, each));
  } finally {
    await manifest.close();
  }
  return { repairs, after: await verifyFolder(env, { ...options, deep: false }) };
}

/** Opening cuts a torn end and removes older files by itself. */
async function openManifest(env: RepairEnv, repairs: Repair[]): Promise<Manifest> {
  const manifest = await Manifest.open(env, { readOnly: false });
  const { lost, damaged } = manifest.report;
  if (!lost && damaged === undefined) return manifest;
  await manifest.close();
  const content = await rebuildManifest(env, manifest.state);
  repairs.push({
    path: "manifest",
    done: `rebuilt from the footers of ${content.segments.length} segments: ${damaged ?? "there was none"}`,
  });
  return await Manifest.create(env, content);
}

async function mend(disk: Disk, manifest: Manifest, found: Finding): Promise<Repair[]> {
  const { kind, path, segment } = found;
  switch (kind) {
    case "segment_missing": {
      await recordReason(disk, `${quarantineFolder}/${segment}.missing`, found, manifest);
      await manifest.commit({ remove: [segment!] });
      return [{
        path,
        done: `taken off the manifest; what it held is in quarantine/${segment}.missing.json`,
      }];
    }
    case "segment_size":
    case "segment_footer":
    case "segment_mismatch":
    case "segment_checksum":
    case "segment_rows": {
      // The reason first, then off the manifest, then the file: interrupted, it is an orphan that is put aside.
      const to = `${quarantineFolder}/${path.slice(path.lastIndexOf("/") + 1)}`;
      await recordReason(disk, to, found, manifest);
      await manifest.commit({ remove: [segment!] });
      return [await putAside(disk, path, to)];
    }
    case "orphan":
    case "wal_hashes": {
      const to = `${quarantineFolder}/${path.slice(path.lastIndexOf("/") + 1)}`;
      await recordReason(disk, to, found, manifest);
      return [await putAside(disk, path, to)];
    }
    case "index_damaged":
    case "orphan_covered":
    case "temporary":
      await disk.remove(path);
      await disk.syncDir(folderOf(path));
      return [{ path, done: `removed: ${found.found}` }];
    case "manifest_old":
    case "manifest_torn":
      return [{ path, done: kind === "manifest_old" ? "removed" : `cut: ${found.found}` }]; // by opening it
    default:
      return []; // nothing that a repair may decide; the finding says what to do
  }
}

async function putAside(disk: Disk, path: string, to: string): Promise<Repair> {
  await disk.rename(path, to);
  await disk.syncDir(quarantineFolder);
  await disk.syncDir(folderOf(path));
  return { path, done: `put into ${to}` };
}

/** Why, and all that the manifest knew of it, beside where it is put. */
async function recordReason(disk: Disk, to: string, found: Finding, manifest: Manifest): Promise<void> {
  const meta = found.segment === undefined ? undefined : manifest.state.segments.get(found.segment);
  const reason = { file: found.path, kind: found.kind, found: found.found, expected: found.expected, meta };
  const text = JSON.stringify(reason, (_key, value) => typeof value === "bigint" ? String(value) : value, 2);
  await disk.makeDir(quarantineFolder);
  await writeFileDurably(disk, `${to}.json`, [new TextEncoder().encode(text + "\n")]);
}
