/**
 * The history of one node in a relational database: batches, runs of maintenance and the lives of segments, beyond
 * what memory and manifest hold.
 *
 * It is a projection: everything in it was told by the node, or can be told again from the manifest, so it may be
 * lost at any time. Invariants: (1) `write` is idempotent: rows are upserted by their natural keys. (2) Each call is
 * one transaction, or several that can be repeated. (3) What it reads and keeps is bounded by `HistoryRetention`.
 */
import { assert, OpenWitError } from "../error.ts";
import type { SegmentMeta } from "../manifest/manifest.ts";
import type { CatalogDatabase, CatalogStatement } from "./database.ts";
import { batchesOfSegments, type HistoryRow, type HistoryTable, segmentRow } from "./rows.ts";
import { catalogSchema, migrationLock, migrations } from "./schema.ts";

export interface HistoryRetention {
  /** Age beyond which rows go: batches since they were stored, segments since they were removed. */
  readonly ageMs: number;
  /** Most rows of each table that are kept besides segments that still exist. */
  readonly rowsMax: number;
}

/** Rows as rows.ts makes them; removals are of segments. */
export type HistoryBatch = Readonly<
  Record<"batches" | "tasks" | "segments" | "removals", readonly HistoryRow[]>
>;

export class Catalog {
  #isMigrated = false;
  #renewals = 0;

  constructor(readonly database: CatalogDatabase, readonly nodeId: string) {}

  /** Writes what the node noted, once however often it is told. @throws OpenWitError */
  async write({ batches, tasks, segments, removals }: HistoryBatch): Promise<void> {
    const statements: CatalogStatement[] = [];
    const add = (sql: string, rows: readonly unknown[]) => {
      if (rows.length > 0) statements.push({ sql, params: [this.nodeId, JSON.stringify(rows)] });
    };
    add(upsertSegments, segments);
    add(removeSegments, removals);
    add(upsertBatches, batches);
    add(insertTasks, tasks);
    if (removals.length > 0) {
      const newest = removals.map(({ removed_ns }) => BigInt(String(removed_ns))).reduce((a, b) =>
        a > b ? a : b
      );
      statements.push({ sql: settleBatches, params: [this.nodeId, String(newest)] });
    }
    await this.#run(statements);
  }

  /**
   * Tells it again what the manifest holds: segments and batches that it lacks come in, segments that are gone by now
   * are marked. @throws OpenWitError
   */
  async reconcile(
    segments: readonly SegmentMeta[],
    nowNs: bigint,
    { ageMs }: HistoryRetention,
  ): Promise<void> {
    const horizonNs = nowNs - BigInt(ageMs) * 1_000_000n;
    for (let from = 0; from < segments.length; from += segmentsAtOnce) {
      const some = segments.slice(from, from + segmentsAtOnce).map((each) => segmentRow(each, nowNs));
      await this.#run([{ sql: upsertSegments, params: [this.nodeId, JSON.stringify(some)] }]);
    }
    const batches = batchesOfSegments(segments)
      .filter(({ stored_ns }) => BigInt(String(stored_ns)) > horizonNs);
    for (let from = 0; from < batches.length; from += segmentsAtOnce) {
      const some = batches.slice(from, from + segmentsAtOnce);
      await this.#run([{ sql: insertBatches, params: [this.nodeId, JSON.stringify(some)] }]);
    }
    await this.#run([
      { sql: removeUnseen, params: [this.nodeId, String(nowNs)] },
      { sql: settleBatches, params: [this.nodeId, String(nowNs)] },
    ]);
  }

  /** The newest rows that a tenant may see, oldest first; runs of maintenance are the node's. @throws OpenWitError */
  async read(table: HistoryTable, tenant: string, rowsMax: number): Promise<HistoryRow[]> {
    const { where, order } = reads[table];
    const newestFirst = order.map((column) => `${column} DESC`).join(", ");
    const [rows] = await this.#run([{
      sql: `SELECT coalesce(json_agg(r ORDER BY ${order.join(", ")}), '[]')::text FROM (
              SELECT * FROM openwit.${table} WHERE node_id = $1 AND ${where} ORDER BY ${newestFirst}
              LIMIT $3::text::bigint
            ) AS r`,
      params: [this.nodeId, tenant, String(rowsMax)],
    }]);
    return parseRows(rows);
  }

  /** Removes what is older, or more, than is to be kept. Returns how many rows went. @throws OpenWitError */
  async prune(nowNs: bigint, { ageMs, rowsMax }: HistoryRetention): Promise<number> {
    const horizonNs = nowNs - BigInt(ageMs) * 1_000_000n;
    const params = [this.nodeId, String(horizonNs), String(rowsMax)];
    const counts = await this.#run(
      Object.entries(prunes).map(([table, age]) => ({ sql: pruneSql(table, age), params })),
    );
    const rows = counts.reduce((sum, count) => sum + Number(count ?? 0), 0);
    if (rows > 0) await this.database.maintain();
    return rows;
  }

  /** As the database says it, migrations run; for people and tests. @throws OpenWitError */
  async version(): Promise<number> {
    const [version] = await this.#run([{ sql: currentVersion }]);
    return Number(version);
  }

  /** Migrates first where that has not been done, or where the database was begun anew since. */
  async #run(statements: readonly CatalogStatement[]): Promise<readonly (string | undefined)[]> {
    if (!this.#isMigrated || this.#renewals !== this.database.timesRenewed) {
      await this.#migrate();
      this.#renewals = this.database.timesRenewed;
      this.#isMigrated = true;
    }
    try {
      const results = await this.database.run(statements);
      if (this.#renewals === this.database.timesRenewed) return results;
    } catch (error) {
      if (this.#renewals === this.database.timesRenewed) throw error;
    }
    throw new OpenWitError("unavailable", "the catalog was begun anew in between");
  }

  async #migrate(): Promise<void> {
    const isThere = async () => (await this.database.run([{ sql: migrationTable }]))[0] !== undefined;
    if (!await isThere()) await this.#unlessDone(firstStatements, isThere);
    const [found] = await this.database.run([{ sql: currentVersion }]);
    const version = Number(found);
    assert(Number.isInteger(version), "the catalog has a version");
    if (version > migrations.length) {
      throw new OpenWitError(
        "unsupported",
        `the catalog has schema version ${version}, this build knows ${migrations.length}`,
        { hint: "a newer OpenWit wrote it: upgrade, or give this one another metastore" },
      );
    }
    for (let next = version + 1; next <= migrations.length; next++) {
      const isDone = async () => Number((await this.database.run([{ sql: currentVersion }]))[0]) >= next;
      await this.#unlessDone(migrationTo(next), isDone);
    }
  }

  /** Another node may be first: then they fail, and change nothing. */
  async #unlessDone(statements: readonly CatalogStatement[], isDone: () => Promise<boolean>): Promise<void> {
    try {
      await this.database.run(statements);
    } catch (error) {
      if (!await isDone()) throw error;
    }
  }
}

