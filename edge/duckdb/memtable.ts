/**
 * The memtable as a DuckDB table function: one a signal, `openwit_memtable_logs(pin)` and so on, over the chunk
 * rows that a query pinned. Only the projected columns are filled, 2,048 rows a call.
 *
 * The callbacks run on the JavaScript thread while DuckDB's threads wait for them, so nothing on this thread may
 * wait for DuckDB synchronously: every call that runs a statement is asynchronous.
 *
 * Text is not copied: DuckDB's 16-byte string headers point into the chunk's own buffers (vector_writer.ts).
 * Invariant: every buffer that a header may point into is held by its pin until the query's result is closed.
 * 50,000 rows: count by a dictionary column 4 ms, LIKE over a body of 80 bytes 3 ms; assigning each string through
 * the binding took 22 and 21 ms.
 */
import type { DuckDBConnection, DuckDBType } from "@duckdb/node-api";
import { assert } from "../../core/error.ts";
import { columnsOf, type ColumnType, type Signal, signals } from "../../core/model/columns.ts";
import type { SourceChunk } from "../../core/query/sources.ts";
import type { DuckDB } from "./load.ts";
import { openWriter, vectorRows, type VectorWriter } from "./vector_writer.ts";

/** Pins of one DuckDB instance, and the table functions that read them. */
export interface MemtableFunctions {
  /** Makes rows visible to `openwit_memtable_{signal}(pin)`. */
  pin(chunks: readonly SourceChunk[]): MemtablePin;
}

export interface MemtablePin {
  readonly id: number;
  /** After this no statement may read the pin. */
  release(): void;
}

export function memtableFunctionName(signal: Signal): string {
  return `openwit_memtable_${signal}`;
}

/** Registers the table functions in the instance that `connection` belongs to. */
export function registerMemtable(duckdb: DuckDB, connection: DuckDBConnection): MemtableFunctions {
  const pins = new Map<number, Pinned>();
  for (const signal of signals) connection.registerTableFunction(memtableFunction(duckdb, signal, pins));
  let lastPin = 0;
  return {
    pin(chunks) {
      const id = ++lastPin;
      pins.set(id, { chunks: chunks.filter(({ rows }) => rows > 0), held: [] });
      return { id, release: () => void pins.delete(id) };
    },
  };
}

interface Pinned {
  readonly chunks: readonly SourceChunk[];
  /** Buffers that string headers point into. */
  readonly held: Uint8Array[];
}

/** Where one scan stands. */
interface Scan {
  readonly pinned: Pinned;
  /** For each output vector the column that fills it; -1 when DuckDB asked for rows alone. */
  readonly columns: readonly number[];
  chunk: number;
  row: number;
  writers: (VectorWriter | undefined)[];
}

function memtableFunction(duckdb: DuckDB, signal: Signal, pins: Map<number, Pinned>) {
  const { api, bindings } = duckdb;
  const columns = columnsOf[signal];
  return api.DuckDBTableFunction.create({
    name: memtableFunctionName(signal),
    parameterTypes: [api.BIGINT],
    supportsProjectionPushdown: true,
    bindFunction(info) {
      const pinned = pins.get(Number(info.getParameter(0)));
      if (pinned === undefined) {
        return info.setError("the memtable rows of this statement are no longer pinned");
      }
      for (const { name, type } of columns) info.addResultColumn(name, duckType(duckdb, type));
      info.setCardinality(pinned.chunks.reduce((sum, { rows }) => sum + rows, 0), true);
      info.setBindData({ pinned });
    },
    initFunction(info) {
      const { pinned } = info.getBindData() as { pinned: Pinned };
      const projected = info.getColumnIndexes().map((index) => index < columns.length ? index : -1);
      const scan: Scan = { pinned, columns: projected, chunk: 0, row: 0, writers: [] };
      try {
        openChunk(scan);
      } catch (error) {
        return info.setError(`cannot read memtable rows: ${error instanceof Error ? error.message : error}`);
      }
      info.setInitData(scan);
      info.setMaxThreads(1); // the callbacks share one thread, so more scanners would only take turns
    },
    mainFunction(info, output) {
      try {
        const scan = info.getInitData() as Scan;
        const raw = output as unknown as {
          readonly chunk: Parameters<typeof bindings.data_chunk_get_vector>[0];
        };
        bindings.data_chunk_set_size(raw.chunk, 0);
        const source = scan.pinned.chunks[scan.chunk];
        if (source === undefined) return;
        const rows = Math.min(vectorRows, source.rows - scan.row);
        for (const [index, writer] of scan.writers.entries()) {
          writer?.write(bindings, bindings.data_chunk_get_vector(raw.chunk, index), scan.row, rows);
        }
        bindings.data_chunk_set_size(raw.chunk, rows);
        scan.row += rows;
        if (scan.row < source.rows) return;
        scan.chunk++;
        scan.row = 0;
        openChunk(scan);
      } catch (error) {
        info.setError(`cannot read memtable rows: ${error instanceof Error ? error.message : error}`);
      }
    },
  });
}

function openChunk(scan: Scan): void {
  const source = scan.pinned.chunks[scan.chunk];
  if (source === undefined) return;
  scan.writers = scan.columns.map((column) => {
    if (column < 0) return undefined;
    const vector = source.chunk.vectors[column];
    assert(vector.length >= source.rows, "rows were read with every column that their statement needs");
    return openWriter(vector, scan.pinned.held);
  });
}

function duckType(duckdb: DuckDB, type: ColumnType): DuckDBType {
  const { api } = duckdb;
  switch (type.kind) {
    case "timestamp":
      return api.TIMESTAMP_NS;
    case "int64":
      return api.BIGINT;
    case "uint64":
      return api.UBIGINT;
    case "int32":
      return api.INTEGER;
    case "uint32":
      return api.UINTEGER;
    case "float64":
      return api.DOUBLE;
    case "bool":
      return api.BOOLEAN;
    case "utf8":
    case "dictionary":
      return api.VARCHAR;
    case "map":
      return api.MAP(api.VARCHAR, api.VARCHAR);
    case "list":
      return api.LIST(duckType(duckdb, type.element));
    case "struct":
      return api.STRUCT(
        Object.fromEntries(type.fields.map((field) => [field.name, duckType(duckdb, field.type)])),
      );
  }
}
