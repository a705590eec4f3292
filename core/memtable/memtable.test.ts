import { expect, test } from "bun:test";
import { columnIndex } from "../model/columns.ts";
import type { Utf8Vector } from "../model/vector.ts";
import { chunkBytes, foldedChunks, Memtable, type MemtableChunk, unpin } from "./memtable.ts";
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

test("a chunk has room from the start for a quarter more than the one before it held, and for that of no other stream", () => {
  const { memtable, spares, opened } = withRows(0);
  putTexts(opened, 300_000);
  memtable.drop(memtable.freeze(), 1);
  expect(bodyOf(memtable.open()).bytes.length).toBe(375_000);
  expect(bodyOf(new Memtable("other", "logs", spares).open()).bytes.length).toBeLessThan(10_000);
});

test("a chunk that is full has the next one made for no more than a chunk takes", () => {
  const { memtable, opened } = withRows(0);
  putTexts(opened, chunkBytes);
  const next = bodyOf(memtable.open());
  expect(next.length).toBe(0);
  expect(next.bytes.length / chunkBytes).toBeCloseTo(1.04, 3);
});

test("of a chunk that a flush took early the next ones learn half as much", () => {
  const { memtable, opened } = withRows(0);
  putTexts(opened, 400_000, 8);
  memtable.drop(memtable.freeze(), 1);
  const roomOfNext = [1, 1, 1].map(() => {
    const next = memtable.open();
    const room = bodyOf(next).bytes.length;
    putTexts(next, 1_000, 1);
    memtable.drop(memtable.freeze(), 1);
    return room;
  });
  expect(roomOfNext).toEqual([500_000, 250_000, 125_000]);
});

test("texts that were searched are folded as they come, in the next chunks as well, and not when nobody searched those", () => {
  const { memtable, opened } = withRows(0);
  bodyOf(opened).folded(3);
  for (let after = 1; after <= foldedChunks + 1; after++) {
    memtable.drop(memtable.freeze(), 1);
    const next = memtable.open();
    const pending = memtable.begin(next, 0);
    for (const text of ["Payment FAILED", "ok", ""]) bodyOf(next).pushText(text);
    next.chunk.rows = 3;
    memtable.settle({ ...pending, endRow: 3 }, 2, 1);
    expect(bodyOf(next).foldedBytes > 0).toBe(after <= foldedChunks);
  }
});

function bodyOf({ chunk }: MemtableChunk): Utf8Vector {
  return chunk.vectors[columnIndex("logs", "body")] as Utf8Vector;
}

/** Rows whose bodies have so many bytes together. */
function putTexts(at: MemtableChunk, bytes: number, rows = 3): void {
  bodyOf(at).truncate(0);
  for (let row = 0; row < rows; row++) bodyOf(at).pushText("x".repeat(bytes / rows));
  at.chunk.rows = rows;
}

/** @param spareBytes what is kept of chunks to be filled again */
function withRows(spareBytes = 1 << 30): { memtable: Memtable; spares: SpareChunks; opened: MemtableChunk } {
  const spares = new SpareChunks(spareBytes);
  const memtable = new Memtable("acme", "logs", spares);
  const opened = memtable.open();
  const pending = memtable.begin(opened, 0);
  opened.chunk.rows = 3;
  memtable.settle({ ...pending, endRow: 3 }, 1, 0);
  return { memtable, spares, opened };
}
