/**
 * The one table of columns: name, type, permanent field id and meaning of everything that is stored.
 *
 * The in-memory chunk, the Arrow and Parquet schemas, the SQL types and docs/schema.md derive from it.
 * Names follow OpenTelemetry (opentelemetry-proto 1.11) in snake_case.
 *
 * Invariants: a field id, once here, is never reused or given another type; a removed column keeps its line,
 * marked as retired. Ids are unique within a signal, nested fields included.
 */

export const signals = ["logs", "spans", "metrics"] as const;
export type Signal = (typeof signals)[number];

/** The shape of a value, in memory and on disk. */
export type ColumnType =
  /** Nanoseconds since 1970 UTC: Arrow timestamp[ns] without a zone, SQL TIMESTAMP_NS. */
  | { readonly kind: "timestamp" }
  | { readonly kind: "int64" | "uint64" | "int32" | "uint32" | "float64" | "bool" }
  /** UTF-8 text, plain. */
  | { readonly kind: "utf8" }
  /** UTF-8 text of few distinct values: Arrow dictionary<int32, utf8>, SQL VARCHAR. */
  | { readonly kind: "dictionary" }
  /** Attributes: MAP(VARCHAR, VARCHAR); a value is NULL when OTLP's was empty (see model/value.ts). */
  | { readonly kind: "map"; readonly keyId: number; readonly valueId: number }
  | { readonly kind: "list"; readonly elementId: number; readonly element: ColumnType }
  | { readonly kind: "struct"; readonly fields: readonly Column[] };

export interface Column {
  readonly name: string;
  readonly id: number;
  readonly type: ColumnType;
  readonly nullable?: boolean;
  readonly doc: string;
}

const timestamp = { kind: "timestamp" } as const;
const int64 = { kind: "int64" } as const;
const uint64 = { kind: "uint64" } as const;
const int32 = { kind: "int32" } as const;
const uint32 = { kind: "uint32" } as const;
const float64 = { kind: "float64" } as const;
const bool = { kind: "bool" } as const;
const utf8 = { kind: "utf8" } as const;
const dictionary = { kind: "dictionary" } as const;
const map = (keyId: number, valueId: number) => ({ kind: "map", keyId, valueId } as const);
const list = (elementId: number, element: ColumnType) => ({ kind: "list", elementId, element } as const);
const struct = (fields: readonly Column[]) => ({ kind: "struct", fields } as const);

const typesDoc =
  "Types of the attribute values, one letter each in the order of the map's keys; empty when all are strings (model/value.ts).";

/** What every signal says of where a record came from; ids 60 to 79 in each. */
const originColumns: readonly Column[] = [
  {
    name: "service_name",
    id: 60,
    type: dictionary,
    doc: "Resource attribute service.name, or unknown_service.",
  },
  { name: "scope_name", id: 61, type: dictionary, doc: "Name of the instrumentation scope." },
  { name: "scope_version", id: 62, type: dictionary, doc: "Version of the instrumentation scope." },
  { name: "resource_attributes", id: 63, type: dictionary, doc: "Resource attributes as typed JSON text." },
  { name: "scope_attributes", id: 64, type: dictionary, doc: "Scope attributes as typed JSON text." },
  {
    name: "resource_dropped_attributes_count",
    id: 65,
    type: uint32,
    doc: "Resource attributes dropped at the source.",
  },
  {
    name: "scope_dropped_attributes_count",
    id: 66,
    type: uint32,
    doc: "Scope attributes dropped at the source.",
  },
  { name: "resource_schema_url", id: 67, type: dictionary, doc: "Schema URL of the resource." },
  { name: "scope_schema_url", id: 68, type: dictionary, doc: "Schema URL of the scope's records." },
  {
    name: "resource_entity_refs",
    id: 69,
    type: dictionary,
    doc: "Entity references of the resource as JSON text; empty when none.",
  },
];

export const logColumns: readonly Column[] = [
  {
    name: "timestamp",
    id: 1,
    type: timestamp,
    doc: "Event time; observed, then ingest time where the record has none.",
  },
  {
    name: "observed_timestamp",
    id: 2,
    type: timestamp,
    nullable: true,
    doc: "When the collector saw it; NULL when not sent.",
  },
  { name: "ingest_timestamp", id: 3, type: timestamp, doc: "When this box accepted it." },
  { name: "severity_number", id: 4, type: int32, doc: "SeverityNumber, 0 to 24." },
  { name: "severity_text", id: 5, type: dictionary, doc: "Severity as the source wrote it." },
  {
    name: "body",
    id: 6,
    type: utf8,
    nullable: true,
    doc: "Body as text; JSON text when structured; NULL when not sent.",
  },
  {
    name: "body_type",
    id: 7,
    type: dictionary,
    doc: "Type letter of the body; empty for a string (model/value.ts).",
  },
  { name: "pattern_id", id: 8, type: int64, nullable: true, doc: "Reserved for the log pattern; NULL." },
  { name: "trace_id", id: 9, type: utf8, doc: "32 lowercase hex digits; empty when not sent." },
  { name: "span_id", id: 10, type: utf8, doc: "16 lowercase hex digits; empty when not sent." },
  { name: "flags", id: 11, type: uint32, doc: "W3C trace flags and reserved bits, as sent." },
  { name: "event_name", id: 12, type: dictionary, doc: "Event name; empty when the record is no event." },
  { name: "attributes", id: 13, type: map(40, 41), doc: "Attributes of the record." },
  { name: "attribute_types", id: 14, type: dictionary, doc: typesDoc },
  { name: "dropped_attributes_count", id: 15, type: uint32, doc: "Attributes dropped at the source." },
  ...originColumns,
];

