/**
 * Results as an Arrow IPC stream (columnar format 1.5): one record batch for each batch of rows, every type exact.
 *
 * HUGEINT is decimal(38, 0) as DuckDB itself exports it, unless a value needs more digits: the error says so.
 * Intervals are month-day-nano; types without an Arrow counterpart were text already (edge/duckdb/result.ts).
 */
import {
  AsyncByteQueue,
  Binary,
  Bool,
  type Data,
  type DataType,
  DateDay,
  Decimal,
  Field,
  Float32,
  Float64,
  Int16,
  Int32,
  Int64,
  Int8,
  IntervalMonthDayNano,
  List,
  makeData,
  Map_,
  Null,
  RecordBatch,
  RecordBatchStreamWriter,
  Schema,
  Struct,
  TimeMicrosecond,
  TimeNanosecond,
  Timestamp,
  TimeUnit,
  Uint16,
  Uint32,
  Uint64,
  Uint8,
  Utf8,
} from "apache-arrow";
import { OpenWitError } from "../error.ts";
import { uniqueNames } from "./format.ts";
import type { QueryResult } from "./query.ts";
import type { IntervalValue, ResultColumn, ResultType, ResultValue } from "./result.ts";

/** The stream's bytes, as the rows arrive; the first piece comes with the first batch. @throws OpenWitError */
export async function* toArrow(result: QueryResult): AsyncGenerator<Uint8Array, void, undefined> {
  const schema = arrowSchema(result.columns);
  const parts: Uint8Array[] = [];
  const sink = new AsyncByteQueue();
  sink.write = (part) => void parts.push(new Uint8Array(part as Uint8Array));
  const writer = new RecordBatchStreamWriter({ autoDestroy: false });
  writer.reset(sink as never, schema);
  for await (const batch of result.batches) {
    const children = schema.fields.map((field, at) =>
      buildData(field.type, result.columns[at].shape, batch.columns[at])
    );
    const data = makeData({ type: new Struct(schema.fields), length: batch.rows, nullCount: 0, children });
    writer.write(new RecordBatch(schema, data));
    yield joined(parts);
  }
  writer.finish();
  yield joined(parts);
}

/** @returns the Arrow schema of result columns; names that come again get `:1`, `:2`, … */
export function arrowSchema(columns: readonly ResultColumn[]): Schema {
  const names = uniqueNames(columns);
  return new Schema(columns.map(({ shape }, at) => new Field(names[at], arrowType(shape), true)));
}

const decimalDigitsMax = 38;
const units = {
  s: TimeUnit.SECOND,
  ms: TimeUnit.MILLISECOND,
  us: TimeUnit.MICROSECOND,
  ns: TimeUnit.NANOSECOND,
};

function arrowType(type: ResultType): DataType {
  switch (type.kind) {
    case "null":
      return new Null();
    case "boolean":
      return new Bool();
    case "text":
      return new Utf8();
    case "blob":
      return new Binary();
    case "date":
      return new DateDay();
    case "interval":
      return new IntervalMonthDayNano();
    case "integer":
      if (type.bits === 128) return new Decimal(0, decimalDigitsMax, 128);
      return type.signed
        ? { 8: new Int8(), 16: new Int16(), 32: new Int32(), 64: new Int64() }[type.bits]
        : { 8: new Uint8(), 16: new Uint16(), 32: new Uint32(), 64: new Uint64() }[type.bits];
    case "float":
      return type.bits === 32 ? new Float32() : new Float64();
    case "decimal":
      return new Decimal(type.scale, type.width, 128);
    case "timestamp":
      return new Timestamp(units[type.unit], type.zoned ? "UTC" : null);
    case "time":
      return type.unit === "ns" ? new TimeNanosecond() : new TimeMicrosecond();
    case "list":
      return new List(new Field("item", arrowType(type.element), true));
    case "struct":
      return new Struct(type.fields.map(({ name, type }) => new Field(name, arrowType(type), true)));
    case "map": {
      const entries = [
        new Field("key", arrowType(type.key), false),
        new Field("value", arrowType(type.value), true),
      ];
      return new Map_(new Field("entries", new Struct(entries), false) as never);
    }
  }
}

