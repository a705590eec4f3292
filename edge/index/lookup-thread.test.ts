import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { seededRandom } from "../../core/env/random.ts";
import { indexPath } from "../../core/index/format.ts";
import { directIndexer } from "../../core/index/indexer.ts";
import type { StoreIndexes } from "../../core/index/indexes.ts";
import type { IndexPredicate } from "../../core/index/predicate.ts";
import { SidecarIndexes } from "../../core/index/sidecars.ts";
import { buildChunk } from "../../tests/golden/segment-chunk.ts";
import { NodeDisk } from "../disk/disk.ts";
import { inProcessEncoder } from "../parquet/in-process.ts";
import { nodeIndexFiles } from "./files.ts";
import { lookupThread } from "./lookup-thread.ts";

const folder = mkdtempSync(join(tmpdir(), "openwit-lookup-"));
const disk = new NodeDisk(folder);
const logged: string[] = [];
const thread = lookupThread(
  folder,
  (_level, message, fields) => logged.push(`${message} ${JSON.stringify(fields)}`),
);
afterAll(() => {
  thread.close();
  rmSync(folder, { recursive: true });
});

async function segment(n: number, rows: number) {
  const path = `parquet/${n}.parquet`;
  const parts = [];
  const chunk = buildChunk("logs", n, rows);
  for await (const part of inProcessEncoder().encode("logs", [{ chunk, rowCount: rows }], {})) {
    parts.push(part);
  }
  mkdirSync(join(folder, "parquet"), { recursive: true });
  writeFileSync(join(folder, path), Buffer.concat(parts));
  const made = { id: n.toString(16).padStart(28, "0"), signal: "logs", path, rows } as const;
  await directIndexer(disk, seededRandom(n)).build(made);
  return made;
}

const predicates: IndexPredicate[] = [
  { kind: "equal", field: "service_name", value: "GET /cart" },
  { kind: "word", column: "body", word: "nowhere" },
  { kind: "part", column: "body", text: "heck", atStart: false, atEnd: false },
];

test("the thread answers as the files themselves do, whatever is asked at once", async () => {
  const segments = await Promise.all([segment(1, 9_000), segment(2, 300), segment(3, 20_000)]);
  const direct = new SidecarIndexes(nodeIndexFiles(folder), () => {});
  const asked = [segments, segments.toReversed(), segments.slice(1)];
  const answers = (indexes: StoreIndexes) =>
    Promise.all(
      predicates.flatMap((predicate) => asked.map((some) => indexes.candidatesOf(some, predicate))),
    );
  const sets = (found: Awaited<ReturnType<typeof answers>>) =>
    found.map((each) => each.map((blocks) => [blocks!.count, ...blocks!]));
  const expected = sets(await answers(direct));
  expect(sets(await answers(thread))).toEqual(expected);
  expect(expected.flat().some((blocks) => blocks.length === 1)).toBe(true); // some leave no block,
  expect(expected.flat().some((blocks) => blocks.length > 1)).toBe(true); // some do
  for (const each of segments) expect(await thread.blockTimes(each)).toEqual(await direct.blockTimes(each));
  direct.close();
}, 30_000);

test("an index that is missing or damaged is told of once, and used when it was built again", async () => {
  const made = await segment(4, 300), whole = await segment(6, 300);
  rmSync(join(folder, indexPath(made.path)));
  expect(await thread.candidatesOf([made], predicates[0])).toEqual([undefined]);
  expect(thread.unusable.get(made.id)).toBe("none");
  expect(logged).toEqual([]); // nothing is wrong with a segment that has none
  writeFileSync(join(folder, indexPath(made.path)), new Uint8Array(500));
  thread.forget(made.id);
  // Beside a segment whose index is whole.
  const [first, none, last] = await thread.candidatesOf([whole, made, whole], predicates[0]);
  expect([[...first!], none, [...last!]]).toEqual([[0], undefined, [0]]);
  expect(await thread.candidatesOf([made, whole], predicates[0])).toEqual([undefined, last]);
  expect(await thread.blockTimes(made)).toBeUndefined();
  expect(logged).toHaveLength(1);
  expect(logged[0]).toContain("does not begin with OWIX");
  await directIndexer(disk, seededRandom(4)).build(made);
  thread.forget(made.id);
  expect([...(await thread.candidatesOf([made], predicates[0]))[0]!]).toEqual([0]);
}, 30_000);

test("what was asked when it was closed is answered with a scan", async () => {
  const closing = lookupThread(folder, () => {});
  const made = await segment(5, 300);
  const asked = closing.candidatesOf([made], predicates[0]);
  await Promise.resolve();
  closing.close();
  expect(await asked).toEqual([undefined]);
  // The thread that is started by the next question knows no segment.
  expect([...(await closing.candidatesOf([made], predicates[0]))[0]!]).toEqual([0]);
  closing.close();
});
