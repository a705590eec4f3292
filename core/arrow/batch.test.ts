import { expect, test } from "bun:test";
import { type Data, type Field, tableFromIPC, Type } from "apache-arrow";
import { buildChunk, rowOf } from "../../tests/golden/segment-chunk.ts";
import { randomBelow, seededRandom } from "../env/random.ts";
import type { Chunk } from "../model/chunk.ts";
import { columnsOf, type Signal, signals } from "../model/columns.ts";
import { chunkToIpc } from "./batch.ts";
import { arrowSchemaOf, fieldIdKey } from "./schema.ts";

const seed = 7;
const chunks = Object.fromEntries(signals.map((signal) => [signal, buildChunk(signal, seed, 400)])) as Record<
  Signal,
  Chunk
>;

test.each(signals)(`any range of %s comes back as it was (seed ${seed})`, (signal) => {
  const random = seededRandom(seed);
  for (let round = 0; round < 12; round++) {
    const from = randomBelow(random, 400), to = from + randomBelow(random, 401 - from);
    const rows = Array.from({ length: to - from }, (_, at) => from + at);
    expect(read(signal, chunkToIpc(signal, chunks[signal], undefined, from, to))).toEqual(
      expected(signal, rows),
    );
  }
});

test.each(signals)(`any list of rows of %s comes back in its order (seed ${seed})`, (signal) => {
  const random = seededRandom(seed);
  for (let round = 0; round < 12; round++) {
    const list = Int32Array.from({ length: randomBelow(random, 60) }, () => randomBelow(random, 400));
    const from = randomBelow(random, list.length + 1);
    const ipc = chunkToIpc(signal, chunks[signal], list, from, list.length);
    expect(read(signal, ipc)).toEqual(expected(signal, [...list.subarray(from)]));
  }
});

test("a few rows of a chunk with many distinct values carry only the values that they use", () => {
  const chunk = buildChunk("spans", seed, 0);
  const one = buildChunk("spans", seed, 1);
  const name = columnsOf.spans.findIndex((column) => column.name === "name");
  for (let row = 0; row < 5_000; row++) {
    chunk.appendRow(one, 0);
    chunk.vectors[name].truncate(row);
    const vector = chunk.vectors[name];
    if (vector.kind === "dictionary") vector.pushText(`operation number ${row}`);
  }
  const ipc = chunkToIpc("spans", chunk, undefined, 4_000, 4_010);
  expect(ipc.length).toBeLessThan(30_000);
  expect([...tableFromIPC(ipc).getChild("name")!]).toEqual(
    Array.from({ length: 10 }, (_, at) => `operation number ${4_000 + at}`),
  );
});

test("rows that are added after the batch was asked for do not change it", () => {
  const chunk = buildChunk("logs", seed, 100);
  const before = chunkToIpc("logs", chunk, undefined, 0, 50);
  const more = buildChunk("logs", seed + 1, 100);
  for (let row = 0; row < 100; row++) chunk.appendRow(more, row);
  expect(read("logs", chunkToIpc("logs", chunk, undefined, 0, 50))).toEqual(read("logs", before));
});

test("a NULL where the table allows none is refused", () => {
  const chunk = buildChunk("logs", seed, 5);
  const time = chunk.vectors[0];
  time.truncate(4);
  if (time.kind === "fixed") time.pushNull();
  expect(() => chunkToIpc("logs", chunk, undefined, 0, 5)).toThrow("column timestamp has a NULL");
});

test.each(signals)("every field of %s carries its id, nested ones too, and none twice", (signal) => {
  const ids: string[] = [];
  const visit = (field: Field) => {
    const id = field.metadata.get(fieldIdKey);
    if (field.name === "key_value") expect(id).toBeUndefined();
    else ids.push(id!);
    field.type.children?.forEach(visit);
  };
  arrowSchemaOf(signal).fields.forEach(visit);
  expect(ids.every((id) => /^\d+$/.test(id))).toBe(true);
  expect(new Set(ids).size).toBe(ids.length);
});

function expected(signal: Signal, rows: readonly number[]): unknown[] {
  return rows.map((row) => rowOf(chunks[signal], row));
}

function read(signal: Signal, ipc: Uint8Array): unknown[] {
  const table = tableFromIPC(ipc);
  expect(table.schema.fields.map(({ name }) => name)).toEqual(columnsOf[signal].map(({ name }) => name));
  if (table.numRows === 0) return [];
  const data = table.batches[0].data;
  return Array.from({ length: table.numRows }, (_, row) => structAt(data, row));
}

/** Values from the buffers themselves: the library's own accessors make milliseconds of times. */
function valueAt(data: Data, row: number): unknown {
  if (!data.getValid(row)) return null;
  const { type, values, valueOffsets: offsets, children } = data;
  switch (type.typeId) {
    case Type.Timestamp:
    case Type.Int:
    case Type.Float:
      return values[row];
    case Type.Bool:
      return (values[row >> 3] >> (row & 7) & 1) === 1;
    case Type.Utf8:
      return new TextDecoder().decode(values.subarray(offsets[row], offsets[row + 1]));
    case Type.Dictionary:
      return data.dictionary!.get(values[row]);
    case Type.Map:
      return range(offsets, row).map((at) => children[0].children.map((each) => valueAt(each, at)));
    case Type.List:
      return range(offsets, row).map((at) => valueAt(children[0], at));
    case Type.Struct:
      return structAt(data, row);
    default:
      throw new Error(`no such type in our schemas: ${type}`);
  }
}

function structAt({ type, children }: Data, row: number): Record<string, unknown> {
  return Object.fromEntries(children.map((child, index) => [type.children[index].name, valueAt(child, row)]));
}

function range(offsets: Int32Array, row: number): number[] {
  return Array.from({ length: offsets[row + 1] - offsets[row] }, (_, at) => offsets[row] + at);
}
