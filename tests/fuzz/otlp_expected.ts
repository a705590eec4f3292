/**
 * The rows that a request should become, derived from the generated message and never from its bytes; and the
 * rows of a chunk as plain values, to compare. Slow and obvious on purpose.
 */
import type { Chunk } from "../../core/model/chunk.ts";
import { columnsOf, type ColumnType, type Signal } from "../../core/model/columns.ts";
import { formatTypedJson, formatTypedValue, type TypedValue } from "../../core/model/value.ts";
import type {
  DictionaryVector,
  FixedVector,
  ListVector,
  MapVector,
  StructVector,
  Utf8Vector,
  Vector,
} from "../../core/model/vector.ts";
import { murmur3, seriesSeeds } from "../../core/otlp/series.ts";
import type { Message } from "./otlp_messages.ts";

export type Row = Record<string, unknown>;

export function rowsOf(chunk: Chunk): Row[] {
  const columns = columnsOf[chunk.signal];
  return Array.from(
    { length: chunk.rows },
    (_, row) =>
      Object.fromEntries(columns.map(({ name, type }, i) => [name, cell(type, chunk.vectors[i], row)])),
  );
}

function cell(type: ColumnType, vector: Vector, row: number): unknown {
  switch (type.kind) {
    case "utf8":
      return (vector as Utf8Vector).text(row);
    case "dictionary":
      return (vector as DictionaryVector).text(row);
    case "map": {
      const { offsets, keys, values } = vector as MapVector;
      return range(offsets, row, (at) => [keys.text(at), values.text(at)]);
    }
    case "list": {
      const { offsets, child } = vector as ListVector;
      return range(offsets, row, (at) => cell(type.element, child, at));
    }
    case "struct":
      return Object.fromEntries(
        type.fields.map((
          field,
          i,
        ) => [field.name, cell(field.type, (vector as StructVector).children[i], row)]),
      );
    default: {
      const fixed = vector as FixedVector;
      if (fixed.validity.isNull(row)) return null;
      if (type.kind === "bool") return fixed.bytes[row] === 1;
      if (type.kind === "int32") return fixed.words[row];
      if (type.kind === "uint32") return fixed.words[row] >>> 0;
      if (type.kind === "float64") return fixed.doubles()[row];
      return type.kind === "uint64" ? BigInt.asUintN(64, fixed.bigints()[row]) : fixed.bigints()[row];
    }
  }
}

function range<T>(offsets: Int32Array, row: number, of: (at: number) => T): T[] {
  return Array.from({ length: offsets[row + 1] - offsets[row] }, (_, i) => of(offsets[row] + i));
}

export function expectedRows(signal: Signal, request: Message, receivedAt: bigint): Row[] {
  const name = { logs: "Logs", spans: "Spans", metrics: "Metrics" }[signal];
  const inner = { logs: "logRecords", spans: "spans", metrics: "metrics" }[signal];
  const rows: Row[] = [];
  for (const resource of request[`resource${name}`] ?? []) {
    for (const scope of resource[`scope${name}`] ?? []) {
      const origin = expectedOrigin(resource, scope, receivedAt);
      for (const record of scope[inner] ?? []) {
        if (signal === "logs") rows.push({ ...origin, ...expectedLog(record, receivedAt) });
        else if (signal === "spans") rows.push({ ...origin, ...expectedSpan(record, receivedAt) });
        else rows.push(...expectedPoints(record, receivedAt, origin).map((row) => ({ ...origin, ...row })));
      }
    }
  }
  return rows;
}

function expectedOrigin(
  { resource = {}, schemaUrl = "" }: Message,
  scopeLevel: Message,
  receivedAt: bigint,
): Row {
  const { scope = {} } = scopeLevel;
  const service = (resource.attributes ?? []).findLast((entry: Message) =>
    (entry.key ?? "") === "service.name"
  );
  const references = (resource.entityRefs ?? []).map((ref: Message) =>
    JSON.stringify({
      schema_url: ref.schemaUrl ?? "",
      type: ref.type ?? "",
      id_keys: ref.idKeys ?? [],
      description_keys: ref.descriptionKeys ?? [],
    })
  );
  return {
    ingest_timestamp: receivedAt,
    service_name: (service && formatTypedValue(typed(service.value)).text) || "unknown_service",
    scope_name: scope.name ?? "",
    scope_version: scope.version ?? "",
    resource_attributes: objectText(resource.attributes ?? []),
    scope_attributes: objectText(scope.attributes ?? []),
    resource_dropped_attributes_count: resource.droppedAttributesCount ?? 0,
    scope_dropped_attributes_count: scope.droppedAttributesCount ?? 0,
    resource_schema_url: schemaUrl,
    scope_schema_url: scopeLevel.schemaUrl ?? "",
    resource_entity_refs: references.length === 0 ? "" : `[${references.join(",")}]`,
  };
}

