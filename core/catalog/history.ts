/** The tables of schema `system` that answer from the catalog: history beyond what memory and manifest hold. */
import { segmentMadeAtNs } from "../segment/path.ts";
import { fencedWords } from "../system/fence.ts";
import type { SystemColumn, SystemRow, SystemTable, SystemValue } from "../system/tables.ts";
import { type HistoryRow, type HistoryTable, historyTables } from "./rows.ts";

export function isHistoryTable(name: string): name is HistoryTable {
  return (historyTables as readonly string[]).includes(name);
}

const text = (name: string, doc: string): SystemColumn => ({ name, type: "VARCHAR", doc });
const integer = (name: string, doc: string): SystemColumn => ({ name, type: "BIGINT", doc });
const time = (name: string, doc: string): SystemColumn => ({ name, type: "TIMESTAMP_NS", doc });

const node = text("node_id", "Whose history it is: this node's.");

export const historyColumns: Readonly<Record<HistoryTable, readonly SystemColumn[]>> = {
  batch_history: [
    node,
    text("tenant", "Whose rows they were."),
    text("signal", "logs, spans or metrics."),
    text("stage", "The last stage that was reached: stored or evicted."),
    integer("lsn_from", "First request."),
    integer("lsn_to", "Last request."),
    integer("rows", "Rows."),
    integer("bytes", "Bytes of its segments as flushed."),
    integer("segments", "Segments that it was flushed to."),
    time("received", "The first of its requests came."),
    time("ingested", "The last of its rows was durable and visible; NULL when only its segments told of it."),
    time("stored", "Its segments were durable and in the manifest."),
    time("evicted", "The last segment with its requests was removed."),
    integer("retries", "Flushes of it that failed; NULL when only its segments told of it."),
    text("error", "Why the last of them failed."),
  ],
  task_history: [
    node,
    text("task", "Name of the task of maintenance."),
    time("started", "When the run began."),
    { name: "duration_ms", type: "DOUBLE", doc: "How long it took." },
    text("outcome", "done, failed or aborted."),
    text("did", "What it did, in words."),
    text("error", "Why it failed; NULL when it did not."),
  ],
  segment_history: [
    node,
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
    integer("lsn_from", "First request with rows in it."),
    integer("lsn_to", "Last request with rows in it."),
    time("made", "When it was written."),
    time("removed", "When it left the data; NULL while it is part of it."),
    text("removed_by", "merged or evicted; unknown when the catalog was not there."),
    { name: "replaced_by", type: "VARCHAR[]", doc: "Ids of the segments that took over its rows." },
  ],
};

/** The rows of the catalog as the tenant sees them. */
export function historyTable(name: HistoryTable, rows: readonly HistoryRow[], tenant: string): SystemTable {
  return { name, rows: rows.map((row) => systemRow(name, row, tenant)) };
}

function systemRow(name: HistoryTable, row: HistoryRow, tenant: string): SystemRow {
  const values = Object.fromEntries(
    historyColumns[name].map((column) => [column.name, valueOf(row, column.name)]),
  );
  switch (name) {
    case "batch_history":
      return { ...values, stage: values.evicted === undefined ? "stored" : "evicted" };
    case "task_history":
      return {
        ...values,
        did: fencedWords(values.did as string, tenant),
        error: fencedWords(values.error as string | undefined, tenant),
      };
    case "segment_history":
      return { ...values, made: segmentMadeAtNs(String(row.id)) };
  }
}

/** Times are kept in columns that end in `_ns`; those of rows as `min_time_ns` and so on. */
function valueOf(row: HistoryRow, column: string): SystemValue {
  const timed = row[`${column.replace("timestamp", "time").replace("ingest_time", "ingest")}_ns`];
  if (typeof timed === "string") return BigInt(timed);
  return row[column] ?? undefined;
}
