/**
 * Wrote the golden archive of version 1, once: rows of a node, and rows that came to it in an archive of another. It
 * refuses to write over it: an archive of an old version must stay readable as it is.
 */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Importer } from "../../core/archive/import.ts";
import { type ArchiveFilter } from "../../core/archive/format.ts";
import { exportArchive } from "../../core/archive/writer.ts";
import { silentLog } from "../../core/env/log.ts";
import { seededRandom } from "../../core/env/random.ts";
import { Metrics } from "../../core/metrics/metrics.ts";
import { parseFooter } from "../../core/segment/footer.ts";
import { readParquetFooter } from "../../core/segment/reader.ts";
import { openStore } from "../../core/store/open.ts";
import { defaultStoreOptions, type Store } from "../../core/store/store.ts";
import { inProcessEncoder } from "../../edge/parquet/in-process.ts";
import { SimClock } from "../sim/clock.ts";
import { SimDisk } from "../sim/disk.ts";
import { logRequest } from "../sim/log-request.ts";

const path = join(import.meta.dirname, "archive-v1.tar");
if (existsSync(path)) throw new Error(`${path} exists: golden files are never written again`);
const clock = new SimClock();
const [from, to] = [await open(1), await open(2)];
await send(from, "default", "hello", clock.nowNs());
await send(from, "shop-7", "wörld", clock.nowNs());
await send(to, "default", "from 1970", 1n);
const importer = new Importer(to, {
  roomBytes: () => Infinity,
  exclusively: (work) => work(),
  async scan(file) {
    return parseFooter((await readParquetFooter(to.env.disk, file)).keyValues);
  },
  rowsInCommon: () => Promise.resolve(0),
});
await importer.run(pieces(await archiveOf(from, {})), {
  dryRun: false,
  signal: new AbortController().signal,
});
writeFileSync(path, await archiveOf(to, { signal: "logs", sinceNs: 0n }));

function open(seed: number): Promise<Store> {
  return openStore({
    disk: new SimDisk(seed).process(),
    clock,
    random: seededRandom(seed),
    log: silentLog,
    encoder: inProcessEncoder(),
    metrics: new Metrics(),
  }, defaultStoreOptions);
}

async function send(store: Store, tenant: string, text: string, timeNs: bigint): Promise<void> {
  const logRecords = [{ timeUnixNano: String(timeNs), body: { stringValue: text } }];
  await store.ingest(logRequest(logRecords, tenant));
}

async function archiveOf(store: Store, filter: ArchiveFilter): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  const { bytes } = await exportArchive(store, { filter, createdBy: "openwit 0.1.0" });
  for await (const part of bytes) parts.push(part.slice());
  return Buffer.concat(parts);
}

async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes);
}
