/**
 * Reads every column of every row of a segment, as a check in depth does, and compares the rows of segments: through
 * DuckDB, in an instance of its own that may read nothing but segments.
 */
import { join } from "node:path";
import type { RowsInCommon } from "../../core/archive/reconcile.ts";
import { timeColumnOf } from "../../core/model/columns.ts";
import { quoteText, typedSelectList } from "../../core/model/sql.ts";
import type { SegmentScan } from "../../core/verify/segment.ts";
import { fromDuckDB } from "./error.ts";
import { loadDuckDB } from "./load.ts";

export interface SegmentScanner {
  readonly scan: SegmentScan;
  readonly rowsInCommon: RowsInCommon;
  /** What is asked afterwards opens it again. */
  close(): void;
}

export interface ScannerOptions {
  readonly threads: number;
  readonly memoryBytes: number;
}

const alone: ScannerOptions = { threads: 2, memoryBytes: 256 * 1024 * 1024 };

/** Opens when first used. @param dataDir absolute */
export function segmentScanner(dataDir: string, options: ScannerOptions = alone): SegmentScanner {
  let opened: ReturnType<typeof open> | undefined;
  return {
    async scan(path, signal) {
      opened ??= open(dataDir, options);
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
    async rowsInCommon(signal, some, others) {
      opened ??= open(dataDir, options);
      const { connection } = await opened;
      // A row is its hash of 64 bits: of a million rows two differ and agree in it once in ten million comparisons.
      const counted = (paths: readonly string[]) => {
        const files = paths.map((path) => quoteText(join(dataDir, path))).join(", ");
        return `(SELECT hash(segment) AS row, count(*) AS times FROM (SELECT ${typedSelectList(signal)} ` +
          `FROM read_parquet([${files}], hive_partitioning = false)) AS segment GROUP BY 1)`;
      };
      try {
        const reader = await connection.runAndReadAll(
          `SELECT CAST(coalesce(sum(least(a.times, b.times)), 0) AS BIGINT)
           FROM ${counted(some)} AS a JOIN ${counted(others)} AS b USING (row)`,
        );
        return Number(reader.getRows()[0][0]);
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

async function open(dataDir: string, { threads, memoryBytes }: ScannerOptions) {
  const { api } = await loadDuckDB();
  const instance = await api.DuckDBInstance.create(":memory:", {
    threads: String(threads),
    memory_limit: `${Math.floor(memoryBytes / 1024)}KiB`,
    autoload_known_extensions: "false",
    autoinstall_known_extensions: "false",
  });
  const connection = await instance.connect();
  for (
    const setting of [
      `SET allowed_directories = [${quoteText(`${join(dataDir, "parquet")}/`)}]`,
      "SET temp_directory = ''",
      "SET enable_external_file_cache = false",
      "SET enable_external_access = false",
      "SET lock_configuration = true",
    ]
  ) await connection.run(setting);
  return { instance, connection };
}