function expectedLog(record: Message, receivedAt: bigint): Row {
  const time = record.timeUnixNano ?? 0n, observed = record.observedTimeUnixNano ?? 0n;
  const body = formatTypedValue(typed(record.body));
  return {
    timestamp: clamp(time || observed || receivedAt),
    observed_timestamp: observed === 0n ? null : clamp(observed),
    severity_number: record.severityNumber ?? 0,
    severity_text: record.severityText ?? "",
    body: body.text,
    body_type: body.letter === "s" ? "" : body.letter,
    pattern_id: null,
    trace_id: hex(record.traceId),
    span_id: hex(record.spanId),
    flags: record.flags ?? 0,
    event_name: record.eventName ?? "",
    dropped_attributes_count: record.droppedAttributesCount ?? 0,
    ...expectedAttributes(record.attributes, { observed_time_unix_nano: observed, time_unix_nano: time }),
  };
}

function expectedSpan(span: Message, receivedAt: bigint): Row {
  const start = span.startTimeUnixNano ?? 0n, end = span.endTimeUnixNano ?? 0n;
  return {
    trace_id: hex(span.traceId),
    span_id: hex(span.spanId),
    parent_span_id: hex(span.parentSpanId),
    trace_state: span.traceState ?? "",
    flags: span.flags ?? 0,
    name: span.name ?? "",
    kind: span.kind ?? 0,
    start_timestamp: clamp(start || end || receivedAt),
    end_timestamp: end === 0n ? null : clamp(end),
    duration_ns: start === 0n || end === 0n ? 0n : clamp(end) - clamp(start),
    status_code: span.status?.code ?? 0,
    status_message: span.status?.message ?? "",
    dropped_attributes_count: span.droppedAttributesCount ?? 0,
    dropped_events_count: span.droppedEventsCount ?? 0,
    dropped_links_count: span.droppedLinksCount ?? 0,
    ...expectedAttributes(span.attributes, { start_time_unix_nano: start, end_time_unix_nano: end }),
    events: (span.events ?? []).map((event: Message) => ({
      timestamp: optionalTime(event.timeUnixNano),
      name: event.name ?? "",
      ...expectedAttributes(event.attributes, { time_unix_nano: event.timeUnixNano ?? 0n }),
      dropped_attributes_count: event.droppedAttributesCount ?? 0,
    })),
    links: (span.links ?? []).map((link: Message) => ({
      trace_id: hex(link.traceId),
      span_id: hex(link.spanId),
      trace_state: link.traceState ?? "",
      ...expectedAttributes(link.attributes, {}),
      dropped_attributes_count: link.droppedAttributesCount ?? 0,
      flags: link.flags ?? 0,
    })),
  };
}

function expectedPoints(metric: Message, receivedAt: bigint, origin: Row): Row[] {
  const member = ["gauge", "sum", "histogram", "exponentialHistogram", "summary"].find((name) =>
    name in metric
  );
  if (member === undefined) return [];
  const data = metric[member];
  const isHistogram = member === "histogram", isExponential = member === "exponentialHistogram";
  const hasCount = isHistogram || isExponential || member === "summary";
  return (data.dataPoints ?? []).map((point: Message) => ({
    timestamp: clamp((point.timeUnixNano ?? 0n) || receivedAt),
    start_timestamp: optionalTime(point.startTimeUnixNano),
    metric_name: metric.name ?? "",
    description: metric.description ?? "",
    unit: metric.unit ?? "",
    type: isExponential ? "exponential_histogram" : member,
    temporality: data.aggregationTemporality ?? 0,
    is_monotonic: data.isMonotonic ?? false,
    ...expectedNumber(point),
    count: hasCount ? point.count ?? 0n : null,
    sum: point.sum ?? (member === "summary" ? 0 : null),
    min: point.min ?? null,
    max: point.max ?? null,
    bucket_counts: isHistogram ? point.bucketCounts ?? [] : [],
    explicit_bounds: point.explicitBounds ?? [],
    scale: isExponential ? point.scale ?? 0 : null,
    zero_count: isExponential ? point.zeroCount ?? 0n : null,
    zero_threshold: isExponential ? point.zeroThreshold ?? 0 : null,
    positive_offset: point.positive === undefined ? null : point.positive.offset ?? 0,
    positive_bucket_counts: point.positive?.bucketCounts ?? [],
    negative_offset: point.negative === undefined ? null : point.negative.offset ?? 0,
    negative_bucket_counts: point.negative?.bucketCounts ?? [],
    quantiles: (point.quantileValues ?? []).map((at: Message) => ({
      quantile: at.quantile ?? 0,
      value: at.value ?? 0,
    })),
    exemplars: (point.exemplars ?? []).map((exemplar: Message) => {
      const { attributes, attribute_types } = expectedAttributes(exemplar.filteredAttributes, {
        time_unix_nano: exemplar.timeUnixNano ?? 0n,
      });
      return {
        timestamp: optionalTime(exemplar.timeUnixNano),
        ...expectedNumber(exemplar),
        trace_id: hex(exemplar.traceId),
        span_id: hex(exemplar.spanId),
        filtered_attributes: attributes,
        attribute_types,
      };
    }),
    flags: point.flags ?? 0,
    series_id: expectedSeries(origin, metric.name ?? "", point.attributes ?? []),
    ...expectedAttributes(point.attributes, {
      time_unix_nano: point.timeUnixNano ?? 0n,
      start_time_unix_nano: point.startTimeUnixNano ?? 0n,
    }),
    metric_metadata: metric.metadata === undefined ? "" : objectText(metric.metadata),
  }));
}

