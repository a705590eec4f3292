/**
 * Reads every column of every row of a segment, as a check in depth does: through DuckDB, in an instance of its own
 * that may read nothing but segments.
 */
import { join } from "node:path";
import { timeColumnOf } from "../../core/model/columns.ts";
import { quoteText } from "../../core/model/sql.ts";
import type { SegmentScan } from "../../core/verify/segment.ts";
import { fromDuckDB } from "./error.ts";
import { loadDuckDB } from "./load.ts";

export interface SegmentScanner {
  readonly scan: SegmentScan;
  close(): void;
}

/** Opens when first used. @param dataDir absolute */
export function segmentScanner(dataDir: string): SegmentScanner {
  let opened: ReturnType<typeof open> | undefined;
  return {
    async scan(path, signal) {
      opened ??= open(dataDir);
      const { connection } = await opened;
      const time = timeColumnOf[signal];
      const file = quoteText(join(dataDir, path));
      try {
        // The hash of the whole row makes every column be decoded; a checksum of values is not compared with anything.
        const reader = await connection.runAndReadAll(
          `SELECT count(*), min(epoch_ns("${time}")), max(epoch_ns("${time}")), bit_xor(hash(segment))
           FROM read_parquet([${file}], hive_partitioning = false) AS segment`,
        );
        const [rows, min, max] = reader.getRows()[0] as (bigint | null)[];
        return { rows: Number(rows), minTimeNs: min ?? 0n, maxTimeNs: max ?? 0n };
      } catch (error) {
        throw fromDuckDB(error);
      }
    },
    close() {
      void opened?.then(({ connection, instance }) => {
        connection.closeSync();
        instance.closeSync();
      });
      opened = undefined;
    },
  };
}

async function open(dataDir: string) {
  const { api } = await loadDuckDB();
  const instance = await api.DuckDBInstance.create(":memory:", {
    threads: "2",
    memory_limit: "256MiB",
    autoload_known_extensions: "false",
    autoinstall_known_extensions: "false",
  });
  const connection = await instance.connect();
  for (
    const setting of [
      `SET allowed_directories = [${quoteText(`${join(dataDir, "parquet")}/`)}]`,
      "SET temp_directory = ''",
      "SET enable_external_access = false",
      "SET lock_configuration = true",
    ]
  ) await connection.run(setting);
  return { instance, connection };
}
