/**
 * Wrote the golden index of each format, once. It refuses to write over it: a file that was written by an old version must
 * stay readable as it is.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { seededRandom } from "../../core/env/random.ts";
import { buildIndex } from "../../core/index/build.ts";
import { indexFormatVersion } from "../../core/index/format.ts";
import { columnIndex } from "../../core/model/columns.ts";
import { blockRows } from "../../core/segment/encoder.ts";
import { NodeDisk } from "../../edge/disk/disk.ts";
import { inProcessEncoder } from "../../edge/parquet/in-process.ts";
import { buildChunk } from "./segment-chunk.ts";

const path = join(import.meta.dirname, `index-v${indexFormatVersion}-logs.idx`);
if (existsSync(path)) throw new Error(`${path} exists: golden files are never written again`);
const rows = 2 * blockRows + 616;
const chunk = buildChunk("logs", 42, rows);
fill("trace_id", (row) => Math.floor(row / 5_000).toString(16).padStart(32, "a1"));
// Warnings of the first service in the first block, errors of the second in the second.
fill("service_name", (row) => ["GET /cart", "checkout"][row % 2]);
fill("severity_number", (row) => row === 4_000 ? 14 : row === 9_001 ? 18 : 9);
fill("severity_text", (row) => row === 4_000 ? "Warn" : row === 9_001 ? "ERROR" : row === 17_000 - 1 ? "näive" : "INFO");

function fill(column: string, valueOf: (row: number) => string | number): void {
  const vector = chunk.vectors[columnIndex("logs", column)];
  if (vector.kind !== "utf8" && vector.kind !== "dictionary" && vector.kind !== "fixed") throw new Error("of another kind");
  vector.truncate(0);
  for (let row = 0; row < rows; row++) {
    if (vector.kind === "fixed") vector.pushInt(Number(valueOf(row)));
    else vector.pushText(String(valueOf(row)));
  }
}

const folder = mkdtempSync(join(tmpdir(), "openwit-golden-"));
const parts: Uint8Array[] = [];
for await (const part of inProcessEncoder().encode("logs", [{ chunk, rowCount: rows }], {})) parts.push(part);
writeFileSync(join(folder, "a.parquet"), Buffer.concat(parts));
const segment = { id: "019b7c3f5e0011112222333344ff", signal: "logs", path: "a.parquet" } as const;
writeFileSync(path, Buffer.concat(await buildIndex(new NodeDisk(folder), seededRandom(7), segment)));
rmSync(folder, { recursive: true });
