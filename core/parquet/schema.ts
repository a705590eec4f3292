/**
 * The Parquet schema of each signal, derived from the table of columns: its leaves for the writer of pages, and its
 * elements as the footer has them. Parquet format 2.11 (parquet.thrift, LogicalTypes.md).
 *
 * Maps and lists have the names that the specification gives them (`key_value`, `key`, `value`; `list`, `element`).
 * Every column, nested ones too, carries its permanent id, without which table formats read NULLs.
 */
import {
  type Column,
  columnsOf,
  type ColumnType,
  type Signal,
  signals,
  timeColumnOf,
} from "../model/columns.ts";
import { thriftStruct, type ThriftWriter } from "./thrift_writer.ts";

/** Parquet's physical types. */
export const physicalBoolean = 0,
  physicalInt32 = 1,
  physicalInt64 = 2,
  physicalDouble = 5,
  physicalByteArray = 6;

/** A column that has pages. */
export interface Leaf {
  readonly path: readonly string[];
  readonly physical: number;
  readonly nullable: boolean;
  /** Whether row groups say its least and largest value and its NULLs. */
  readonly hasStatistics: boolean;
  /** Texts in which a compressor that looks further finds more: those of people and programs, not ids. */
  readonly isProse: boolean;
}

/** The leaves of a signal in the schema's order. */
export function leavesOf(signal: Signal): readonly Leaf[] {
  return leaves[signal];
}

/** Writes the schema as field 2 of FileMetaData. */
export function writeSchema(thrift: ThriftWriter, signal: Signal): void {
  const columns = columnsOf[signal];
  thrift.list(2, thriftStruct, 1 + columns.reduce((sum, { type }) => sum + elementCount(type), 0));
  thrift.openItem();
  thrift.binary(4, "schema");
  thrift.i32(5, columns.length);
  thrift.close();
  for (const column of columns) writeElement(thrift, column);
}

const required = 0, optional = 1, repeated = 2;
const convertedUtf8 = 0, convertedMap = 1, convertedList = 3, convertedUint32 = 13, convertedUint64 = 14;

/** What prunes row groups before they are sorted. A row group is about a page, so statistics a page add nothing. */
const statisticsColumns = [
  "ingest_timestamp",
  "severity_number",
  "status_code",
  "service_name",
  "metric_name",
];

const leaves = Object.fromEntries(
  signals.map((signal) => [
    signal,
    columnsOf[signal].flatMap((column) => {
      const hasStatistics = column.name === timeColumnOf[signal] || statisticsColumns.includes(column.name);
      return leavesBelow([column.name], column.type, column.nullable ?? false, hasStatistics);
    }),
  ]),
) as unknown as Readonly<Record<Signal, readonly Leaf[]>>;

function leavesBelow(
  path: readonly string[],
  type: ColumnType,
  nullable: boolean,
  hasStatistics: boolean,
): Leaf[] {
  switch (type.kind) {
    case "map": {
      const leaf = { physical: physicalByteArray, hasStatistics: false, isProse: true };
      return [
        { ...leaf, path: [...path, "key_value", "key"], nullable: false },
        { ...leaf, path: [...path, "key_value", "value"], nullable: true },
      ];
    }
    case "list":
      return leavesBelow([...path, "list", "element"], type.element, false, false);
    case "struct":
      return type.fields.flatMap((field) =>
        leavesBelow([...path, field.name], field.type, field.nullable ?? false, false)
      );
    default:
      return [{
        path,
        physical: physicalOf(type),
        nullable,
        hasStatistics,
        isProse: isProse(path, type),
      }];
  }
}

function isProse(path: readonly string[], { kind }: ColumnType): boolean {
  return kind === "utf8" && !path.at(-1)!.endsWith("_id");
}

function physicalOf({ kind }: ColumnType): number {
  switch (kind) {
    case "bool":
      return physicalBoolean;
    case "int32":
    case "uint32":
      return physicalInt32;
    case "float64":
      return physicalDouble;
    case "utf8":
    case "dictionary":
      return physicalByteArray;
    default:
      return physicalInt64;
  }
}

/** Elements that a column takes, groups included. */
function elementCount(type: ColumnType): number {
  switch (type.kind) {
    case "map":
      return 4;
    case "list":
      return 2 + elementCount(type.element);
    case "struct":
      return 1 + type.fields.reduce((sum, field) => sum + elementCount(field.type), 0);
    default:
      return 1;
  }
}

type Element = Pick<Column, "name" | "type" | "nullable"> & { readonly id: number };

/** A column and what is below it, in pre-order. */
function writeElement(thrift: ThriftWriter, { name, id, type, nullable }: Element): void {
  const repetition = nullable ? optional : required;
  switch (type.kind) {
    case "map":
      writeGroup(thrift, name, repetition, 1, id, convertedMap);
      writeGroup(thrift, "key_value", repeated, 2);
      writeElement(thrift, { name: "key", id: type.keyId, type: utf8 });
      writeElement(thrift, { name: "value", id: type.valueId, type: utf8, nullable: true });
      return;
    case "list":
      writeGroup(thrift, name, repetition, 1, id, convertedList);
      writeGroup(thrift, "list", repeated, 1);
      return writeElement(thrift, { name: "element", id: type.elementId, type: type.element });
    case "struct":
      writeGroup(thrift, name, repetition, type.fields.length, id);
      for (const field of type.fields) writeElement(thrift, field);
      return;
    default:
      thrift.openItem();
      thrift.i32(1, physicalOf(type));
      thrift.i32(3, repetition);
      thrift.binary(4, name);
      writeLeafTypes(thrift, type, id);
      thrift.close();
  }
}

function writeGroup(
  thrift: ThriftWriter,
  name: string,
  repetition: number,
  children: number,
  id?: number,
  converted?: number,
): void {
  thrift.openItem();
  thrift.i32(3, repetition);
  thrift.binary(4, name);
  thrift.i32(5, children);
  if (converted !== undefined) thrift.i32(6, converted);
  if (id !== undefined) thrift.i32(9, id);
  if (converted !== undefined) {
    thrift.open(10);
    thrift.empty(converted === convertedMap ? 2 : 3);
    thrift.close();
  }
  thrift.close();
}

/** Converted type, field id and logical type of a leaf. Signed integers and doubles are what they are. */
function writeLeafTypes(thrift: ThriftWriter, { kind }: ColumnType, id: number): void {
  const isText = kind === "utf8" || kind === "dictionary";
  if (isText) thrift.i32(6, convertedUtf8);
  else if (kind === "uint32") thrift.i32(6, convertedUint32);
  else if (kind === "uint64") thrift.i32(6, convertedUint64);
  thrift.i32(9, id);
  if (isText) {
    thrift.open(10);
    thrift.empty(1);
    thrift.close();
  } else if (kind === "timestamp") {
    thrift.open(10);
    thrift.open(8);
    thrift.boolean(1, false); // not adjusted to UTC: TIMESTAMP_NS without a zone
    thrift.open(2);
    thrift.empty(3); // nanoseconds
    thrift.close();
    thrift.close();
    thrift.close();
  } else if (kind === "uint32" || kind === "uint64") {
    thrift.open(10);
    thrift.open(10);
    thrift.i8(1, kind === "uint32" ? 32 : 64);
    thrift.boolean(2, false);
    thrift.close();
    thrift.close();
  }
}

const utf8 = { kind: "utf8" } as const;
