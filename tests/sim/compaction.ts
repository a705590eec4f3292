/**
 * Merges and readers for lives of a store in the simulator (store-scenario.ts).
 *
 * The merger writes the rows of all inputs, one input after another and not sorted, through the disk that fails; what
 * sorting does to rows is edge/duckdb/merge.test.ts's to hold.
 */
import { type Table as ArrowTable, tableFromIPC, tableToIPC } from "apache-arrow";
import { Compression, readParquet, Table, writeParquet, WriterPropertiesBuilder } from "parquet-wasm/esm";
import { Compactor } from "../../core/compact/compact.ts";
import type { SegmentMerger } from "../../core/compact/merger.ts";
import { type Disk, readFile } from "../../core/env/disk.ts";
import { OpenWitError } from "../../core/error.ts";
import type { SegmentMeta } from "../../core/manifest/manifest.ts";
import type { Store } from "../../core/store/store.ts";
import type { SimClock } from "./clock.ts";

export interface SimCompaction {
  /**
   * One run, after those asked for before it, as a janitor does.
   * @param cutShort aborts it at some turn
   */
  merge(cutShort: boolean): Promise<void>;
  /** Removes the files of what was merged. */
  sweep(): Promise<void>;
  /** Reads a stream twice under one pin, while a minute, sweeps and merges go by. */
  readTwice(tenant: string, clock: SimClock): Promise<void>;
}

/** Units of a few rows, so that lives as short as these have merges of merges. */
export function simCompaction(store: Store, disk: Disk): SimCompaction {
  const compactor = new Compactor(store, simMerger(disk), {
    policy: {
      gatherCount: 2,
      unitRowsMax: 30,
      unitBytesMax: 200_000,
      unitFilesMax: 4,
      closeAfterMs: 60_000,
      stableGatherCount: 2,
    },
    dutyCycle: 1,
    roomBytes: () => Infinity,
  });
  let last: Promise<unknown> = Promise.resolve();
  return {
    async merge(cutShort) {
      const abort = new AbortController();
      const run = last.then(() => compactor.run(abort.signal));
      last = run.catch(() => {}); // the awaiter below gets the error
      if (cutShort) {
        for (let turn = 0; turn < 200; turn++) await Promise.resolve();
        abort.abort(new OpenWitError("cancelled", "cut short"));
      }
      await run.catch((error) => failing(error, abort.signal));
    },
    async sweep() {
      await store.retired.sweep().catch(failing);
    },
    async readTwice(tenant, clock) {
      const { segments, release } = store.pin(tenant, "logs");
      try {
        const before = await segmentBodies(segments, disk);
        for (let turn = 0; turn < 300; turn++) await Promise.resolve();
        await clock.advance(61_000);
        await store.retired.sweep();
        const after = await segmentBodies(segments, disk);
        if (after.join() !== before.join()) throw new Error("rows changed under a reader");
      } catch (error) {
        failing(error);
      } finally {
        release();
      }
    },
  };
}

/** The bodies of all rows of these segments. */
export async function segmentBodies(
  segments: readonly Pick<SegmentMeta, "path">[],
  disk: Disk,
): Promise<string[]> {
  const bodies: string[] = [];
  for (const { path } of segments) {
    const table = tableFromIPC(readParquet(await readFile(disk, path)).intoIPCStream());
    for (const body of table.getChild("body")!) bodies.push(String(body));
  }
  return bodies;
}

/** What a failing disk may answer; a file that is gone is a bug here. */
function failing(error: unknown, abort?: AbortSignal): void {
  if (abort?.aborted && error === abort.reason) return;
  if (error instanceof OpenWitError && ["io", "disk_full", "unavailable"].includes(error.code)) return;
  throw error;
}

function simMerger(disk: Disk): SegmentMerger {
  return {
    async merge({ inputs, output, keyValues, abort }) {
      let rows: ArrowTable | undefined;
      for (const path of inputs) {
        abort.throwIfAborted();
        const input = tableFromIPC(readParquet(await readFile(disk, path)).intoIPCStream());
        rows = rows === undefined ? input : rows.concat(input);
      }
      const properties = new WriterPropertiesBuilder().setCompression(Compression.UNCOMPRESSED)
        .setKeyValueMetadata(new Map(Object.entries(keyValues))).build();
      const bytes = writeParquet(Table.fromIPCStream(tableToIPC(rows!, "stream")), properties);
      const file = await disk.open(output, "create");
      try {
        const half = bytes.length >> 1;
        await file.write(bytes.subarray(0, half), 0);
        abort.throwIfAborted();
        await file.write(bytes.subarray(half), half);
      } finally {
        await file.close();
      }
    },
  };
}
