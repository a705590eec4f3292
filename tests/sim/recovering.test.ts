/** A store that takes requests while it brings back what its WAL holds. */
import { expect, test } from "bun:test";
import { SimClock } from "./clock.ts";
import { SimDisk } from "./disk.ts";
import { inProcessEncoder } from "../../edge/parquet/in-process.ts";
import { silentLog } from "../../core/env/log.ts";
import { seededRandom } from "../../core/env/random.ts";
import type { IngestRequest } from "../../core/ingest/request.ts";
import { Metrics } from "../../core/metrics/metrics.ts";
import { columnIndex } from "../../core/model/columns.ts";
import type { Utf8Vector } from "../../core/model/vector.ts";
import type { SegmentEncoder } from "../../core/segment/encoder.ts";
import { openStore, startStore } from "../../core/store/open.ts";
import { defaultStoreOptions, type Store } from "../../core/store/store.ts";
import { logRequest } from "./log-request.ts";

const clock = new SimClock();

/** Flushes wait until the gate is open; a recovery of these few rows flushes all the time. */
function gated(): { encoder: SegmentEncoder; open: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  const encoder = inProcessEncoder();
  return {
    open: resolve,
    encoder: {
      ...encoder,
      async *encode(...args) {
        await promise;
        yield* encoder.encode(...args);
      },
    },
  };
}

function envOf(disk: SimDisk, encoder: SegmentEncoder = inProcessEncoder()) {
  return {
    disk: disk.process(),
    clock,
    random: seededRandom(1),
    log: silentLog,
    encoder,
    metrics: new Metrics(),
  };
}

function request(text: string): IngestRequest {
  const logRecords = [{ timeUnixNano: String(clock.nowNs()), body: { stringValue: text } }];
  return logRequest(logRecords);
}

function inMemory(store: Store): string[] {
  const { chunks, release } = store.pin("default", "logs");
  release();
  return chunks.flatMap(({ chunk, rows }) => {
    const bodies = chunk.vectors[columnIndex("logs", "body")] as Utf8Vector;
    return Array.from({ length: rows }, (_, row) => bodies.text(row)!);
  });
}

/** A disk on which a process has died with `count` requests in its WAL. */
async function diskAfter(count: number): Promise<SimDisk> {
  const disk = new SimDisk(1);
  const store = await openStore(envOf(disk), defaultStoreOptions);
  for (let at = 0; at < count; at++) await store.ingest(request(`old ${at}`));
  disk.kill();
  disk.restart();
  return disk;
}

test("requests are taken before the rows of the last run are back, and come behind them", async () => {
  const disk = await diskAfter(20);
  const { encoder, open } = gated();
  const store = await startStore(envOf(disk, encoder), { ...defaultStoreOptions, flushBytes: 200 });
  expect(store.isRecovering).toBe(true);
  expect(await store.ingest(request("new"))).toMatchObject({ rows: 1, duplicate: false });
  expect(await store.ingest(request("old 3"))).toMatchObject({ duplicate: true });
  expect(store.isRecovering).toBe(true);
  open();
  await store.recovered;
  expect(store.isRecovering).toBe(false);
  expect(inMemory(store).at(-1)).toBe("new");
  await store.flush();
  const rows = store.manifest.segmentsOf("default", "logs").reduce((sum, segment) => sum + segment.rows, 0);
  expect(rows).toBe(21);
  await store.close();
});

test("a flush that is asked for waits for the recovery: new rows must not overtake old ones", async () => {
  const disk = await diskAfter(20);
  const { encoder, open } = gated();
  const store = await startStore(envOf(disk, encoder), { ...defaultStoreOptions, flushBytes: 200 });
  const { lsnOfNew, flushed } = await store.ingest(request("new")).then(() => ({
    lsnOfNew: store.wal.next - 1,
    flushed: store.flush(),
  }));
  for (let turn = 0; turn < 100; turn++) await Promise.resolve();
  expect(store.manifest.state.watermarks.get("default/logs") ?? 0).toBeLessThan(lsnOfNew);
  open();
  await flushed;
  expect(store.manifest.state.watermarks.get("default/logs")).toBe(lsnOfNew);
  await store.close();
});

test("new requests have a part of the memory during a recovery; beyond it they are refused, retryable", async () => {
  const disk = await diskAfter(20);
  const { encoder, open } = gated();
  const store = await startStore(envOf(disk, encoder), { ...defaultStoreOptions, flushBytes: 200 });
  const large = "x".repeat(1_000_000);
  let refusal: unknown;
  for (let at = 0; at < 100 && refusal === undefined; at++) {
    await store.ingest(request(`${at} ${large}`)).catch((error) => refusal = error);
  }
  expect(refusal).toMatchObject({ code: "overloaded", retryable: true });
  open();
  await store.recovered;
  await store.ingest(request(large));
  await store.close();
});

test("a node that stops in the middle leaves the rest for the next start", async () => {
  const disk = await diskAfter(20);
  const { encoder, open } = gated();
  const store = await startStore(envOf(disk, encoder), { ...defaultStoreOptions, flushBytes: 200 });
  await store.ingest(request("new"));
  const closed = store.close();
  open();
  await closed;
  await expect(store.recovered).rejects.toMatchObject({ code: "unavailable" });
  const again = await openStore(envOf(disk), defaultStoreOptions);
  const segments = again.manifest.segmentsOf("default", "logs").reduce(
    (sum, segment) => sum + segment.rows,
    0,
  );
  expect(segments + inMemory(again).length).toBe(21);
  await again.close();
});
