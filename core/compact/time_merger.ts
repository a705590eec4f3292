/**
 * Merges segments of logs and spans without an engine: the times of all rows give the order, failures apart, and then each row group of the output is made of the pages that hold its rows, a column at a time.
 *
 * The index of the output is built of the same row groups, where it is wanted: reading them again would take a quarter more.
 *
 * Memory: 16 bytes a row for the order, for the row group at hand a column of it at each step and its encoded bytes, and
 * what the index keeps.
 * What it does not do (other signals, encodings that nobody of us writes, inputs in which no two row groups follow each
 * other) it says by `unsupported` or `too_large` before it has written much: `orElse` (fallback.ts) gives it to DuckDB.
 */
import { type Disk, writeFileDurably } from "../env/disk.ts";
import type { Random } from "../env/random.ts";
import { OpenWitError } from "../error.ts";
import { SegmentIndex } from "../index/build.ts";
import { indexedColumnsOf } from "../index/columns.ts";
import { indexPath } from "../index/format.ts";
import { type Column, columnsOf, type Signal } from "../model/columns.ts";
import { freeWhole } from "../model/free.ts";
import { concatSlices } from "../parquet/concat.ts";
import { mergedLayout } from "../parquet/layout.ts";
import { allRows } from "../parquet/read/rows.ts";
import {
  type Batch,
  batchBytes,
  type FixedSlice,
  freeBatch,
  freeSlice,
  type Slice,
} from "../parquet/slice.ts";
import { takeRows } from "../parquet/take.ts";
import { ParquetWriter } from "../parquet/writer.ts";
import { segmentRowsMax } from "../segment/encoder.ts";
import { failuresOf } from "../segment/failures.ts";
import { MergeInputs } from "./inputs.ts";
import { type MergeMeasure, type MergeRequest, type SegmentMerger, sortColumnsOf } from "./merger.ts";
import { cutRowGroups, planRowGroup, type RowGroupPlan } from "./row_groups.ts";
import { failuresLast, timeOrder } from "./time_order.ts";

export interface TimeMergerOptions {
  /** For the hashes of an index; without it none is written. */
  readonly random?: Random;
  /** Called after each row group, when what it took is garbage: its bytes several times over. */
  readonly collect?: (rowGroupBytes: number) => void;
  /** Awaited before each column of a row group: who comes first has the thread meanwhile. */
  readonly turn?: (() => Promise<void>) | undefined;
}

/** Times that each row group of the inputs is read, above which DuckDB's sort takes less. */
const readsMax = 8;

export function timeMerger(disk: Disk, { random, collect, turn }: TimeMergerOptions = {}): SegmentMerger {
  return {
    merge: (request) =>
      withInputs(disk, request, async (inputs) => {
        const { signal, output, keyValues, abort } = request;
        const order = await orderOf(inputs, request);
        const { ends, reads } = cutRowGroups(order, inputs.groups);
        if (reads > readsMax * inputs.groups.length) {
          throw new OpenWitError("unsupported", `row groups would be read ${reads} times`);
        }
        const writer = new ParquetWriter(signal, keyValues, mergedLayout);
        const segment = order.length > segmentRowsMax ? undefined : request.index;
        const index = segment && random && new SegmentIndex(signal, order.length, random);
        const file = await disk.open(output, "create");
        try {
          let at = 0;
          const write = async (pieces: Iterable<Uint8Array>) => {
            for (const piece of pieces) {
              await file.write(piece, at);
              at += piece.length;
              freeWhole(piece);
            }
          };
          for (const [group, end] of ends.entries()) {
            const plan = planRowGroup(order, ends[group - 1] ?? 0, end, inputs.groups);
            const batch = await readBatch(inputs, signal, plan, abort, turn);
            await write(writer.write(batch));
            await write(writer.endRowGroup());
            await turn?.();
            index?.add(indexedColumnsOf(signal, batch));
            const bytes = batchBytes(batch);
            freeBatch(batch);
            collect?.(bytes);
          }
          await write(writer.finish());
        } finally {
          await file.close();
        }
        if (segment === undefined || index === undefined) return {};
        const { id, path } = segment;
        return { indexBytes: await writeFileDurably(disk, indexPath(path), index.encode(id)) };
      }),
    measure: (request) =>
      withInputs(disk, request, async (inputs) => {
        const [time, ingest] = [sortColumnsOf[request.signal][0], "ingest_timestamp"];
        const kept = await keptRows(inputs, request);
        const bounds = [];
        for (const name of [time, ingest]) {
          bounds.push(boundsOf(await timesOf(inputs, request.signal, name, request.abort), kept));
        }
        const [[minTimeNs, maxTimeNs], [minIngestNs, maxIngestNs]] = bounds;
        return { rows: kept.length, minTimeNs, maxTimeNs, minIngestNs, maxIngestNs } satisfies MergeMeasure;
      }),
  };
}

