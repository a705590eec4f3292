/**
 * Wrote the golden index of format 1, once. It refuses to write over it: a file that was written by an old version must
 * stay readable as it is.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { seededRandom } from "../../core/env/random.ts";
import { buildIndex } from "../../core/index/build.ts";
import { blockRows } from "../../core/segment/encoder.ts";
import { NodeDisk } from "../../edge/disk/disk.ts";
import { inProcessEncoder } from "../../edge/parquet/in-process.ts";
import { buildChunk } from "./segment-chunk.ts";

const path = join(import.meta.dirname, "index-v1-logs.idx");
if (existsSync(path)) throw new Error(`${path} exists: golden files are never written again`);
const rows = 2 * blockRows + 616;
const chunk = buildChunk("logs", 42, rows);
const [traces] = chunk.vectors.filter((_, index) => index === 8);
if (traces.kind !== "utf8") throw new Error("trace_id has moved");
traces.truncate(0);
for (let row = 0; row < rows; row++) traces.pushText(Math.floor(row / 5_000).toString(16).padStart(32, "a1"));
const folder = mkdtempSync(join(tmpdir(), "openwit-golden-"));
const parts: Uint8Array[] = [];
for await (const part of inProcessEncoder().encode("logs", [{ chunk, rowCount: rows }], {})) parts.push(part);
writeFileSync(join(folder, "a.parquet"), Buffer.concat(parts));
const segment = { id: "019b7c3f5e0011112222333344ff", signal: "logs", path: "a.parquet" } as const;
writeFileSync(path, Buffer.concat(await buildIndex(new NodeDisk(folder), seededRandom(7), segment)));
rmSync(folder, { recursive: true });
