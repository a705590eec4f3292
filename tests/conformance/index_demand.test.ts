/** Fresh segments get an index once they are searched, and when it is worth one; what is merged or gone is left alone. */
import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog } from "../../core/env/log.ts";
import { seededRandom } from "../../core/env/random.ts";
import { askedMax, IndexDemand, scannedRowsMax } from "../../core/index/demand.ts";
import { indexPath } from "../../core/index/format.ts";
import { directIndexer } from "../../core/index/indexer.ts";
import type { IndexPredicate } from "../../core/index/predicate.ts";
import { SidecarIndexes } from "../../core/index/sidecars.ts";
import { IndexUpkeep } from "../../core/index/upkeep.ts";
import type { SegmentMeta } from "../../core/manifest/manifest.ts";
import { Metrics } from "../../core/metrics/metrics.ts";
import { openStore } from "../../core/store/open.ts";
import { defaultStoreOptions } from "../../core/store/store.ts";
import { NodeDisk } from "../../edge/disk/disk.ts";
import { nodeIndexFiles } from "../../edge/index/files.ts";
import { inProcessEncoder } from "../../edge/parquet/in-process.ts";
import { SimClock } from "../sim/clock.ts";
import { logRequest } from "../sim/log-request.ts";

const dataDir = mkdtempSync(join(tmpdir(), "openwit-demand-"));
afterAll(() => rmSync(dataDir, { recursive: true }));
const never = new AbortController().signal;
const word = (text: string): IndexPredicate => ({ kind: "word", column: "body", word: text });

async function boxOf(folder: string) {
  const disk = new NodeDisk(join(dataDir, folder));
  const clock = new SimClock();
  const room = { isShort: false };
  const indexes = new IndexDemand(
    new SidecarIndexes(nodeIndexFiles(join(dataDir, folder)), silentLog),
    clock,
    () => room.isShort,
  );
  const env = {
    disk,
    clock,
    random: seededRandom(1),
    log: silentLog,
    encoder: inProcessEncoder(),
    metrics: new Metrics(),
    indexes,
  };
  const store = await openStore(env, defaultStoreOptions);
  const flush = async (rows: number, text: string) => {
    const timeUnixNano = String(clock.nowNs());
    const record = (row: number) => ({
      timeUnixNano,
      body: { stringValue: `${text} ${Math.floor(row / 100)}` },
    });
    for (let sent = 0; sent < rows; sent += 10_000) {
      const length = Math.min(10_000, rows - sent);
      await store.ingest(logRequest(Array.from({ length }, (_, at) => record(sent + at))));
      await clock.advance(1_000);
    }
    await store.flush();
  };
  const upkeep = new IndexUpkeep(store, directIndexer(disk, seededRandom(2)));
  const segments = () => [...store.manifest.state.segments.values()];
  const hasIndex = ({ path }: SegmentMeta) => existsSync(join(dataDir, folder, indexPath(path)));
  return { store, indexes, flush, upkeep, segments, hasIndex, room };
}

test("what is searched and large is indexed, and searched by its index then", async () => {
  const { store, indexes, flush, upkeep, segments, hasIndex } = await boxOf("searched");
  let demands = 0;
  indexes.onDemand = () => demands++;
  await flush(30_000, "alpha");
  expect(await indexes.candidatesOf(segments(), word("beta"))).toEqual([undefined]);
  expect([demands, indexes.wanted()]).toEqual([0, []]); // so few are scanned in less time than an index takes
  await flush(30_000, "beta");
  expect(await upkeep.runWanted(indexes, never)).toMatchObject({ segments: 0 }); // nobody asked for the second
  await indexes.candidatesOf(segments(), word("beta"));
  expect(demands).toBe(1);
  expect(await upkeep.runWanted(indexes, never)).toMatchObject({ segments: 2, rows: 60_000, failed: [] });
  expect(segments().map(hasIndex)).toEqual([true, true]);
  const found = await indexes.candidatesOf(segments(), word("beta"));
  expect(found.map((blocks) => blocks?.isEmpty)).toEqual([true, false]);
  expect(indexes.wanted()).toEqual([]);
  expect(await upkeep.run(never)).toMatchObject({ segments: 0 }); // fresh ones are none of its business
  await store.close();
}, 60_000);

test("what is small is indexed once it was asked for often, and there is room", async () => {
  const { store, indexes, flush, upkeep, segments, hasIndex, room } = await boxOf("often");
  let demands = 0;
  indexes.onDemand = () => demands++;
  await flush(5_000, "alpha");
  await flush(5_000, "beta");
  const [alpha, beta] = segments();
  for (let asked = 1; asked < askedMax; asked++) await indexes.candidatesOf([alpha], word("beta"));
  expect([demands, indexes.wanted()]).toEqual([0, []]);
  room.isShort = true;
  await indexes.candidatesOf([alpha], word("beta"));
  expect([demands, indexes.wanted()]).toEqual([0, []]);
  room.isShort = false;
  await indexes.candidatesOf([alpha, beta], word("beta"));
  expect([demands, indexes.wanted().map(({ id }) => id)]).toEqual([1, [alpha.id]]);
  expect(await upkeep.runWanted(indexes, never)).toMatchObject({ segments: 1, rows: 5_000, failed: [] });
  expect([alpha, beta].map(hasIndex)).toEqual([true, false]);
  await indexes.candidatesOf([alpha, beta], word("beta"));
  expect([demands, indexes.wanted()]).toEqual([1, []]);
  await store.close();
}, 60_000);

test("what went meanwhile, and what cannot be indexed, is not wanted for ever", async () => {
  const { store, indexes, flush, upkeep, segments, hasIndex } = await boxOf("gone");
  await flush(scannedRowsMax, "alpha");
  await flush(scannedRowsMax, "beta");
  const asked = segments();
  await indexes.candidatesOf(asked, word("beta"));
  expect(indexes.wanted().length).toBe(2);
  await store.retired.retire([asked[0]]);
  rmSync(join(dataDir, "gone", asked[1].path));
  const report = await upkeep.runWanted(indexes, never);
  expect(report).toMatchObject({ segments: 0, failed: [{ path: asked[1].path }] });
  await indexes.candidatesOf(asked, word("beta"));
  expect(indexes.wanted()).toEqual([]);
  expect(asked.map(hasIndex)).toEqual([false, false]);
  await store.close();
}, 60_000);