function buildData(type: DataType, shape: ResultType, values: readonly ResultValue[]): Data {
  const length = values.length;
  const { nullBitmap, nullCount } = nullsOf(values);
  const common = { type, length, nullCount, nullBitmap };
  const make = (props: Record<string, unknown>): Data => makeData({ ...common, ...props } as never);
  switch (shape.kind) {
    case "null":
      return makeData({ type: new Null(), length });
    case "boolean": {
      const data = new Uint8Array(Math.ceil(length / 64) * 8);
      values.forEach((value, row) => value === true ? data[row >> 3] |= 1 << (row & 7) : undefined);
      return make({ data });
    }
    case "text":
      return make(bytesOf(values, (value) => textEncoder.encode(value as string)));
    case "blob":
      return make(bytesOf(values, (value) => value as Uint8Array));
    case "date":
      return make({ data: Int32Array.from(values, (value) => value === null ? 0 : value as number) });
    case "float": {
      const numbers = values.map((value) => value === null ? 0 : value as number);
      return make({ data: shape.bits === 32 ? Float32Array.from(numbers) : Float64Array.from(numbers) });
    }
    case "integer":
      return make({ data: shape.bits === 128 ? decimals(values) : integers(shape, values) });
    case "decimal":
      return make({ data: decimals(values) });
    case "timestamp":
    case "time":
      return make({ data: BigInt64Array.from(values, (value) => value === null ? 0n : value as bigint) });
    case "interval":
      return make({ data: intervals(values as readonly (IntervalValue | null)[]) });
    case "list": {
      const child = buildData(type.children[0].type, shape.element, flattened(values));
      return make({ valueOffsets: offsetsOf(values), child });
    }
    case "struct":
      return make({
        children: shape.fields.map((field, at) =>
          buildData(
            type.children[at].type,
            field.type,
            values.map((value) => value === null ? null : (value as readonly ResultValue[])[at]),
          )
        ),
      });
    case "map": {
      const entries = flattened(values) as readonly (readonly [ResultValue, ResultValue])[];
      const entryType = type.children[0].type;
      const child = makeData({
        type: entryType as Struct,
        length: entries.length,
        nullCount: 0,
        children: [
          buildData(entryType.children[0].type, shape.key, entries.map(([key]) => key)),
          buildData(entryType.children[1].type, shape.value, entries.map(([, value]) => value)),
        ],
      });
      return make({ valueOffsets: offsetsOf(values), child });
    }
  }
}

const textEncoder = new TextEncoder();

function nullsOf(values: readonly ResultValue[]): { nullBitmap: Uint8Array | null; nullCount: number } {
  const nullBitmap = new Uint8Array(Math.ceil(values.length / 64) * 8);
  let nullCount = 0;
  for (let row = 0; row < values.length; row++) {
    if (values[row] === null) nullCount++;
    else nullBitmap[row >> 3] |= 1 << (row & 7);
  }
  return { nullBitmap: nullCount === 0 ? null : nullBitmap, nullCount };
}

function bytesOf(
  values: readonly ResultValue[],
  encode: (value: ResultValue) => Uint8Array,
): { data: Uint8Array; valueOffsets: Int32Array } {
  const parts = values.map((value) => value === null ? undefined : encode(value));
  const valueOffsets = new Int32Array(values.length + 1);
  parts.forEach((part, row) => valueOffsets[row + 1] = valueOffsets[row] + (part?.length ?? 0));
  const data = new Uint8Array(valueOffsets[values.length]);
  parts.forEach((part, row) => part === undefined ? undefined : data.set(part, valueOffsets[row]));
  return { data, valueOffsets };
}

type IntegerArray =
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array;

function integers(shape: ResultType & { kind: "integer" }, values: readonly ResultValue[]): IntegerArray {
  if (shape.bits === 64) {
    const wide = values.map((value) => value === null ? 0n : value as bigint);
    return shape.signed ? BigInt64Array.from(wide) : BigUint64Array.from(wide);
  }
  const narrow = values.map(Number); // NULL becomes 0
  if (shape.bits === 8) return shape.signed ? Int8Array.from(narrow) : Uint8Array.from(narrow);
  if (shape.bits === 16) return shape.signed ? Int16Array.from(narrow) : Uint16Array.from(narrow);
  return shape.signed ? Int32Array.from(narrow) : Uint32Array.from(narrow);
}

/** 128-bit two's complement, little-endian. */
function decimals(values: readonly ResultValue[]): Uint32Array {
  const words = new BigUint64Array(values.length * 2);
  const greatest = 10n ** BigInt(decimalDigitsMax);
  values.forEach((each, row) => {
    if (each === null) return;
    const value = each as bigint;
    if (value >= greatest || value <= -greatest) {
      throw new OpenWitError("invalid_argument", `${value} has more than ${decimalDigitsMax} digits`, {
        hint: "Arrow's decimals end there: cast it to VARCHAR or DOUBLE",
      });
    }
    words[row * 2] = BigInt.asUintN(64, value);
    words[row * 2 + 1] = BigInt.asUintN(64, value >> 64n);
  });
  return new Uint32Array(words.buffer);
}

/** Months and days of 32 bits, nanoseconds of 64. */
function intervals(values: readonly (IntervalValue | null)[]): Int32Array {
  const words = new Int32Array(values.length * 4);
  const nanos = new BigInt64Array(words.buffer);
  values.forEach((value, row) => {
    if (value === null) return;
    words[row * 4] = value.months;
    words[row * 4 + 1] = value.days;
    nanos[row * 2 + 1] = value.micros * 1_000n;
  });
  return words;
}

function offsetsOf(values: readonly ResultValue[]): Int32Array {
  const offsets = new Int32Array(values.length + 1);
  values.forEach((value, row) => offsets[row + 1] = offsets[row] + (Array.isArray(value) ? value.length : 0));
  return offsets;
}

function flattened(values: readonly ResultValue[]): readonly ResultValue[] {
  return values.flatMap((value) => Array.isArray(value) ? value as ResultValue[] : []);
}

function joined(parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts.splice(0)) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
