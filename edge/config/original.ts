/**
 * Keys of the original OpenWit's unified YAML, and where what they set is set here: a file that was written for it is
 * not taken as it is (its keys say units in their names, and much of what they tune does not exist here), but each of
 * its keys that is refused names ours.
 */
import type { ConfigKeyName } from "./keys.ts";

interface OriginalKey {
  /** Ours, where there is one. */
  readonly ours?: ConfigKeyName;
  /** What to know of it, when that is not all. */
  readonly note?: string;
}

const always = "it is always so: nothing is acknowledged before it is in the WAL";
const oneNode = "one process does all of it: there are no other nodes to be named";
const byItself = "it is found by itself, from the machine and memory.limit";
const noBucket = "data is on the box's own disk";
const noSource = "OTLP over gRPC and HTTP is what is taken, and both are always on";

/** By dotted key; a key stands for all that lies under it, the longest one first. */
export const originalKeys: Readonly<Record<string, OriginalKey>> = {
  "environment": { note: "--environment or OPENWIT_ENVIRONMENT chooses an overlay file" },
  "deployment": { note: oneNode },
  "control_plane.grpc_endpoint": { note: oneNode },
  "ingestion.sources": { note: noSource },
  "ingestion.kafka": { note: noSource },
  "ingestion.kafka.commit_strategy": { note: always },
  "ingestion.batch_tracker": { ours: "metastore.url", note: "the history of batches is the metastore's" },
  "ingestion.batch_tracker.postgres_url": { ours: "metastore.url", note: "with metastore.kind: postgres" },
  "ingestion.batch_tracker.wal_directory": {
    ours: "storage.data_dir",
    note: "the WAL lies in its folder wal/",
  },
  "ingestion.batch_tracker.batch_config.max_size_bytes": { ours: "processing.flush_size" },
  "ingestion.batch_tracker.batch_config.max_age_seconds": { ours: "processing.flush_age" },
  "ingestion.batch_tracker.batch_config": {
    note: "a request is acknowledged as it comes, and rows are flushed by age and size",
  },
  "ingestion.performance": { note: byItself },
  "ingestion.batch_processing": { note: "a request is acknowledged as it comes: nothing is gathered before" },
  "ingestion.telemetry_type": { note: "logs, traces and metrics are all taken" },
  "ingestion.grpc": { note: byItself },
  "ingestion.grpc.tls": { note: "there is no TLS: let a proxy speak it, or keep the port on 127.0.0.1" },
  "ingestion.grpc.otlp_traces_enabled": { note: noSource },
  "ingestion.grpc.otlp_metrics_enabled": { note: noSource },
  "ingestion.grpc.otlp_logs_enabled": { note: noSource },
  "ingestion.grpc.bind": { ours: "networking.otlp_grpc" },
  "ingestion.grpc.port": { ours: "networking.otlp_grpc" },
  "ingestion.grpc.bind_addr": { ours: "networking.otlp_grpc" },
  "ingestion.grpc.max_message_size": { ours: "ingestion.body_max" },
  "ingestion.grpc.max_receive_message_size_mb": { ours: "ingestion.body_max" },
  "ingestion.http": { note: byItself },
  "ingestion.http.bind": { ours: "networking.otlp_http" },
  "ingestion.http.port": { ours: "networking.otlp_http" },
  "ingestion.http.max_payload_size_mb": { ours: "ingestion.body_max" },
  "ingestion.otlp_batching": { note: "a request is acknowledged as it comes: nothing is gathered before" },
  "ingestion.otlp_batching.flush_interval_secs": { ours: "processing.flush_age" },
  "ingestion.otlp_batching.max_batch_bytes": { ours: "processing.flush_size" },
  "storage.backend": { note: noBucket },
  "storage.azure": { note: noBucket },
  "storage.s3": { note: noBucket },
  "storage.gcs": { note: noBucket },
  "storage.parquet": { note: "zstd, with statistics, in row groups of two blocks: docs/schema.md" },
  "storage.parquet_split_size_mb": {
    note: "a segment holds one hour of one tenant and signal, and 983,040 rows at most",
  },
  "storage.partitioning": { note: "folders are tenant, year, month and day" },
  "storage.performance": { note: byItself },
  "storage.write_buffer": { ours: "processing.flush_size", note: "and processing.flush_age" },
  "storage.local": { ours: "storage.data_dir" },
  "storage.local.path": { ours: "storage.data_dir" },
  "storage.local.max_disk_usage_percent": { ours: "storage.budget", note: "as in 80%" },
  "storage.write_buffer.flush_interval_secs": { ours: "processing.flush_age" },
  "storage.write_buffer.max_memory_mb": { ours: "processing.flush_size" },
  "storage.file_rotation": { note: "a file holds one hour, and is merged when that is over" },
  "storage.file_rotation.file_duration_minutes": {
    ours: "processing.compaction_interval",
    note: "a file holds one hour; this is how often files are looked at",
  },
  "storage.local_retention": { ours: "storage.retention" },
  "storage.local_retention.retention_days": { ours: "storage.retention", note: "as in 7d" },
  "storage_node": { note: oneNode },
  "networking.service_endpoints": { note: oneNode },
  "networking.inter_node": { note: oneNode },
  "memory.max_memory_gb": { ours: "memory.limit", note: "as in 2GiB" },
  "metastore.backend": { ours: "metastore.kind", note: "none, pglite or postgres" },
  "metastore.sled": { ours: "metastore.kind", note: "pglite keeps the history on the box" },
  "metastore.postgres.connection_string": { ours: "metastore.url" },
  "metastore.postgres": { ours: "metastore.url" },
  "indexing": { note: "every merged segment is indexed, by the janitor" },
  "search.enabled": { note: "it always is" },
  "search.max_results": { ours: "search.rows_max" },
  "janitor.cleanup_interval_seconds": { note: "the janitor looks once a minute" },
  "janitor.retention_days": { ours: "storage.retention", note: "as in 30d" },
  "development": { note: "there is nothing to be set for it" },
  "performance_testing": { note: "openwit bench measures a box" },
  "service_ports": { note: oneNode },
  "service_ports.ingestion.grpc": { ours: "networking.otlp_grpc" },
  "service_ports.ingestion.http": { ours: "networking.otlp_http" },
  "service_ports.search": { ours: "networking.http" },
  "service_ports.control_plane": { ours: "networking.http" },
};

/** What to say of a key that is not ours, when it is the original's; `undefined` when it is nobody's. */
export function hintOfOriginal(key: string): string | undefined {
  for (let at = key;; at = at.slice(0, at.lastIndexOf("."))) {
    if (Object.hasOwn(originalKeys, at)) {
      const { ours, note } = originalKeys[at];
      if (ours === undefined) return note!;
      return `here it is ${ours}${note === undefined ? "" : `; ${note}`}`;
    }
    if (!at.includes(".")) return undefined;
  }
}
