/** Imports into a store with what the world gives: the engine that reads segments, and the room that there is. */
import {
  type ImportEnv,
  Importer,
  type ImportOptions,
  type ImportReport,
} from "../../core/archive/import.ts";
import type { Store } from "../../core/store/store.ts";
import { type ScannerOptions, segmentScanner } from "../duckdb/scan.ts";

export interface ArchiveImporter {
  /** @throws OpenWitError as `Importer.run` */
  run(source: AsyncIterable<Uint8Array>, options: ImportOptions): Promise<ImportReport>;
}

export interface ImporterOptions extends Pick<ImportEnv, "roomBytes" | "exclusively"> {
  /** Absolute path. */
  readonly dataDir: string;
  readonly scanning?: ScannerOptions;
}

export function importerOf(store: Store, options: ImporterOptions): ArchiveImporter {
  const { dataDir, scanning, roomBytes, exclusively } = options;
  const scanner = segmentScanner(dataDir, scanning);
  const { scan, rowsInCommon } = scanner;
  const importer = new Importer(store, { scan, rowsInCommon, roomBytes, exclusively });
  return {
    async run(source, options) {
      try {
        return await importer.run(source, options);
      } finally {
        if (!importer.isBusy) scanner.close(); // one that was refused must not close it under the other
      }
    },
  };
}

/** In words, for the list of tasks. */
export function describeImport({ added, alreadyHere, leftOut, replaced, dryRun }: ImportReport): string {
  const rows = added.reduce((sum, segment) => sum + segment.rows, 0);
  return [
    `${added.length} segments of ${rows} rows ${dryRun ? "would be added" : "added"}`,
    ...(replaced.length === 0 ? [] : [`${replaced.length} of before replaced`]),
    ...(alreadyHere.length === 0 ? [] : [`${alreadyHere.length} here already`]),
    ...(leftOut.length === 0 ? [] : [`${leftOut.length} left out`]),
  ].join(", ");
}
