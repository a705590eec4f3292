/** The one thread of what can wait: where it stands, what comes first in it, and how its jobs end. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { silentLog } from "../../core/env/log.ts";
import { indexPath } from "../../core/index/format.ts";
import { buildChunk } from "../../tests/golden/segment-chunk.ts";
import { inProcessEncoder } from "../parquet/in-process.ts";
import { nodeIndexing } from "../server/indexing.ts";
import type { Job } from "./protocol.ts";
import { MergeBacklog, type Standing } from "./standing.ts";
import { BackgroundThread } from "./thread.ts";

const dataDir = mkdtempSync(join(tmpdir(), "openwit-background-"));
afterAll(() => rmSync(dataDir, { recursive: true }));

/** A merge of them takes some seconds, the index of one of them less than one. */
const inputs = [1, 2, 3].map((n) => `parquet/${n}.parquet`);
const large = { signal: "logs", path: inputs[0], id: "1".padStart(28, "0") } as const;
const missing = {
  kind: "index",
  segment: { signal: "logs", path: "parquet/none.parquet", id: "0".repeat(28) },
} as const;

function mergeOf(name: string): Job {
  return { kind: "merge", request: { signal: "logs", inputs, output: `parquet/${name}.tmp`, keyValues: {} } };
}

beforeAll(async () => {
  mkdirSync(join(dataDir, "parquet"));
  for (const [n, path] of inputs.entries()) {
    const parts = [];
    const part = { chunk: buildChunk("logs", n + 1, 20_000), rowCount: 20_000 };
    for await (const bytes of inProcessEncoder().encode("logs", [part], {})) parts.push(bytes);
    writeFileSync(join(dataDir, path), Buffer.concat(parts));
  }
}, 60_000);

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

const jobs: Record<string, Job> = {
  indexes: missing,
  merges: { kind: "measure", request: { signal: "logs", inputs: [missing.segment.path] } },
};

for (const [what, job] of Object.entries(jobs)) {
  test.if(process.platform === "linux")(
    `what ${what} stands behind the others, who stay as they are, goes further back, and comes forward again`,
    async () => {
      let standing: Standing = "behind";
      const thread = new BackgroundThread(dataDir, () => standing);
      for (const [where, at] of [["behind", 5], ["far-behind", 10], ["behind", 5]] as const) {
        standing = where;
        await expect(thread.run(job)).rejects.toThrow("none.parquet"); // there is no such segment
        await becomes([at]);
      }
      expect(threads()[0].nice).toBe(own);
      thread.close();
      await becomes([]);
    },
    20_000,
  );
}

test.if(process.platform === "linux")("what a flush waits for is indexed far behind the others", async () => {
  const never = () => false;
  const { fresh, close } = nodeIndexing(dataDir, silentLog, { isShort: never, isDiskShort: never });
  await expect(fresh.indexer.build(missing.segment)).rejects.toThrow();
  await becomes([10]);
  close();
  await becomes([]);
});

test.if(process.platform === "linux")(
  "a thread whose place was taken ends with the job that it has",
  async () => {
    let standing: Standing = "far-behind";
    const thread = new BackgroundThread(dataDir, () => standing);
    const merged = thread.run(mergeOf("taken"));
    await becomes([10]);
    standing = "behind";
    await thread.run({ kind: "index", segment: large });
    expect(await merged).toEqual({ merged: {} });
    await becomes([5]);
    thread.close();
  },
  60_000,
);

test("what is urgent is done before what came first and takes longer", async () => {
  const thread = new BackgroundThread(dataDir, () => "behind");
  const ended: string[] = [];
  const note = (name: string) => () => void ended.push(name);
  await Promise.all([
    thread.run(mergeOf("first")).then(note("merge")),
    Bun.sleep(50).then(() => thread.run({ kind: "index", segment: large }, { isUrgent: true })).then(
      note("index"),
    ),
  ]);
  expect(ended).toEqual(["index", "merge"]);
  expect(existsSync(join(dataDir, indexPath(large.path)))).toBe(true);
  thread.close();
}, 60_000);

test("a job that is aborted is over when its files are closed, and the thread goes on", async () => {
  const thread = new BackgroundThread(dataDir, () => "behind");
  const abort = new AbortController();
  const merged = thread.run(mergeOf("aborted"), { abort: abort.signal });
  await Bun.sleep(50);
  abort.abort(new Error("not wanted"));
  await expect(merged).rejects.toThrow("not wanted");
  await expect(thread.run(mergeOf("late"), { abort: abort.signal })).rejects.toThrow("not wanted");
  expect((await thread.run({ kind: "index", segment: large })).bytes).toBeGreaterThan(1_000);
  thread.close();
}, 60_000);

test("a thread that is closed fails what it does, and takes nothing more", async () => {
  const thread = new BackgroundThread(dataDir, () => "behind");
  const merged = thread.run(mergeOf("closed"));
  await Bun.sleep(50);
  thread.close();
  await expect(merged).rejects.toThrow("closed");
  await expect(thread.run(missing)).rejects.toThrow("closed");
});

test("merges stand far behind until more waits than a few of them take", () => {
  const backlog = new MergeBacklog();
  const standings = [0, 32, 96, 97, 500].map((segments) => {
    backlog.segments = segments;
    return backlog.standing;
  });
  expect(standings).toEqual(["far-behind", "far-behind", "far-behind", "behind", "behind"]);
});

/** Threads that do this as they get a job, and after them the real one. */
function dyingAt(job: string): () => Worker {
  const script = `globalThis.onmessage = ({ data }) => { if (data.kind === "job") ${job} };`;
  const dying = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  const workers = [() => new Worker(dying)];
  return () => workers.pop()?.() ?? new Worker(new URL("./worker.ts", import.meta.url));
}

test.each([
  ["of an error", "setTimeout(() => { throw new Error('lost its way') })", "died: "],
  ["by itself", "process.exit()", "ended by itself"],
])("a thread that dies %s fails all of its jobs, and another does the next", async (_why, job, how) => {
  const thread = new BackgroundThread(dataDir, () => "behind", dyingAt(job));
  const index: Job = { kind: "index", segment: large };
  const results = await Promise.allSettled([thread.run(index), thread.run(mergeOf("dies"))]);
  for (const result of results) {
    expect(result.status).toBe("rejected");
    const { code, message } = (result as PromiseRejectedResult).reason;
    expect([code, message]).toEqual(["internal", expect.stringContaining(how)]);
  }
  expect(thread.heldBytes).toBe(0);
  expect((await thread.run(index)).bytes).toBeGreaterThan(0);
  thread.close();
  await expect(thread.run(index)).rejects.toMatchObject({ code: "unavailable" });
}, 20_000);