export const spanColumns: readonly Column[] = [
  { name: "trace_id", id: 1, type: utf8, doc: "32 lowercase hex digits." },
  { name: "span_id", id: 2, type: utf8, doc: "16 lowercase hex digits." },
  { name: "parent_span_id", id: 3, type: utf8, doc: "16 lowercase hex digits; empty for a root." },
  { name: "trace_state", id: 4, type: dictionary, doc: "W3C tracestate." },
  { name: "flags", id: 5, type: uint32, doc: "W3C trace flags and OTLP's remote bits, as sent." },
  { name: "name", id: 6, type: dictionary, doc: "Span name." },
  {
    name: "kind",
    id: 7,
    type: int32,
    doc: "SpanKind, 0 to 5: unspecified, internal, server, client, producer, consumer.",
  },
  {
    name: "start_timestamp",
    id: 8,
    type: timestamp,
    doc: "Start; end, then ingest time where the span has none.",
  },
  { name: "end_timestamp", id: 9, type: timestamp, nullable: true, doc: "End; NULL when not sent." },
  {
    name: "duration_ns",
    id: 10,
    type: int64,
    doc: "End minus start in nanoseconds; 0 when either was not sent.",
  },
  { name: "status_code", id: 11, type: int32, doc: "StatusCode: 0 unset, 1 ok, 2 error." },
  { name: "status_message", id: 12, type: dictionary, doc: "Status description." },
  { name: "attributes", id: 13, type: map(40, 41), doc: "Attributes of the span." },
  { name: "attribute_types", id: 14, type: dictionary, doc: typesDoc },
  { name: "dropped_attributes_count", id: 15, type: uint32, doc: "Attributes dropped at the source." },
  {
    name: "events",
    id: 16,
    type: list(
      90,
      struct([
        { name: "timestamp", id: 91, type: timestamp, nullable: true, doc: "When; NULL when not sent." },
        { name: "name", id: 92, type: dictionary, doc: "Event name." },
        { name: "attributes", id: 93, type: map(94, 95), doc: "Attributes of the event." },
        { name: "attribute_types", id: 96, type: dictionary, doc: typesDoc },
        { name: "dropped_attributes_count", id: 97, type: uint32, doc: "Attributes dropped at the source." },
      ]),
    ),
    doc: "Span events in the order sent.",
  },
  { name: "dropped_events_count", id: 17, type: uint32, doc: "Events dropped at the source." },
  {
    name: "links",
    id: 18,
    type: list(
      100,
      struct([
        { name: "trace_id", id: 101, type: utf8, doc: "Trace linked to." },
        { name: "span_id", id: 102, type: utf8, doc: "Span linked to." },
        { name: "trace_state", id: 103, type: dictionary, doc: "W3C tracestate of the link." },
        { name: "attributes", id: 104, type: map(105, 106), doc: "Attributes of the link." },
        { name: "attribute_types", id: 107, type: dictionary, doc: typesDoc },
        { name: "dropped_attributes_count", id: 108, type: uint32, doc: "Attributes dropped at the source." },
        { name: "flags", id: 109, type: uint32, doc: "Flags of the linked span." },
      ]),
    ),
    doc: "Span links in the order sent.",
  },
  { name: "dropped_links_count", id: 19, type: uint32, doc: "Links dropped at the source." },
  { name: "ingest_timestamp", id: 20, type: timestamp, doc: "When this box accepted it." },
  ...originColumns,
];

