import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { seededRandom } from "../../core/env/random.ts";
import { indexPath } from "../../core/index/format.ts";
import { directIndexer } from "../../core/index/indexer.ts";
import type { IndexPredicate } from "../../core/index/predicate.ts";
import { SidecarIndexes } from "../../core/index/sidecars.ts";
import { buildChunk } from "../../tests/golden/segment-chunk.ts";
import { NodeDisk } from "../disk/disk.ts";
import { inProcessEncoder } from "../parquet/in-process.ts";
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
  const direct = new SidecarIndexes(disk, () => {});
  const asked = predicates.flatMap((predicate) => segments.map((each) => [each, predicate] as const));
  const found = await Promise.all(asked.map(([each, predicate]) => thread.candidates(each, predicate)));
  const expected = await Promise.all(asked.map(([each, predicate]) => direct.candidates(each, predicate)));
  expect(found.map((blocks) => [...blocks!])).toEqual(expected.map((blocks) => [...blocks!]));
  for (const each of segments) expect(await thread.blockTimes(each)).toEqual(await direct.blockTimes(each));
  direct.close();
}, 30_000);

test("an index that is missing or damaged is told of once, and used when it was built again", async () => {
  const made = await segment(4, 300);
  rmSync(join(folder, indexPath(made.path)));
  expect(await thread.candidates(made, predicates[0])).toBeUndefined();
  expect(thread.unusable.get(made.id)).toBe("none");
  expect(logged).toEqual([]); // nothing is wrong with a segment that has none
  writeFileSync(join(folder, indexPath(made.path)), new Uint8Array(500));
  thread.forget(made.id);
  expect(await thread.candidates(made, predicates[0])).toBeUndefined();
  expect(await thread.blockTimes(made)).toBeUndefined();
  expect(logged).toHaveLength(1);
  expect(logged[0]).toContain("does not begin with OWIX");
  await directIndexer(disk, seededRandom(4)).build(made);
  thread.forget(made.id);
  expect([...(await thread.candidates(made, predicates[0]))!]).toEqual([0]);
}, 30_000);

test("what was asked when it was closed is answered with a scan", async () => {
  const closing = lookupThread(folder, () => {});
  const asked = closing.candidates(await segment(5, 300), predicates[0]);
  await Promise.resolve();
  closing.close();
  expect(await asked).toBeUndefined();
});
