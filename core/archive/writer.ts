/**
 * Writes an archive (format.ts): a consistent state of the data, streamed in bounded memory. The segments are pinned
 * while it runs, and each is checked against its checksum before it goes out; one that is damaged ends the archive
 * with an `error.json`, for an archive without it would pass for whole.
 */
import type { Disk } from "../env/disk.ts";
import { OpenWitError, toOpenWitError } from "../error.ts";
import type { SegmentMeta } from "../manifest/manifest.ts";
import type { Scratch } from "../store/open.ts";
import type { Store } from "../store/store.ts";
import { crc32c } from "../wal/crc32c.ts";
import {
  type ArchiveFilter,
  type ArchiveSegment,
  encodeArchiveEnd,
  encodeArchiveManifest,
  endEntry,
  errorEntry,
  hex,
  manifestEntry,
} from "./format.ts";
import { encodeTarHeader, tarBlockBytes, tarPaddingBytes } from "./tar.ts";

export interface ExportOptions {
  readonly filter: ArchiveFilter;
  /** Name and version of this program. */
  readonly createdBy: string;
  /** Where the store has put what the WAL held, when it only reads its folder. */
  readonly scratch?: Scratch;
}

export interface Export {
  readonly segments: readonly SegmentMeta[];
  /** Segments that were asked for and cannot be read, by path, with the reason. */
  readonly damaged: ReadonlyMap<string, string>;
  /** The archive. Where it cannot go on it ends with an `error.json`: whoever reads it (reader.ts) is told. */
  readonly bytes: AsyncGenerator<Uint8Array>;
  /** Lets go of the segments; to be called when `bytes` is not read to its end. */
  release(): void;
}

/** Everything that is acknowledged when this is called. @throws OpenWitError `io`, `disk_full` */
export async function exportArchive(store: Store, options: ExportOptions): Promise<Export> {
  const { lost, damaged: damage } = store.manifest.report;
  if (store.manifest.readOnly && (lost || damage !== undefined)) {
    throw new OpenWitError(
      "corrupt",
      `the manifest is ${damage ?? "lost"}: what it does not name would be missing`,
      {
        hint: "openwit manifest rebuild reads it back from the segments",
      },
    );
  }
  await store.flush();
  const all = [...store.manifest.state.segments.values(), ...store.spilled];
  const wanted = selectSegments(all, options.filter);
  const segments = wanted.filter(({ id }) => !store.damaged.has(id));
  const damaged = new Map(wanted.flatMap(({ id, path }) => {
    const why = store.damaged.get(id);
    return why === undefined ? [] : [[path, why] as const];
  }));
  const release = store.retired.pin(segments);
  return { segments, damaged, bytes: archiveBytes(store, options, segments, release), release };
}

/** Whole segments with any row that is asked for, oldest hour first. */
export function selectSegments(segments: Iterable<SegmentMeta>, filter: ArchiveFilter): SegmentMeta[] {
  const { tenant, signal, sinceNs, untilNs } = filter;
  return [...segments].filter((segment) =>
    (tenant === undefined || segment.tenant === tenant) &&
    (signal === undefined || segment.signal === signal) &&
    (sinceNs === undefined || segment.maxTimeNs >= sinceNs) &&
    (untilNs === undefined || segment.minTimeNs < untilNs)
  ).sort((a, b) => a.hour - b.hour || (a.id < b.id ? -1 : 1));
}

