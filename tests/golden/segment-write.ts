/**
 * Wrote the golden segments of footer format 1, once: `segment-v1-<signal>.parquet`, and beside each what a
 * reader must find in it. It refuses to write over them: a file that was written by an old version must stay
 * readable as it is.
 */
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { signals } from "../../core/model/columns.ts";
import { buildFooter, type SegmentFooter } from "../../core/segment/footer.ts";
import { splitByHour } from "../../core/segment/hours.ts";
import { inProcessEncoder } from "../../edge/parquet/in-process.ts";
import { buildChunk, rowOf } from "./segment-chunk.ts";
import { openDuckDb } from "./segment-duckdb.ts";
import { exactJson } from "./segment-json.ts";

const rows = 40;
const duckdb = await openDuckDb();
for (const signal of signals) {
  const path = join(import.meta.dirname, `segment-v1-${signal}.parquet`);
  if (existsSync(path)) throw new Error(`${path} exists: golden files are never written again`);
  const chunk = buildChunk(signal, 42, rows);
  const [group] = splitByHour(signal, [{ chunk, rowCount: rows }]);
  const id = "019b7c3f5e0011112222333344ff";
  const footer: SegmentFooter = {
    ...group,
    id,
    tenant: "acme",
    signal,
    level: 0,
    lsnFrom: 7,
    lsnTo: 9,
    schemaVersion: 1,
    replaces: ["019b7c3f5e0011112222333344fe"],
  };
  const origin = {
    nodeId: "node-1",
    flushIds: [id],
    sources: [{ source: "raw", partition: 3, fromOffset: 0, toOffset: 99 }],
  };
  const keyValues = buildFooter(footer, origin);
  const parts: Uint8Array[] = [];
  for await (const bytes of inProcessEncoder().encode(signal, group.parts, keyValues)) parts.push(bytes);
  writeFileSync(path, Buffer.concat(parts));
  const expected = {
    keyValues,
    fieldIds: await duckdb.fieldIds(path),
    types: await duckdb.types(path),
    rows: Array.from({ length: rows }, (_, row) => rowOf(chunk, row)),
  };
  writeFileSync(path.replace(".parquet", ".json"), exactJson(expected));
}
duckdb.close();