const segmentsAtOnce = 500;

const migrationTable = "SELECT to_regclass('openwit.catalog_migration')::text";
const currentVersion = "SELECT coalesce(max(version), 0)::text FROM openwit.catalog_migration";

/** Nodes that start at once wait for each other. */
const lock: CatalogStatement = { sql: `SELECT pg_advisory_xact_lock(${migrationLock})::text` };

const firstStatements: readonly CatalogStatement[] = [
  lock,
  { sql: `CREATE SCHEMA IF NOT EXISTS ${catalogSchema}` },
  {
    sql: `CREATE TABLE IF NOT EXISTS openwit.catalog_migration (
            version integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now()
          )`,
  },
];

function migrationTo(version: number): readonly CatalogStatement[] {
  return [
    lock,
    { sql: `INSERT INTO openwit.catalog_migration (version) VALUES (${version})` },
    ...migrations[version - 1].map((sql) => ({ sql })),
  ];
}

const batchColumns =
  "tenant text, signal text, lsn_from bigint, lsn_to bigint, rows bigint, bytes bigint, segments integer, " +
  "received_ns bigint, ingested_ns bigint, stored_ns bigint, evicted_ns bigint, retries integer, error text";
const segmentColumns =
  "id text, tenant text, signal text, level integer, path text, rows bigint, bytes bigint, min_time_ns bigint, " +
  "max_time_ns bigint, min_ingest_ns bigint, max_ingest_ns bigint, lsn_from bigint, lsn_to bigint, " +
  "removed_ns bigint, removed_by text, replaced_by text[], seen_ns bigint";
const taskColumns =
  "task text, started_ns bigint, duration_ms double precision, outcome text, did text, error text";

/** Rows from the JSON in `$2`, for the node in `$1`. */
function insert(table: HistoryTable, columns: string, onConflict: string): string {
  const names = columns.split(", ").map((column) => column.slice(0, column.indexOf(" "))).join(", ");
  return `INSERT INTO openwit.${table} (node_id, ${names})
          SELECT $1, ${names} FROM json_to_recordset($2::text::json) AS r(${columns}) ${onConflict}`;
}

