import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { silentLog } from "../../core/env/log.ts";
import { workerIndexer } from "../index/worker-indexer.ts";
import { workerMerger } from "../merge/worker-merger.ts";
import { nodeIndexing } from "./indexing.ts";
import { MergeBacklog, type Standing } from "./thread-priority.ts";

const dataDir = mkdtempSync(join(tmpdir(), "openwit-priority-"));
afterAll(() => rmSync(dataDir, { recursive: true }));

interface Thread {
  readonly name: string;
  readonly nice: number;
}

/** The threads of this process: fields 2 and 19 of proc(5)'s stat. */
function threads(): Thread[] {
  return readdirSync("/proc/self/task").flatMap((task) => {
    const path = `/proc/self/task/${task}/stat`;
    const stat = readText(path);
    if (stat === undefined) return []; // it has ended since it was listed
    const [head, tail] = [stat.slice(0, stat.lastIndexOf(")")), stat.slice(stat.lastIndexOf(")") + 2)];
    return { name: head.slice(head.indexOf("(") + 1), nice: Number(tail.split(" ")[16]) };
  });
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

const [{ nice: own }] = threads();

/** Where the workers stand, from the first to the last, beside this thread: others inherit from who starts them. */
function workersAt(): number[] {
  return threads().filter(({ name }) => name === "Worker").map(({ nice }) => nice - own).sort((a, b) =>
    a - b
  );
}

/** A thread ends some time after it was told to. */
async function becomes(at: readonly number[]): Promise<void> {
  const untilMs = performance.now() + 3_000;
  while (!Bun.deepEquals(workersAt(), at) && performance.now() < untilMs) await Bun.sleep(20);
  expect(workersAt()).toEqual([...at]);
}

let standing: Standing | undefined;
const wanted = () => standing!;
const none = { signal: "logs", path: "parquet/none.parquet" } as const;

const indexer = workerIndexer(dataDir, wanted);
const merger = workerMerger({ dataDir, standing: wanted });
const jobs: Record<string, { run(): Promise<unknown>; close(): void }> = {
  indexes: { run: () => indexer.build({ ...none, id: "0".repeat(28) }), close: () => indexer.close() },
  merges: {
    run: () =>
      merger.measure({ signal: none.signal, inputs: [none.path], abort: new AbortController().signal }),
    close: () => merger.close(),
  },
};

for (const [what, { run, close }] of Object.entries(jobs)) {
  test.if(process.platform === "linux")(
    `what ${what} stands behind the others, who stay as they are, goes further back, and comes forward again`,
    async () => {
      for (const [where, at] of [["behind", 5], ["far-behind", 10], ["behind", 5]] as const) {
        standing = where;
        await expect(run()).rejects.toThrow(); // there is no such segment
        await becomes([at]);
      }
      expect(threads()[0].nice).toBe(own);
      close();
      await becomes([]);
    },
    20_000,
  );
}

test.if(process.platform === "linux")("what a flush waits for is indexed far behind the others", async () => {
  const { fresh, close } = nodeIndexing(dataDir, silentLog, () => false);
  await expect(fresh.indexer.build({ ...none, id: "0".repeat(28) })).rejects.toThrow();
  await becomes([10]);
  close();
});

test("merges stand far behind until more waits than a few of them take", () => {
  const backlog = new MergeBacklog();
  const standings = [0, 16, 48, 49, 500].map((segments) => {
    backlog.segments = segments;
    return backlog.standing;
  });
  expect(standings).toEqual(["far-behind", "far-behind", "far-behind", "behind", "behind"]);
});