async function* archiveBytes(
  store: Store,
  { filter, createdBy, scratch }: ExportOptions,
  pinned: readonly SegmentMeta[],
  release: () => void,
): AsyncGenerator<Uint8Array> {
  const { clock, disk, log, metrics } = store.env;
  const nowMs = Number(clock.nowNs() / 1_000_000n);
  const entry = (name: string, bytes: number) => encodeTarHeader({ name, bytes }, Math.floor(nowMs / 1_000));
  const note = function* (name: string, bytes: Uint8Array) {
    yield entry(name, bytes.length);
    yield bytes;
    yield new Uint8Array(tarPaddingBytes(bytes.length));
  };
  try {
    const places = new Map<string, Place>();
    const segments: ArchiveSegment[] = [];
    for (const meta of pinned) {
      const place = placeOf(meta, disk, scratch);
      const path = place.path;
      places.set(meta.id, place);
      segments.push({ ...meta, path, checksum: meta.checksum ?? await checksumOf(place, meta.bytes) });
    }
    const manifest = encodeArchiveManifest({
      nodeId: store.manifest.state.nodeId,
      createdAt: new Date(nowMs).toISOString(),
      createdBy,
      filter,
      segments,
    });
    yield* note(manifestEntry, manifest);
    for (const { id, path, bytes, checksum } of segments) {
      const parts = checkedParts(places.get(id)!, bytes, checksum);
      // The first part before the header: a file that cannot be opened can then still give way to the error.
      let part = await parts.next();
      yield entry(path, bytes);
      let sent = 0;
      for (; !part.done; part = await parts.next()) {
        yield part.value;
        sent += part.value.length;
      }
      yield new Uint8Array(tarPaddingBytes(bytes));
      metrics.add("openwit_exported_bytes_total", sent);
    }
    const rows = segments.reduce((sum, segment) => sum + segment.rows, 0);
    const bytes = segments.reduce((sum, segment) => sum + segment.bytes, 0);
    const end = { segments: segments.length, rows, bytes, manifestChecksum: crc32c(manifest) };
    yield* note(endEntry, encodeArchiveEnd(end));
    yield new Uint8Array(2 * tarBlockBytes);
  } catch (thrown) {
    const error = toOpenWitError(thrown);
    log("error", "an export could not go on", { error });
    yield* note(errorEntry, new TextEncoder().encode(JSON.stringify(error)));
    yield new Uint8Array(2 * tarBlockBytes);
  } finally {
    release();
  }
}

interface Place {
  readonly disk: Disk;
  /** On that disk; in an archive as well. */
  readonly path: string;
}

function placeOf({ path }: SegmentMeta, disk: Disk, scratch: Scratch | undefined): Place {
  const isSpilled = scratch !== undefined && path.startsWith(`${scratch.path}/`);
  return isSpilled ? { disk: scratch.disk, path: path.slice(scratch.path.length + 1) } : { disk, path };
}

/**
 * A file's bytes, of which none is given out before all were read once and found sound: what has gone out cannot be
 * taken back. @throws OpenWitError `corrupt`, `io`, `not_found`
 */
async function* checkedParts(place: Place, bytes: number, checksum: number): AsyncGenerator<Uint8Array> {
  const found = await checksumOf(place, bytes);
  if (found !== checksum) {
    throw new OpenWitError(
      "corrupt",
      `${place.path} has checksum ${hex(found)}, the manifest says ${hex(checksum)}`,
      { hint: "openwit verify --deep --repair puts it into quarantine; the rest can be exported then" },
    );
  }
  yield* fileParts(place, bytes);
}

async function checksumOf(place: Place, bytes: number): Promise<number> {
  let checksum = 0;
  for await (const part of fileParts(place, bytes)) checksum = crc32c(part, checksum);
  return checksum;
}

async function* fileParts({ disk, path }: Place, bytes: number): AsyncGenerator<Uint8Array> {
  const file = await disk.open(path, "read");
  try {
    for (let at = 0; at < bytes;) {
      const part = new Uint8Array(Math.min(partBytes, bytes - at));
      const read = await file.read(part, at);
      if (read === 0) throw new OpenWitError("corrupt", `${path} ended at byte ${at} of ${bytes}`);
      yield part.subarray(0, read);
      at += read;
    }
  } finally {
    await file.close();
  }
}

const partBytes = 1024 * 1024;
