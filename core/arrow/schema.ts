/**
 * The Arrow schema of each signal, derived from the table of columns: what batches carry to the Parquet encoder
 * and to clients. Arrow columnar format 1.5.
 *
 * Every field, nested ones too, carries its permanent id as metadata `PARQUET:field_id`, which Parquet writers
 * turn into the field_id of the file's schema. Nested names are those of the Parquet specification for maps
 * (`key_value`, `key`, `value`) and lists (`element`), because the writer takes them over as they are.
 */
import {
  Bool,
  type DataType,
  Dictionary,
  Field,
  Float64,
  Int32,
  Int64,
  List,
  Map_,
  Schema,
  Struct,
  TimestampNanosecond,
  Uint32,
  Uint64,
  Utf8,
} from "apache-arrow";
import { type Column, columnsOf, type ColumnType, type Signal, signals } from "../model/columns.ts";

/** Metadata key under which Arrow carries a Parquet field id. */
export const fieldIdKey = "PARQUET:field_id";

/** The schema of a signal; the same object at each call. */
export function arrowSchemaOf(signal: Signal): Schema {
  return schemas[signal];
}

function arrowField({ name, id, type, nullable }: Column): Field {
  return new Field(name, arrowType(type, id), nullable ?? false, fieldId(id));
}

/** `id` is the field's, and names its dictionary too: both are unique within a signal. */
function arrowType(type: ColumnType, id: number): DataType {
  switch (type.kind) {
    case "timestamp":
      return new TimestampNanosecond();
    case "int64":
      return new Int64();
    case "uint64":
      return new Uint64();
    case "int32":
      return new Int32();
    case "uint32":
      return new Uint32();
    case "float64":
      return new Float64();
    case "bool":
      return new Bool();
    case "utf8":
      return new Utf8();
    case "dictionary":
      return new Dictionary(new Utf8(), new Int32(), id, false);
    case "map":
      return mapType(type.keyId, type.valueId);
    case "list":
      return new List(
        new Field("element", arrowType(type.element, type.elementId), false, fieldId(type.elementId)),
      );
    case "struct":
      return new Struct(type.fields.map(arrowField));
  }
}

function mapType(keyId: number, valueId: number): DataType {
  const entry = new Struct<{ key: DataType; value: DataType }>([
    new Field("key", new Dictionary(new Utf8(), new Int32(), keyId, false), false, fieldId(keyId)),
    new Field("value", new Utf8(), true, fieldId(valueId)),
  ]);
  const entries = new Field("key_value", entry, false);
  // deno-lint-ignore no-explicit-any -- the library's bound on key types leaves dictionaries out
  const map = new Map_<any, any>(entries as any, false);
  Object.assign(entries, { name: "key_value" }); // the constructor renamed it to "entries"
  return map;
}

function fieldId(id: number): Map<string, string> {
  return new Map([[fieldIdKey, String(id)]]);
}

const schemas = Object.fromEntries(
  signals.map((signal) => [signal, new Schema(columnsOf[signal].map(arrowField))]),
) as Record<Signal, Schema>;