export const metricColumns: readonly Column[] = [
  { name: "timestamp", id: 1, type: timestamp, doc: "Time of the point; ingest time where it has none." },
  {
    name: "start_timestamp",
    id: 2,
    type: timestamp,
    nullable: true,
    doc: "Start of the interval; NULL when not sent.",
  },
  { name: "ingest_timestamp", id: 3, type: timestamp, doc: "When this box accepted it." },
  { name: "metric_name", id: 4, type: dictionary, doc: "Metric name." },
  { name: "description", id: 5, type: dictionary, doc: "Metric description." },
  { name: "unit", id: 6, type: dictionary, doc: "Unit (UCUM)." },
  {
    name: "type",
    id: 7,
    type: dictionary,
    doc: "gauge, sum, histogram, exponential_histogram, summary or none.",
  },
  {
    name: "temporality",
    id: 8,
    type: int32,
    doc: "AggregationTemporality: 0 unspecified, 1 delta, 2 cumulative.",
  },
  { name: "is_monotonic", id: 9, type: bool, doc: "Whether a sum is monotonic." },
  {
    name: "value",
    id: 10,
    type: float64,
    nullable: true,
    doc: "Value of a gauge or sum as a double; NULL when none was sent.",
  },
  {
    name: "value_int",
    id: 11,
    type: int64,
    nullable: true,
    doc: "The value exactly, when it was sent as an integer.",
  },
  { name: "count", id: 12, type: uint64, nullable: true, doc: "Count of a histogram or summary." },
  { name: "sum", id: 13, type: float64, nullable: true, doc: "Sum of a histogram or summary." },
  { name: "min", id: 14, type: float64, nullable: true, doc: "Least value of a histogram." },
  { name: "max", id: 15, type: float64, nullable: true, doc: "Largest value of a histogram." },
  { name: "bucket_counts", id: 16, type: list(90, uint64), doc: "Counts of an explicit histogram." },
  { name: "explicit_bounds", id: 17, type: list(91, float64), doc: "Bounds of an explicit histogram." },
  { name: "scale", id: 18, type: int32, nullable: true, doc: "Scale of an exponential histogram." },
  { name: "zero_count", id: 19, type: uint64, nullable: true, doc: "Count in its zero bucket." },
  { name: "zero_threshold", id: 20, type: float64, nullable: true, doc: "Width of its zero bucket." },
  { name: "positive_offset", id: 21, type: int32, nullable: true, doc: "Offset of its positive buckets." },
  { name: "positive_bucket_counts", id: 22, type: list(92, uint64), doc: "Counts of its positive buckets." },
  { name: "negative_offset", id: 23, type: int32, nullable: true, doc: "Offset of its negative buckets." },
  { name: "negative_bucket_counts", id: 24, type: list(93, uint64), doc: "Counts of its negative buckets." },
  {
    name: "quantiles",
    id: 25,
    type: list(
      94,
      struct([
        { name: "quantile", id: 95, type: float64, doc: "0 to 1." },
        { name: "value", id: 96, type: float64, doc: "Value at the quantile." },
      ]),
    ),
    doc: "Quantiles of a summary.",
  },
  {
    name: "exemplars",
    id: 26,
    type: list(
      100,
      struct([
        { name: "timestamp", id: 101, type: timestamp, nullable: true, doc: "When; NULL when not sent." },
        { name: "value", id: 102, type: float64, nullable: true, doc: "Value as a double." },
        {
          name: "value_int",
          id: 103,
          type: int64,
          nullable: true,
          doc: "The value exactly, when sent as an integer.",
        },
        { name: "trace_id", id: 104, type: utf8, doc: "Trace it was taken from." },
        { name: "span_id", id: 105, type: utf8, doc: "Span it was taken from." },
        { name: "filtered_attributes", id: 106, type: map(107, 108), doc: "Attributes not on the point." },
        { name: "attribute_types", id: 109, type: dictionary, doc: typesDoc },
      ]),
    ),
    doc: "Exemplars in the order sent.",
  },
  { name: "flags", id: 27, type: uint32, doc: "DataPointFlags; 1 is no recorded value." },
  {
    name: "series_id",
    id: 28,
    type: utf8,
    doc: "16 hex digits: hash of resource, scope, metric name and attributes.",
  },
  { name: "attributes", id: 29, type: map(40, 41), doc: "Attributes of the point." },
  { name: "attribute_types", id: 30, type: dictionary, doc: typesDoc },
  {
    name: "metric_metadata",
    id: 31,
    type: dictionary,
    doc: "Metric metadata as typed JSON text; empty when none.",
  },
  ...originColumns,
];

export const columnsOf: Readonly<Record<Signal, readonly Column[]>> = {
  logs: logColumns,
  spans: spanColumns,
  metrics: metricColumns,
};

/** The column that orders a signal in time, by which files are laid out and pruned. */
export const timeColumnOf: Readonly<Record<Signal, string>> = {
  logs: "timestamp",
  spans: "start_timestamp",
  metrics: "timestamp",
};

/** Version of the tables above; a footer names the version that it was written with. */
export const schemaVersion = 1;

/** Position of a column in its table. */
export function columnIndex(signal: Signal, name: string): number {
  const index = columnsOf[signal].findIndex((column) => column.name === name);
  if (index < 0) throw new Error(`no column ${name} in ${signal}`);
  return index;
}
