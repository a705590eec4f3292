/**
 * The catalog's SQL schema, one for PGlite and PostgreSQL 15 and later: migrations, forward only. What has been
 * released is never edited; a change is a further migration. Times are nanoseconds since 1970 UTC.
 *
 * Rows are keyed by what they are of, and by the node: writing one again changes nothing, and the nodes of a fleet
 * share one database.
 */
export const catalogSchema = "openwit";

/** Statements of each version, from 1. */
export const migrations: readonly (readonly string[])[] = [
  [
    `CREATE TABLE openwit.batch_history (
       node_id text NOT NULL,
       tenant text NOT NULL,
       signal text NOT NULL,
       lsn_from bigint NOT NULL,
       lsn_to bigint NOT NULL,
       rows bigint NOT NULL,
       bytes bigint NOT NULL,
       segments integer NOT NULL,
       received_ns bigint NOT NULL,
       ingested_ns bigint,
       stored_ns bigint NOT NULL,
       evicted_ns bigint,
       retries integer,
       error text,
       PRIMARY KEY (node_id, tenant, signal, lsn_to)
     )`,
    `CREATE INDEX batch_history_stored ON openwit.batch_history (node_id, stored_ns)`,
    `CREATE INDEX batch_history_live ON openwit.batch_history (node_id) WHERE evicted_ns IS NULL`,
    `CREATE TABLE openwit.task_history (
       node_id text NOT NULL,
       task text NOT NULL,
       started_ns bigint NOT NULL,
       duration_ms double precision NOT NULL,
       outcome text NOT NULL,
       did text NOT NULL,
       error text,
       PRIMARY KEY (node_id, task, started_ns)
     )`,
    `CREATE INDEX task_history_started ON openwit.task_history (node_id, started_ns)`,
    `CREATE TABLE openwit.segment_history (
       node_id text NOT NULL,
       id text NOT NULL,
       tenant text NOT NULL,
       signal text NOT NULL,
       level integer NOT NULL,
       path text NOT NULL,
       rows bigint NOT NULL,
       bytes bigint NOT NULL,
       min_time_ns bigint NOT NULL,
       max_time_ns bigint NOT NULL,
       min_ingest_ns bigint NOT NULL,
       max_ingest_ns bigint NOT NULL,
       lsn_from bigint NOT NULL,
       lsn_to bigint NOT NULL,
       removed_ns bigint,
       removed_by text,
       replaced_by text[],
       seen_ns bigint NOT NULL,
       PRIMARY KEY (node_id, id)
     )`,
    `CREATE INDEX segment_history_removed ON openwit.segment_history (node_id, removed_ns)`,
    `CREATE INDEX segment_history_live ON openwit.segment_history (node_id) WHERE removed_ns IS NULL`,
  ],
];

/** Any constant does; it only has to be the same in every node that may migrate at once. */
export const migrationLock = "7091284419";
