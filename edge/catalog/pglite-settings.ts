/**
 * How PostgreSQL is started inside PGlite. Its own defaults are for a server of 128 MB of buffers, with fsync off.
 */
import { PGlite } from "@electric-sql/pglite";

const settings = {
  shared_buffers: "8MB",
  wal_buffers: "256kB",
  work_mem: "4MB",
  maintenance_work_mem: "16MB",
  // The other methods are never done: see durable-fs.ts.
  wal_sync_method: "fsync",
  fsync: "on",
  synchronous_commit: "on",
  full_page_writes: "on",
  min_wal_size: "2MB",
  max_wal_size: "4MB",
  max_connections: "5",
  jit: "off",
} as const;

/** PGlite's own, without `-F`, which turns fsync off. */
export const startParameters: string[] = [
  ...PGlite.defaultStartParams.filter((parameter) => parameter !== "-F"),
  ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
];