const batchKey = "ON CONFLICT (node_id, tenant, signal, lsn_to)";
const upsertBatches = insert(
  "batch_history",
  batchColumns,
  `${batchKey} DO UPDATE SET lsn_from = excluded.lsn_from, rows = excluded.rows, bytes = excluded.bytes,
     segments = excluded.segments, received_ns = excluded.received_ns, ingested_ns = excluded.ingested_ns,
     stored_ns = excluded.stored_ns, evicted_ns = coalesce(excluded.evicted_ns, batch_history.evicted_ns),
     retries = excluded.retries, error = excluded.error`,
);
/** Of a batch that is known the manifest has nothing to add. */
const insertBatches = insert("batch_history", batchColumns, `${batchKey} DO NOTHING`);
const insertTasks = insert("task_history", taskColumns, "ON CONFLICT (node_id, task, started_ns) DO NOTHING");
/** A segment never changes; one that was thought gone may be back, with a manifest that was rebuilt. */
const upsertSegments = insert(
  "segment_history",
  segmentColumns,
  `ON CONFLICT (node_id, id) DO UPDATE SET seen_ns = excluded.seen_ns, removed_ns = NULL, removed_by = NULL,
     replaced_by = NULL`,
);

const removeSegments = `UPDATE openwit.segment_history AS s
  SET removed_ns = r.removed_ns, removed_by = r.removed_by, replaced_by = r.replaced_by
  FROM json_to_recordset($2::text::json) AS r(id text, removed_ns bigint, removed_by text, replaced_by text[])
  WHERE s.node_id = $1 AND s.id = r.id`;

const removeUnseen = `UPDATE openwit.segment_history SET removed_ns = $2::text::bigint, removed_by = 'unknown'
  WHERE node_id = $1 AND removed_ns IS NULL AND seen_ns <> $2::text::bigint`;

/**
 * A batch whose last segment is gone was evicted then, whoever still knew it in memory. Segments of merges span the
 * requests of all their inputs, so a batch may be held to be there for longer than it is, never shorter.
 *
 * One pass over batches and segments by LSN: a batch is there when a segment that begins before its end reaches its
 * beginning. (Asked batch by batch, 50,000 of them with as many segments took more than ten minutes; so, two seconds on
 * a busy machine.)
 */
const settleBatches = `WITH marks AS (
    SELECT tenant, signal, lsn_from AS at, 0 AS is_batch, lsn_to AS reach, 0 AS lsn_from
    FROM openwit.segment_history WHERE node_id = $1 AND removed_ns IS NULL
    UNION ALL
    SELECT tenant, signal, lsn_to, 1, NULL, lsn_from
    FROM openwit.batch_history WHERE node_id = $1 AND evicted_ns IS NULL
  ), reached AS (
    SELECT *, max(reach) OVER (
      PARTITION BY tenant, signal ORDER BY at, is_batch ROWS UNBOUNDED PRECEDING
    ) AS until FROM marks
  )
  UPDATE openwit.batch_history AS b SET evicted_ns = $2::text::bigint FROM reached AS r
  WHERE r.is_batch = 1 AND coalesce(r.until < r.lsn_from, true)
    AND b.node_id = $1 AND b.tenant = r.tenant AND b.signal = r.signal AND b.lsn_to = r.at`;

/** What a tenant sees of a table, and by what its rows are ordered: segments by the time of their making. */
const reads: Readonly<Record<HistoryTable, { where: string; order: readonly string[] }>> = {
  batch_history: { where: "tenant = $2", order: ["stored_ns", "signal", "lsn_to"] },
  task_history: { where: "$2::text IS NOT NULL", order: ["started_ns", "task"] },
  segment_history: { where: "tenant = $2", order: ["id"] },
};

/** The time by which rows of a table age; NULL for what is not to go. */
const prunes: Readonly<Record<HistoryTable, string>> = {
  batch_history: "stored_ns",
  task_history: "started_ns",
  segment_history: "removed_ns",
};

function pruneSql(table: string, age: string): string {
  return `WITH gone AS (
    DELETE FROM openwit.${table} WHERE node_id = $1 AND (
      ${age} < $2::text::bigint OR ${age} < (
        SELECT min(kept.t) FROM (
          SELECT ${age} AS t FROM openwit.${table} WHERE node_id = $1 AND ${age} IS NOT NULL
          ORDER BY ${age} DESC LIMIT $3::text::bigint
        ) AS kept
      )
    ) RETURNING 1
  ) SELECT count(*)::text FROM gone`;
}

function parseRows(text: string | undefined): HistoryRow[] {
  // 64-bit numbers lose digits in JSON.parse: they become text before.
  return JSON.parse((text ?? "[]").replaceAll(/("\w+_ns":)(-?\d+)/g, '$1"$2"'));
}
