import { expect, test } from "bun:test";
import { Memtable, type MemtableChunk, unpin } from "./memtable.ts";
import { SpareChunks } from "./spares.ts";

test("a chunk that readers hold when a segment has its rows is filled again once the last has let go", () => {
  const { memtable, spares, opened } = withRows();
  opened.pins = 2;
  memtable.drop(memtable.freeze(), 1);
  expect(memtable.rows).toBe(0);
  unpin(opened);
  expect(spares.bytes).toBe(0);
  expect(opened.chunk.rows).toBe(3);
  unpin(opened);
  expect(memtable.open().chunk).toBe(opened.chunk);
  expect(opened.chunk.rows).toBe(0);
});

test("a chunk that no reader holds is filled again at once, and none that is still in its memtable", () => {
  const { memtable, spares, opened } = withRows();
  opened.pins = 1;
  unpin(opened);
  expect(spares.bytes).toBe(0);
  memtable.drop(memtable.freeze(), 1);
  expect(spares.bytes).toBeGreaterThan(0);
});

function withRows(): { memtable: Memtable; spares: SpareChunks; opened: MemtableChunk } {
  const spares = new SpareChunks(1 << 30);
  const memtable = new Memtable("acme", "logs", spares);
  const opened = memtable.open();
  const pending = memtable.begin(opened, 0);
  opened.chunk.rows = 3;
  memtable.settle({ ...pending, endRow: 3 }, 1, 0);
  return { memtable, spares, opened };
}
