/**
 * The tables of schema `system`: what the node knows of itself, answered from the manifest and memory and not from
 * files; history beyond them is the catalog's (core/catalog/history.ts). A tenant sees its own rows; tasks of maintenance are the node's, flushes the tenant's.
 */
import { historyColumns } from "../catalog/history.ts";
import { historyTables } from "../catalog/rows.ts";
import { assert } from "../error.ts";
import type { TaskRun } from "../janitor/janitor.ts";
import type { SegmentMeta } from "../manifest/manifest.ts";
import type { MemtableChunk } from "../memtable/memtable.ts";
import { columnIndex, type Signal, signals } from "../model/columns.ts";
import { segmentMadeAtNs } from "../segment/path.ts";
import type { Store } from "../store/store.ts";
import type { BatchRecord } from "./batches.ts";
import { fencedWords } from "./fence.ts";

export type SystemType = "VARCHAR" | "BIGINT" | "DOUBLE" | "BOOLEAN" | "TIMESTAMP_NS" | "VARCHAR[]";

export interface SystemColumn {
  readonly name: string;
  readonly type: SystemType;
  readonly doc: string;
}

/** Times as nanoseconds since 1970; `undefined` is NULL. */
export type SystemValue = string | number | bigint | boolean | readonly string[] | undefined;

/** One row: values by column name. */
export type SystemRow = Readonly<Record<string, SystemValue>>;

export interface SystemTable {
  readonly name: SystemTableName;
  readonly rows: readonly SystemRow[];
}

/** Those that answer from the manifest and memory. */
const currentTableNames = ["segments", "tenants", "tasks", "batches"] as const;
export type CurrentTable = (typeof currentTableNames)[number];

export const systemTableNames = [...currentTableNames, ...historyTables] as const;
export type SystemTableName = (typeof systemTableNames)[number];

export function isSystemTable(name: string): name is SystemTableName {
  return (systemTableNames as readonly string[]).includes(name);
}

const text = (name: string, doc: string): SystemColumn => ({ name, type: "VARCHAR", doc });
const integer = (name: string, doc: string): SystemColumn => ({ name, type: "BIGINT", doc });
const time = (name: string, doc: string): SystemColumn => ({ name, type: "TIMESTAMP_NS", doc });
const flag = (name: string, doc: string): SystemColumn => ({ name, type: "BOOLEAN", doc });

export const systemColumns: Readonly<Record<SystemTableName, readonly SystemColumn[]>> = {
  ...historyColumns,
  segments: [
    text("id", "Of the segment; ids sort by time of making."),
    text("tenant", "Whose it is."),
    text("signal", "logs, spans or metrics."),
    integer("level", "0 as flushed, 1 and 2 merged."),
    text("path", "Within the data folder."),
    integer("rows", "Rows."),
    integer("bytes", "Bytes of the file."),
    time("min_timestamp", "Least time of its rows."),
    time("max_timestamp", "Greatest time of its rows."),
    time("min_ingest_timestamp", "When the first of them came."),
    time("max_ingest_timestamp", "When the last of them came."),
    time("hour", "The hour of its rows; of the earliest ingest when late."),
    flag("late", "Whether the hour was long over when the rows came."),
    integer("lsn_from", "First request with rows in it; 0 when it was imported."),
    integer("lsn_to", "Last request with rows in it."),
    text("origin", "Node that it was imported from; NULL when its rows came to this one."),
    integer("schema_version", "Version of its columns."),
    { name: "replaces", type: "VARCHAR[]", doc: "Ids of the segments whose rows it took over." },
    integer(
      "evicted_severity",
      "Log records of severities from 1 to this were evicted from it; NULL when none were.",
    ),
    text("damage", "Why it is left out of answers; NULL when it is not."),
  ],
  tenants: [
    text("tenant", "Name."),
    integer("logs", "Rows of logs, in memory and in segments."),
    integer("spans", "Rows of spans."),
    integer("metrics", "Rows of metrics."),
    integer("memory_rows", "Rows that are not yet in segments."),
    integer("memory_bytes", "Bytes of them in memory."),
    integer("segments", "Segments."),
    integer("segment_bytes", "Bytes of the segments."),
    time("oldest", "Least time of any row in a segment."),
    time("newest", "Greatest time of any row in a segment."),
  ],
  tasks: [
    text("task", "Name of the task of maintenance."),
    time("started", "When the run began."),
    { name: "duration_ms", type: "DOUBLE", doc: "How long it took." },
    text("outcome", "done, failed or aborted."),
    text("did", "What it did, in words."),
    text("error", "Why it failed; NULL when it did not."),
  ],
  batches: [
    text("tenant", "Whose rows they are."),
    text("signal", "logs, spans or metrics."),
    text("stage", "The last stage that was reached: ingested, stored, indexed or evicted."),
    integer("lsn_from", "First request."),
    integer("lsn_to", "Last request."),
    integer("rows", "Rows."),
    integer("bytes", "Bytes of its segments; in memory, of its rows there."),
    integer("segments", "Segments that it was flushed to."),
    time("received", "The first of its requests came."),
    time("wal_written", "The last of its requests was durable in the WAL."),
    time("ingested", "The last of its rows was visible to queries: the moment it was durable."),
    time("stored", "Its segments were durable and in the manifest."),
    time("indexed", "The last of its segments had an index, which a merge writes."),
    time("uploaded", "NULL: nothing is uploaded yet."),
    time("evicted", "The last of its rows was removed."),
    integer("retries", "Flushes of it that failed."),
    text("error", "Why the last of them failed."),
    flag("stuck", "Whether it should have been stored long ago; it is tried again every second."),
  ],
};

