/** An index that an older build wrote is asked for what it knows, and built anew by upkeep, once. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Compactor } from "../../core/compact/compact.ts";
import { defaultCompactionPolicy } from "../../core/compact/plan.ts";
import { silentLog } from "../../core/env/log.ts";
import { seededRandom } from "../../core/env/random.ts";
import { indexPath } from "../../core/index/format.ts";
import { directIndexer } from "../../core/index/indexer.ts";
import type { IndexPredicate } from "../../core/index/predicate.ts";
import { SidecarIndexes } from "../../core/index/sidecars.ts";
import { IndexUpkeep } from "../../core/index/upkeep.ts";
import { Metrics } from "../../core/metrics/metrics.ts";
import { openStore } from "../../core/store/open.ts";
import { defaultStoreOptions } from "../../core/store/store.ts";
import { NodeDisk } from "../../edge/disk/disk.ts";
import { duckDBMerger } from "../../edge/duckdb/merge.ts";
import { nodeIndexFiles } from "../../edge/index/files.ts";
import { inProcessEncoder } from "../../edge/parquet/in-process.ts";
import { SimClock } from "../sim/clock.ts";
import { logRequest } from "../sim/log-request.ts";

const dataDir = mkdtempSync(join(tmpdir(), "openwit-upkeep-"));
afterAll(() => rmSync(dataDir, { recursive: true }));
const never = new AbortController().signal;

test("an index of format 1 is asked for what it knows, and built anew once", async () => {
  const disk = new NodeDisk(dataDir), clock = new SimClock(), random = seededRandom(1);
  const indexes = new SidecarIndexes(nodeIndexFiles(dataDir), silentLog);
  const store = await openStore({
    disk,
    clock,
    random,
    log: silentLog,
    encoder: inProcessEncoder(),
    metrics: new Metrics(),
    indexes,
  }, defaultStoreOptions);
  for (const text of ["alpha", "beta"]) {
    await store.ingest(
      logRequest([{ timeUnixNano: String(clock.nowNs()), severityNumber: 9, body: { stringValue: text } }]),
    );
    await store.flush();
  }
  await clock.advance(3 * 3_600_000);
  const merger = duckDBMerger({ dataDir, memoryBytes: 128 << 20, spillBytes: 1 << 30 });
  const indexer = directIndexer(disk, random);
  const options = { policy: defaultCompactionPolicy, dutyCycle: 1, indexer, roomBytes: () => Infinity };
  expect(await new Compactor(store, merger, options).run(never)).toMatchObject({ merges: 1, rows: 2 });
  const segments = [...store.manifest.state.segments.values()];
  expect(segments.map(({ level }) => level)).toEqual([2]);
  const path = join(dataDir, indexPath(segments[0].path));
  const leaves = async (
    predicate: IndexPredicate,
  ) => [...(await indexes.candidatesOf(segments, predicate))[0]!];
  const error: IndexPredicate = { kind: "level", field: "severity_number", least: 17 };
  const absent: IndexPredicate = { kind: "word", column: "body", word: "gamma" };
  expect([await leaves(error), await leaves(absent)]).toEqual([[], []]);

  const bytes = readFileSync(path);
  bytes.writeUInt16LE(1, 4); // what the older format lacks is not asked for
  writeFileSync(path, bytes);
  indexes.forget(segments[0].id);
  expect([await leaves(error), await leaves(absent)]).toEqual([[0], []]);

  const upkeep = new IndexUpkeep(store, indexer);
  expect(await upkeep.run(never, { renewedMax: 0 })).toMatchObject({ segments: 0 }); // another time
  expect(await upkeep.run(never)).toMatchObject({ segments: 1, rows: 2, failed: [] });
  expect(readFileSync(path).readUInt16LE(4)).toBe(2);
  expect([await leaves(error), await leaves(absent)]).toEqual([[], []]);
  expect(await upkeep.run(never)).toMatchObject({ segments: 0 });
  await store.close();
}, 60_000);