function expectedNumber({ asDouble, asInt }: Message): Row {
  return { value: asDouble ?? (asInt === undefined ? null : Number(asInt)), value_int: asInt ?? null };
}

function expectedSeries(origin: Row, name: string, attributes: Message[]): string {
  const hash = (text: string, seed: number) => {
    const bytes = new TextEncoder().encode(text);
    return murmur3(bytes, 0, bytes.length, seed);
  };
  const identity = [origin.resource_attributes, origin.scope_name, origin.scope_version, name] as string[];
  return seriesSeeds.map((seed) => {
    let lane = identity.reduce((hashed, text) => hash(text, hashed), seed as number);
    for (const { key = "", value } of attributes) {
      const { letter, text } = formatTypedValue(typed(value));
      lane = lane + hash(text ?? "", hash(key, seed) ^ letter.charCodeAt(0)) | 0;
    }
    lane = Math.imul(lane ^ lane >>> 16, 0x85ebca6b);
    lane = Math.imul(lane ^ lane >>> 13, 0xc2b2ae35);
    return ((lane ^ lane >>> 16) >>> 0).toString(16).padStart(8, "0");
  }).join("");
}

/** The value of a generated AnyValue. */
function typed(value: Message | undefined): TypedValue {
  if (value === undefined) return null;
  if (value.arrayValue) return (value.arrayValue.values ?? []).map(typed);
  if (value.kvlistValue) {
    return {
      kvlist: (value.kvlistValue.values ?? []).map((entry: Message) => [entry.key ?? "", typed(entry.value)]),
    };
  }
  return value.stringValue ?? value.boolValue ?? value.intValue ?? value.doubleValue ?? value.bytesValue ??
    null;
}

function expectedAttributes(
  attributes: Message[] = [],
  times: Record<string, bigint>,
): { attributes: unknown; attribute_types: string } {
  const entries = attributes.map((entry): [string, TypedValue] => [entry.key ?? "", typed(entry.value)]);
  for (const [field, time] of Object.entries(times)) {
    if (time > 2n ** 63n - 2n) entries.push([`openwit.original.${field}`, String(time)]);
  }
  const formatted = withoutDuplicates(entries).map(([key, value]) => ({ key, ...formatTypedValue(value) }));
  return {
    attributes: formatted.map(({ key, text }) => [key, text]),
    attribute_types: formatted.every(({ letter }) => letter === "s")
      ? ""
      : formatted.map(({ letter }) => letter).join(""),
  };
}

function objectText(attributes: Message[]): string {
  const entries = withoutDuplicates(attributes.map((entry) => [entry.key ?? "", typed(entry.value)]));
  return formatTypedJson({ kvlist: entries.toSorted(([a], [b]) => a < b ? -1 : 1) });
}

function withoutDuplicates(entries: [string, TypedValue][]): [string, TypedValue][] {
  const taken = new Set(entries.map(([key]) => key));
  return entries.map(([key, value], i) => {
    if (!entries.slice(i + 1).some(([later]) => later === key)) return [key, value];
    let n = 1;
    while (taken.has(`openwit.duplicate.${n}.${key}`)) n++;
    taken.add(`openwit.duplicate.${n}.${key}`);
    return [`openwit.duplicate.${n}.${key}`, value];
  });
}

const clamp = (time: bigint): bigint => time > 2n ** 63n - 2n ? 2n ** 63n - 2n : time;
const optionalTime = (time = 0n): bigint | null => time === 0n ? null : clamp(time);
const hex = (bytes: Uint8Array | undefined): string => bytes?.toHex() ?? "";
