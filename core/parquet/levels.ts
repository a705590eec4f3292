/**
 * Repetition and definition levels (Dremel): which values of a leaf belong to one row, and which places are empty.
 *
 * A stream of places begins as the rows, and each list or map on the way down turns a place into one for each of
 * its entries, or into one that stands for an empty list. The leaves below the same list share its stream.
 */
import { freeWhole } from "../model/free.ts";
import { bitWidth, writeLevelRuns, writeRun } from "./rle.ts";
import type { ByteSink } from "./sink.ts";

export interface Levels {
  /** Places: one for each value, NULL or empty list. */
  readonly count: number;
  /** A byte a place; undefined while there was no list. */
  readonly repetition: Uint8Array | undefined;
  /** A byte a place; undefined when all are `maxDefinition`. */
  readonly definition: Uint8Array | undefined;
  readonly maxRepetition: number;
  readonly maxDefinition: number;
}

export function rowLevels(rows: number): Levels {
  return { count: rows, repetition: undefined, definition: undefined, maxRepetition: 0, maxDefinition: 0 };
}

/**
 * The places of the entries of a list or map.
 * @param offsets of the values at the defined places, in order
 */
export function listLevels(parent: Levels, offsets: Int32Array, lists: number): Levels {
  let empty = 0;
  for (let list = 0; list < lists; list++) if (offsets[list] === offsets[list + 1]) empty++;
  // A place of the parent that is undefined stays one, and so does an empty list.
  const count = offsets[lists] - offsets[0] + empty + parent.count - lists;
  const maxRepetition = parent.maxRepetition + 1, maxDefinition = parent.maxDefinition + 1;
  const repetition = new Uint8Array(count).fill(maxRepetition);
  const definition = empty > 0 || lists < parent.count
    ? new Uint8Array(count).fill(maxDefinition)
    : undefined;
  let at = 0, list = 0;
  for (let place = 0; place < parent.count; place++) {
    const defined = parent.definition === undefined ? parent.maxDefinition : parent.definition[place];
    repetition[at] = parent.repetition === undefined ? 0 : parent.repetition[place];
    let entries = 0;
    if (defined === parent.maxDefinition) {
      entries = offsets[list + 1] - offsets[list];
      list++;
    }
    if (entries === 0) definition![at] = defined;
    at += Math.max(1, entries);
  }
  return { count, repetition, definition, maxRepetition, maxDefinition };
}

/**
 * The places of an optional leaf.
 * @param present of the values at the defined places, in order; undefined when there is no NULL
 */
export function nullableLevels(parent: Levels, present: Uint8Array | undefined): Levels {
  const maxDefinition = parent.maxDefinition + 1;
  if (parent.definition === undefined && present === undefined) return { ...parent, maxDefinition };
  const definition = new Uint8Array(parent.count);
  for (let place = 0, value = 0; place < definition.length; place++) {
    const defined = parent.definition === undefined ? parent.maxDefinition : parent.definition[place];
    definition[place] = defined < parent.maxDefinition
      ? defined
      : defined + (present === undefined ? 1 : present[value++]);
  }
  return { ...parent, definition, maxDefinition };
}

/** Frees those of the entries of a list or map, when its leaves are written. */
export function freeLevels({ repetition, definition }: Levels): void {
  if (repetition !== undefined) freeWhole(repetition);
  if (definition !== undefined) freeWhole(definition);
}

/** Those of some places. */
export function levelsBetween(levels: Levels, from: number, to: number): Levels {
  return {
    ...levels,
    count: to - from,
    repetition: levels.repetition?.subarray(from, to),
    definition: levels.definition?.subarray(from, to),
  };
}

/** Writes the levels as a data page of version 2 begins with them: their lengths are in its header. */
export function writeLevelsApart(
  sink: ByteSink,
  { count, repetition, definition, maxRepetition, maxDefinition }: Levels,
): { repetition: number; definition: number } {
  const start = sink.length;
  if (maxRepetition > 0) writeRuns(sink, repetition, count, maxRepetition);
  const middle = sink.length;
  if (maxDefinition > 0) writeRuns(sink, definition, count, maxDefinition);
  return { repetition: middle - start, definition: sink.length - middle };
}

/** Writes the levels as a data page of version 1 begins with them. */
export function writeLevels(sink: ByteSink, levels: Levels): void {
  const { count, repetition, definition, maxRepetition, maxDefinition } = levels;
  if (maxRepetition > 0) writePart(sink, repetition, count, maxRepetition);
  if (maxDefinition > 0) writePart(sink, definition, count, maxDefinition);
}

function writePart(sink: ByteSink, levels: Uint8Array | undefined, count: number, max: number): void {
  const length = sink.reserve(4);
  sink.length += 4;
  writeRuns(sink, levels, count, max);
  sink.setUint32(length, sink.length - length - 4);
}

function writeRuns(sink: ByteSink, levels: Uint8Array | undefined, count: number, max: number): void {
  if (levels !== undefined) writeLevelRuns(sink, levels, count, bitWidth(max));
  else if (count > 0) writeRun(sink, count, max, bitWidth(max));
}