export interface SystemSource {
  readonly store: Store;
  /** Runs of maintenance, oldest first. */
  readonly taskRuns: readonly TaskRun[];
}

/** The rows that a tenant sees of a table, now; one synchronous turn. */
export function systemTable(name: CurrentTable, source: SystemSource, tenant: string): SystemTable {
  return { name, rows: rowsOf[name](source, tenant) };
}

/** A batch counts as stuck when its oldest row is this many flush ages old. */
const stuckFactor = 3;

const rowsOf: Readonly<Record<CurrentTable, (source: SystemSource, tenant: string) => SystemRow[]>> = {
  segments: ({ store }, tenant) => segmentsOf(store, tenant).map((segment) => segmentRow(store, segment)),
  tenants: ({ store }, tenant) => [tenantRow(store, tenant)],
  tasks: ({ store, taskRuns }, tenant) =>
    [...taskRuns.map((run) => taskRow(run, tenant)), ...store.batches.of(tenant).map(flushRow)]
      .sort((a, b) => Number(BigInt(a.started as bigint) - BigInt(b.started as bigint))),
  batches: ({ store }, tenant) => {
    const known = store.batches.of(tenant);
    return [
      ...earlierBatches(store, tenant, known),
      ...known.map(batchRow),
      ...openBatches(store, tenant),
    ];
  },
};

function segmentsOf(store: Store, tenant: string): SegmentMeta[] {
  return signals.flatMap((signal) => store.manifest.segmentsOf(tenant, signal));
}

function segmentRow(store: Store, segment: SegmentMeta): SystemRow {
  const { minTimeNs, maxTimeNs, minIngestNs, maxIngestNs, lsnFrom, lsnTo, schemaVersion, hour, ...others } =
    segment;
  const { origin, evictedSeverity, ...rest } = others;
  return {
    ...rest,
    min_timestamp: minTimeNs,
    max_timestamp: maxTimeNs,
    min_ingest_timestamp: minIngestNs,
    max_ingest_timestamp: maxIngestNs,
    hour: BigInt(hour) * 3_600_000_000_000n,
    lsn_from: lsnFrom,
    lsn_to: lsnTo,
    origin: origin?.nodeId,
    schema_version: schemaVersion,
    evicted_severity: evictedSeverity,
    damage: store.damaged.get(segment.id),
  };
}

function tenantRow(store: Store, tenant: string): SystemRow {
  const segments = segmentsOf(store, tenant);
  const memtables = store.memtablesOf(tenant);
  const sum = (values: readonly number[]) => values.reduce((total, each) => total + each, 0);
  const rows = (signal: Signal) =>
    sum([...segments, ...memtables].filter((each) => each.signal === signal).map((each) => each.rows));
  return {
    tenant,
    logs: rows("logs"),
    spans: rows("spans"),
    metrics: rows("metrics"),
    memory_rows: sum(memtables.map((each) => each.rows)),
    memory_bytes: sum(memtables.map((each) => each.usedBytes)),
    segments: segments.length,
    segment_bytes: sum(segments.map(({ bytes }) => bytes)),
    oldest: least(segments.map(({ minTimeNs }) => minTimeNs)),
    newest: greatest(segments.map(({ maxTimeNs }) => maxTimeNs)),
  };
}

