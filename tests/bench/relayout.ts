/**
 * Writes the segments of a history (history.ts) anew, in the layout of pages and with the index that the present code
 * gives, each under its id and name: `node compile/bun.mjs tests/bench/relayout.ts DIR [options]`. Nothing is generated.
 *
 * Logs and spans go through the merger of the server, one segment at a time; points keep their files. As many processes as
 * there are cores share the work, and one that was stopped goes on where it was: `relayout.ndjson` has a line for each
 * segment that is done. Files are exchanged by renaming, so a folder of hard links leaves what it was made of alone. No
 * server may work on the folder.
 */
import { appendFileSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { timeMerger } from "../../core/compact/time_merger.ts";
import { type Disk, folderOf, temporarySuffix } from "../../core/env/disk.ts";
import { systemRandom } from "../../core/env/random.ts";
import { directIndexer } from "../../core/index/indexer.ts";
import { Manifest, type SegmentMeta } from "../../core/manifest/manifest.ts";
import { readManifest } from "../../core/manifest/reader.ts";
import { readParquetFooter } from "../../core/segment/reader.ts";
import { sealFile } from "../../core/segment/seal.ts";
import { NodeDisk } from "../../edge/disk/disk.ts";
import { collectGarbage } from "../../edge/background/garbage.ts";
import { printHour, readHours } from "./history.ts";

const usage = `node compile/bun.mjs tests/bench/relayout.ts DIR [options]

  --limit N    segments at most, the largest first; the rest stay as they are
  --part K/N   what a process of this program does: every Nth segment from the Kth
`;

interface Rewritten {
  readonly id: string;
  readonly bytes: number;
  readonly checksum?: number;
  readonly indexBytes: number;
}

/** Writes a segment and its index anew. */
export async function rewriteSegment(disk: Disk, segment: SegmentMeta): Promise<Rewritten> {
  const { id, signal, path } = segment;
  const sealed = signal === "metrics" ? {} : await rewriteFile(disk, segment);
  const indexBytes = await directIndexer(disk, systemRandom).build({ id, signal, path });
  return { id, bytes: segment.bytes, ...sealed, indexBytes };
}

async function rewriteFile(
  disk: Disk,
  { signal, path, rows }: SegmentMeta,
): Promise<{ bytes: number; checksum: number }> {
  const { keyValues } = await readParquetFooter(disk, path);
  const output = path + temporarySuffix;
  await disk.remove(output);
  await timeMerger(disk, { collect: collectGarbage() })
    .merge({ signal, inputs: [path], output, keyValues, abort: new AbortController().signal });
  const written = await readParquetFooter(disk, output);
  if (written.rows !== rows) throw new Error(`${path} has ${rows} rows, its copy ${written.rows}`);
  const sealed = await sealFile(disk, output);
  await disk.rename(output, path);
  await disk.syncDir(folderOf(path));
  return sealed;
}

/** Segments that are to be written anew, the largest first. */
async function segmentsIn(disk: Disk, limit: number): Promise<SegmentMeta[]> {
  const { live } = await readManifest(disk, () => {}, true);
  return [...live.segments.values()].sort((a, b) => b.bytes - a.bytes || (a.id < b.id ? -1 : 1)).slice(
    0,
    limit,
  );
}

function readDone(dataDir: string): Map<string, Rewritten> {
  const path = donePath(dataDir);
  if (!existsSync(path)) return new Map();
  const lines = readFileSync(path, "utf8").split("\n").filter((line) => line !== "");
  return new Map(lines.map((line) => JSON.parse(line) as Rewritten).map((each) => [each.id, each]));
}

function donePath(dataDir: string): string {
  return join(dataDir, "relayout.ndjson");
}

async function rewritePart(dataDir: string, limit: number, part: string): Promise<void> {
  const [first, step] = part.split("/").map(Number);
  const disk = new NodeDisk(dataDir);
  const done = readDone(dataDir);
  const segments = await segmentsIn(disk, limit);
  for (let at = first; at < segments.length; at += step) {
    if (done.has(segments[at].id)) continue;
    console.log(JSON.stringify(await rewriteSegment(disk, segments[at])));
  }
}

/** Has processes do it, and then says in the manifest and in the list of hours what the files are now. */
async function rewriteAll(dataDir: string, limit: number): Promise<void> {
  const disk = new NodeDisk(dataDir);
  const total = (await segmentsIn(disk, limit)).length;
  const processes = availableParallelism();
  let left = total - readDone(dataDir).size;
  await Promise.all(
    Array.from({ length: processes }, (_, part) =>
      runPart(dataDir, limit, `${part}/${processes}`, (line) => {
        appendFileSync(donePath(dataDir), `${line}\n`);
        if (--left % 50 === 0) console.error(`${left} of ${total} segments are left`);
      })),
  );
  const done = readDone(dataDir);
  const { live } = await readManifest(disk, () => {}, true);
  const before = [...live.segments.values()];
  const renewed = (segment: SegmentMeta): SegmentMeta => {
    const { bytes, checksum } = done.get(segment.id) ?? segment;
    return { ...segment, bytes, ...checksum === undefined ? {} : { checksum } };
  };
  const { nodeId, watermarks, settings } = live;
  const segments = before.map(renewed);
  const manifest = await Manifest.create({ disk, random: systemRandom, log: () => {} }, {
    nodeId,
    segments,
    watermarks,
    settings,
  });
  await manifest.close();
  const hours = readHours(dataDir).map((hour) => {
    const indexBytes = { ...hour.indexBytes };
    for (const signal of ["logs", "spans", "metrics"] as const) {
      const own = hour.segments.filter((each) => each.signal === signal).map(({ id }) => done.get(id));
      if (own.length > 0 && own.every((each) => each !== undefined)) {
        indexBytes[signal] = own.reduce((sum, each) => sum + each.indexBytes, 0);
      }
    }
    return { ...hour, segments: hour.segments.map(renewed), indexBytes };
  });
  const listed = join(dataDir, "hours.ndjson");
  writeFileSync(listed + temporarySuffix, hours.map((hour) => `${printHour(hour)}\n`).join(""));
  renameSync(listed + temporarySuffix, listed);
  rmSync(donePath(dataDir), { force: true });
  const bytesOf = (all: readonly SegmentMeta[]) => all.reduce((sum, { bytes }) => sum + bytes, 0);
  console.log(
    `${total} segments written anew; all had ${bytesOf(before)} bytes and have ${bytesOf(segments)}`,
  );
}

async function runPart(
  dataDir: string,
  limit: number,
  part: string,
  onLine: (line: string) => void,
): Promise<void> {
  const command = [process.execPath, import.meta.path, dataDir, "--part", part];
  if (limit !== Infinity) command.push("--limit", String(limit));
  const child = Bun.spawn(command, { stdout: "pipe", stderr: "inherit" });
  let text = "";
  for await (const piece of child.stdout.pipeThrough(new TextDecoderStream())) {
    const lines = (text + piece).split("\n");
    text = lines.pop()!;
    for (const line of lines) onLine(line);
  }
  const status = await child.exited;
  if (status !== 0) throw new Error(`a process that writes segments anew ended with status ${status}`);
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      limit: { type: "string", default: "Infinity" },
      part: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  const limit = Number(values.limit);
  if (values.help || positionals.length !== 1 || !(limit > 0)) {
    console.log(usage);
    process.exit(values.help ? 0 : 2);
  }
  const dataDir = resolve(positionals[0]);
  if (values.part === undefined) await rewriteAll(dataDir, limit);
  else await rewritePart(dataDir, limit, values.part);
}