type Wanted = Pick<MergeRequest, "signal" | "inputs" | "severityAbove" | "abort">;

async function withInputs<Result>(
  disk: Disk,
  { signal, inputs: paths, abort, output, index }: Wanted & Partial<Pick<MergeRequest, "output" | "index">>,
  work: (inputs: MergeInputs) => Promise<Result>,
): Promise<Result> {
  abort.throwIfAborted();
  if (sortColumnsOf[signal].length > 1) {
    throw new OpenWitError("unsupported", `${signal} are sorted by more than time`);
  }
  for (const path of [...paths, output, index?.path]) {
    if (path !== undefined && !path.startsWith("parquet/")) {
      throw new OpenWitError("forbidden", `${path} is no segment`);
    }
  }
  const inputs = await MergeInputs.open(disk, paths);
  try {
    return await work(inputs);
  } finally {
    await inputs.close();
  }
}

/** Rows by number in the order of the output. What rows are left out of is sorted already. */
async function orderOf(inputs: MergeInputs, request: MergeRequest): Promise<Int32Array> {
  if (request.severityAbove !== undefined) return await keptRows(inputs, request);
  const { signal, abort } = request;
  const byTime = timeOrder(await timesOf(inputs, signal, sortColumnsOf[signal][0], abort));
  const failures = failuresOf[signal];
  if (failures === undefined) return byTime;
  const isFailure = new Uint8Array(inputs.rows);
  await eachFixed(inputs, signal, failures.column, abort, ({ values, present }, firstRow) => {
    for (let row = 0; row < values.length; row++) {
      if (values[row] >= failures.from && present?.[row] !== 0) isFailure[firstRow + row] = 1;
    }
  });
  return failuresLast(byTime, isFailure);
}

async function keptRows(
  inputs: MergeInputs,
  { signal, severityAbove, abort }: Wanted,
): Promise<Int32Array> {
  const kept = allRows(inputs.rows);
  if (severityAbove === undefined) return kept;
  let count = 0;
  await eachFixed(inputs, signal, "severity_number", abort, ({ values, present }, firstRow) => {
    for (let row = 0; row < values.length; row++) {
      const goes = present?.[row] !== 0 && values[row] >= 1 && values[row] <= severityAbove;
      if (!goes) kept[count++] = firstRow + row;
    }
  });
  return kept.subarray(0, count);
}

/** The times of a column, two words a row. */
async function timesOf(
  inputs: MergeInputs,
  signal: Signal,
  name: string,
  abort: AbortSignal,
): Promise<Int32Array> {
  const words = new Int32Array(inputs.rows * 2);
  await eachFixed(inputs, signal, name, abort, ({ values, present }, firstRow) => {
    if (present !== undefined) throw new OpenWitError("unsupported", `a file has rows without ${name}`);
    words.set(values, firstRow * 2);
  });
  return words;
}

async function eachFixed(
  inputs: MergeInputs,
  signal: Signal,
  name: string,
  abort: AbortSignal,
  take: (slice: FixedSlice, firstRow: number) => void,
): Promise<void> {
  const column = columnsOf[signal].find((each) => each.name === name);
  if (column === undefined) throw new OpenWitError("unsupported", `${signal} have no column ${name}`);
  for (const [index, { firstRow, rows }] of inputs.groups.entries()) {
    abort.throwIfAborted();
    take(await inputs.read(index, column, allRows(rows)) as FixedSlice, firstRow);
  }
}

async function readBatch(
  inputs: MergeInputs,
  signal: Signal,
  plan: RowGroupPlan,
  abort: AbortSignal,
  turn: TimeMergerOptions["turn"],
): Promise<Batch> {
  const columns: Slice[] = [];
  for (const column of columnsOf[signal]) {
    await turn?.();
    abort.throwIfAborted();
    columns.push(await readColumn(inputs, column, plan));
  }
  return { rows: columns[0].count, columns };
}

async function readColumn(inputs: MergeInputs, column: Column, plan: RowGroupPlan): Promise<Slice> {
  const parts: Slice[] = [];
  for (const { group, rows } of plan.parts) parts.push(await inputs.read(group, column, rows));
  const joined = concatSlices(parts);
  if (parts.length > 1) parts.forEach((part) => freeSlice(part));
  if (plan.order === undefined) return joined;
  const ordered = takeRows(joined, plan.order);
  freeSlice(joined, ordered);
  return ordered;
}

/** Least and greatest of the times of some rows; 0 when there are none. */
function boundsOf(words: Int32Array, rows: Int32Array): [bigint, bigint] {
  const times = new BigInt64Array(words.buffer, words.byteOffset, words.length / 2);
  if (rows.length === 0) return [0n, 0n];
  let least = times[rows[0]], greatest = least;
  for (const row of rows) {
    if (times[row] < least) least = times[row];
    if (times[row] > greatest) greatest = times[row];
  }
  return [least, greatest];
}
