/**
 * Rows of segments, read in threads of their own (core/query/row_reader.ts): decompressing takes milliseconds that the
 * thread which takes requests does not have. What is much is parted among the threads, as the engine does.
 */
import { availableParallelism } from "node:os";
import type { Log } from "../../core/env/log.ts";
import { Chunk } from "../../core/model/chunk.ts";
import { columnsOf } from "../../core/model/columns.ts";
import { FoundSink } from "../../core/parquet/read/found.ts";
import { appendSlices } from "../../core/parquet/vectors.ts";
import type { FileRows, FindRowsRequest, RowReader } from "../../core/query/row_reader.ts";
import { rowGroupRows } from "../../core/segment/encoder.ts";
import { rowThread } from "./row-thread.ts";

/** As many as the engine has by default. */
const threadsMax = 2;

/** Less than so many row groups are read in less time than a second thread takes to be asked. */
const groupsMin = 4;

/**
 * Row groups that a thread looks through before it is asked for more: pages of bodies of so many are within its bounds,
 * and who goes away is not served for long.
 */
const groupsMax = 12;

/** @param dataDir absolute */
export function rowReader(dataDir: string, log: Log): RowReader {
  const threads = Array.from(
    { length: Math.min(threadsMax, availableParallelism()) },
    () => rowThread(dataDir, log),
  );

  /** Those with the least to do first. */
  const idlest = () => threads.toSorted((left, right) => left.waiting - right.waiting);

  return {
    async read({ signal, files, columns }) {
      const names = columnsOf[signal].map(({ name }) => name)
        .filter((name) => columns === undefined || columns.has(name));
      const parts = parted(files.flatMap(groupsOfRows), threads.length)
        .map((runs) =>
          byFile(runs).map(([file, runs]): FileRows => ({
            path: files[file].path,
            rows: files[file].rows.subarray(runs[0].from, runs.at(-1)!.end),
          }))
        );
      const asked = idlest();
      const answers = await Promise.all(
        parts.map((files, at) =>
          asked[at].ask((ask) => ({ kind: "read", ask, signal, files, columns: names }))
        ),
      );
      const chunk = new Chunk(signal);
      let inflatedBytes = 0;
      for (const answer of answers) {
        if (answer?.read === undefined) return undefined;
        const { batch: { rows, columns: slices } } = answer.read;
        appendSlices(chunk, rows, new Map(slices.map((slice, at) => [names[at], slice])));
        inflatedBytes += answer.read.inflatedBytes;
      }
      return { chunk, inflatedBytes };
    },

    async find(request, abort) {
      const runs = request.files.flatMap(groupsOfRanges), round = groupsMax * threads.length;
      const found = new FoundSink(request.rowsMax, request.isDescending);
      for (let from = 0; from < runs.length && !found.isFull; from += round) {
        abort.throwIfAborted();
        const parts = parted(runs.slice(from, from + round), threads.length).map(byFile);
        const asked = idlest();
        const answers = await Promise.all(parts.map((part, at) => {
          const files = part.map(([file, ranges]) => ({ path: request.files[file].path, ranges }));
          return asked[at].ask((ask) => ({ kind: "find", ask, request: { ...request, files } }));
        }));
        for (const [at, answer] of answers.entries()) {
          if (answer?.found === undefined) return undefined;
          found.addFound(answer.found, parts[at].map(([file]) => file));
        }
      }
      return found.finish();
    },

    close: () => threads.forEach((thread) => thread.close()),
  };
}

/** A run of a file's rows within one row group, as long as groups are full; the end is excluded. */
interface Run {
  /** Position of the file. */
  readonly file: number;
  readonly from: number;
  readonly end: number;
}

/** Runs of positions in a list of rows. */
function groupsOfRows({ rows }: FileRows, file: number): Run[] {
  const runs: Run[] = [];
  for (let from = 0, end = 0; from < rows.length; from = end) {
    const group = Math.floor(rows[from] / rowGroupRows);
    while (end < rows.length && Math.floor(rows[end] / rowGroupRows) === group) end++;
    runs.push({ file, from, end });
  }
  return runs;
}

/** Runs of rows by number. */
function groupsOfRanges({ ranges }: FindRowsRequest["files"][number], file: number): Run[] {
  const runs: Run[] = [];
  for (const range of ranges) {
    for (let from = range.from, end = 0; from < range.end; from = end) {
      end = Math.min(range.end, (Math.floor(from / rowGroupRows) + 1) * rowGroupRows);
      runs.push({ file, from, end });
    }
  }
  return runs;
}

/** At most so many parts, each of about as many runs, in their order. */
function parted(runs: readonly Run[], count: number): Run[][] {
  const length = runs.length < groupsMin ? runs.length : Math.ceil(runs.length / count);
  return Array.from(
    { length: length === 0 ? 0 : Math.ceil(runs.length / length) },
    (_, at) => runs.slice(at * length, (at + 1) * length),
  );
}

function byFile(runs: readonly Run[]): [file: number, runs: Run[]][] {
  const files = new Map<number, Run[]>();
  for (const run of runs) {
    const own = files.get(run.file);
    if (own === undefined) files.set(run.file, [run]);
    else own.push(run);
  }
  return [...files];
}