function taskRow({ task, startedNs, durationMs, outcome, did, error }: TaskRun, tenant: string): SystemRow {
  return {
    task,
    started: startedNs,
    duration_ms: durationMs,
    outcome,
    did: fencedWords(did, tenant),
    error: fencedWords(error?.message, tenant),
  };
}

function flushRow({ ingestedNs, storedNs, rows, segments, signal }: BatchRecord): SystemRow {
  return {
    task: "flush",
    started: ingestedNs,
    duration_ms: Number(storedNs - ingestedNs) / 1e6,
    outcome: "done",
    did: `${rows} ${signal} into ${segments} segments`,
  };
}

function batchRow(record: BatchRecord): SystemRow {
  const { lsnFrom, lsnTo, receivedNs, ingestedNs, storedNs, indexedNs, evictedNs, ...rest } = record;
  return {
    ...rest,
    stage: evictedNs !== undefined ? "evicted" : indexedNs !== undefined ? "indexed" : "stored",
    lsn_from: lsnFrom,
    lsn_to: lsnTo,
    received: receivedNs,
    wal_written: ingestedNs,
    ingested: ingestedNs,
    stored: storedNs,
    indexed: indexedNs,
    evicted: evictedNs,
    stuck: false,
  };
}

/** Batches of before this process, as far as segments are left of them: those of one flush share its requests. */
function earlierBatches(store: Store, tenant: string, known: readonly BatchRecord[]): SystemRow[] {
  const since = new Map<Signal, number>();
  for (const { signal, lsnFrom } of known) {
    since.set(signal, Math.min(lsnFrom, since.get(signal) ?? Infinity));
  }
  const groups = new Map<string, SegmentMeta[]>();
  for (const segment of segmentsOf(store, tenant)) {
    if (segment.origin !== undefined) continue; // its batches were another node's
    if (segment.lsnTo >= (since.get(segment.signal) ?? Infinity)) continue;
    const key = `${segment.signal}/${segment.lsnFrom}/${segment.lsnTo}`;
    groups.set(key, [...groups.get(key) ?? [], segment]);
  }
  return [...groups.values()].map((segments) => ({
    tenant,
    signal: segments[0].signal,
    stage: "stored",
    lsn_from: segments[0].lsnFrom,
    lsn_to: segments[0].lsnTo,
    rows: segments.reduce((sum, { rows }) => sum + rows, 0),
    bytes: segments.reduce((sum, { bytes }) => sum + bytes, 0),
    segments: segments.length,
    received: least(segments.map(({ minIngestNs }) => minIngestNs)),
    stored: greatest(segments.flatMap(({ id }) => segmentMadeAtNs(id) ?? [])),
    retries: 0,
    stuck: false,
  }));
}

/** What is in memory: a batch to be. */
function openBatches(store: Store, tenant: string): SystemRow[] {
  const { clock } = store.env;
  const nowMs = clock.monotonicMs();
  const nowNs = clock.nowNs();
  const wall = (ms: number) => nowNs - BigInt(Math.round((nowMs - ms) * 1e6));
  return store.memtablesOf(tenant).map((memtable) => {
    const chunks = memtable.chunks.filter(({ rows }) => rows > 0);
    const oldestMs = memtable.oldestMs ?? nowMs;
    const settled = wall(Math.max(...chunks.map(({ settledMs }) => settledMs)));
    const trouble = store.batches.trouble(tenant, memtable.signal);
    return {
      tenant,
      signal: memtable.signal,
      stage: "ingested",
      lsn_from: Math.min(...chunks.map(({ firstLsn }) => firstLsn)),
      lsn_to: Math.max(...chunks.map(({ lastLsn }) => lastLsn)),
      rows: memtable.rows,
      bytes: memtable.usedBytes,
      received: firstIngestNs(chunks[0]),
      wal_written: settled,
      ingested: settled,
      retries: trouble?.failures ?? 0,
      error: trouble?.error.message,
      stuck: nowMs - oldestMs > store.options.flushAgeMs * stuckFactor,
    };
  });
}

/** Rows of a chunk stand in the order in which their requests came. */
function firstIngestNs({ chunk }: MemtableChunk): bigint {
  const vector = chunk.vectors[columnIndex(chunk.signal, "ingest_timestamp")];
  assert(vector.kind === "fixed", "ingest times are of fixed width");
  return vector.bigints(1)[0];
}

function least(times: readonly bigint[]): bigint | undefined {
  return times.length === 0 ? undefined : times.reduce((a, b) => a < b ? a : b);
}

function greatest(times: readonly bigint[]): bigint | undefined {
  return times.length === 0 ? undefined : times.reduce((a, b) => a > b ? a : b);
}
