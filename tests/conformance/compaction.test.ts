/** Merges of a real folder by the mergers of the server: what the manifest and the footer say of the output is what is in it. */
import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Compactor } from "../../core/compact/compact.ts";
import { orElse } from "../../core/compact/fallback.ts";
import { timeMerger } from "../../core/compact/time_merger.ts";
import { defaultCompactionPolicy } from "../../core/compact/plan.ts";
import { silentLog } from "../../core/env/log.ts";
import { seededRandom } from "../../core/env/random.ts";
import { Metrics } from "../../core/metrics/metrics.ts";
import { openStore } from "../../core/store/open.ts";
import { defaultStoreOptions, type Store } from "../../core/store/store.ts";
import { parseFooter } from "../../core/segment/footer.ts";
import { readParquetFooter } from "../../core/segment/reader.ts";
import { NodeDisk } from "../../edge/disk/disk.ts";
import { duckDBMerger } from "../../edge/duckdb/merge.ts";
import { inProcessEncoder } from "../../edge/parquet/in-process.ts";
import { findPython } from "../e2e/python.ts";
import { openDuckDb } from "../golden/segment-duckdb.ts";
import { SimClock } from "../sim/clock.ts";

const dataDir = mkdtempSync(join(tmpdir(), "openwit-compaction-"));
afterAll(() => rmSync(dataDir, { recursive: true }));
const never = new AbortController().signal;
const hourMs = 3_600_000;

async function open(clock: SimClock): Promise<Store> {
  const env = {
    disk: new NodeDisk(dataDir),
    clock,
    random: seededRandom(1),
    log: silentLog,
    encoder: inProcessEncoder(),
    metrics: new Metrics(),
  };
  return await openStore(env, defaultStoreOptions);
}

async function send(store: Store, clock: SimClock, minutesAgo: number, rows: number): Promise<void> {
  const logRecords = Array.from({ length: rows }, (_, row) => ({
    timeUnixNano: String(clock.nowNs() - BigInt(minutesAgo) * 60_000_000_000n - BigInt(row)),
    body: { stringValue: `${minutesAgo} ${row}` },
  }));
  const body = new TextEncoder().encode(JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords }] }] }));
  await store.ingest({
    tenant: "t",
    signal: "logs",
    protocol: "otlp-http",
    encoding: "json",
    compression: "identity",
    body,
    wire: body,
  });
}

test("a merged segment is what the manifest and its footer say, and a restart finds it so", async () => {
  const clock = new SimClock();
  await clock.advance(hourMs / 2);
  let store = await open(clock);
  for (const minutesAgo of [20, 10, 5]) {
    await send(store, clock, minutesAgo, 100);
    await store.flush();
    await clock.advance(1_000);
  }
  const inputs = store.manifest.segmentsOf("t", "logs");
  expect(inputs.length).toBe(3);
  const due: number[] = [];
  const options = {
    policy: defaultCompactionPolicy,
    dutyCycle: 1,
    roomBytes: () => Infinity,
    onPlan: (segments: number) => due.push(segments),
  };
  const engine = duckDBMerger({ dataDir, memoryBytes: 128 * 1024 * 1024, spillBytes: 1024 ** 3 });
  const merger = orElse(store.env.disk, timeMerger(store.env.disk), engine);
  const compactor = new Compactor(store, merger, options);
  expect((await compactor.run(never)).merges).toBe(0);
  const pinned = store.pin("t", "logs");
  await clock.advance(2 * hourMs);
  expect(await compactor.run(never)).toMatchObject({ merges: 1, inputs: 3, rows: 300, postponed: [] });
  expect((await compactor.run(never)).merges).toBe(0);
  expect(due).toEqual([0, 3, 0, 0]); // none, the three and what is left then, none

  const [merged, ...others] = store.manifest.segmentsOf("t", "logs");
  expect(others).toEqual([]);
  expect(merged).toMatchObject({
    level: 2,
    rows: 300,
    late: false,
    lsnFrom: inputs[0].lsnFrom,
    lsnTo: inputs[2].lsnTo,
    replaces: inputs.map(({ id }) => id),
  });
  const { disk } = store.env;
  const footer = await readParquetFooter(disk, merged.path);
  const { nodeId: _node, flushIds: _flush, sources: _sources, ...said } = parseFooter(footer.keyValues);
  const { path: _path, bytes: _bytes, checksum: _checksum, ...meta } = merged;
  expect(said).toEqual(meta);
  expect(footer.bytes).toBe(merged.bytes);
  const reader = await openDuckDb();
  const [range] = await reader.query(
    "SELECT min(timestamp) AS a, max(timestamp) AS b, min(ingest_timestamp) AS c, max(ingest_timestamp) AS d " +
      `FROM read_parquet('${join(dataDir, merged.path)}')`,
  );
  reader.close();
  const { minTimeNs, maxTimeNs, minIngestNs, maxIngestNs } = merged;
  expect(range).toEqual({ a: minTimeNs, b: maxTimeNs, c: minIngestNs, d: maxIngestNs });

  // Pinned files stay; without a pin they go.
  await clock.advance(61_000);
  await store.retired.sweep();
  expect(inputs.map(({ path }) => existsSync(join(dataDir, path)))).toEqual([true, true, true]);
  pinned.release();
  await store.retired.sweep();
  expect(inputs.map(({ path }) => existsSync(join(dataDir, path)))).toEqual([false, false, false]);

  await store.close();
  store = await open(clock);
  expect(store.manifest.segmentsOf("t", "logs")).toEqual([merged]);
  expect(store.damaged.size).toBe(0);
  await store.close();

  // A lost manifest is rebuilt to the same, but for the checksum.
  rmSync(join(dataDir, "manifest"), { recursive: true });
  store = await open(clock);
  const { checksum: _sum, ...known } = merged;
  expect(store.manifest.segmentsOf("t", "logs")).toEqual([known]);
  await store.close();

  const python = findPython("pyarrow");
  if (python === undefined) return; // another reader is a check more, not a condition
  const script = "import sys, pyarrow.parquet as p; t = p.read_table(sys.argv[1]); print(t.num_rows, " +
    "t.schema.field('timestamp').type, t.schema.field('attributes').type, " +
    "t.schema.field('body').metadata[b'PARQUET:field_id'].decode())";
  const read = Bun.spawnSync([python, "-c", script, join(dataDir, merged.path)]);
  expect(read.stdout.toString().trim()).toBe("300 timestamp[ns] map<string, string ('attributes')> 6");
});
