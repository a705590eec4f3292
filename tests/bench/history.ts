/**
 * A long history to search in: a month of the demo shop as merged segments with their indexes, in a data folder that
 * is kept for the next run.
 *
 * Hours are independent of each other, so processes build them side by side (history-hours.ts) and a build that was
 * stopped goes on where it was: `hours.ndjson` has a line for each hour that is done. When all are, the manifest is
 * written, and the folder is one that a server opens.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { appendFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { Log } from "../../core/env/log.ts";
import { systemRandom } from "../../core/env/random.ts";
import { Manifest, type SegmentMeta } from "../../core/manifest/manifest.ts";
import type { Signal } from "../../core/model/columns.ts";
import { NodeDisk } from "../../edge/disk/disk.ts";

/** About how many records of each signal, over how many days. */
export interface HistorySize {
  readonly logs: number;
  readonly spans: number;
  readonly points: number;
  readonly days: number;
}

export interface History extends HistorySize {
  /** The hour after the last one, in hours since 1970. */
  readonly endHour: number;
  readonly seed: number;
}

/** What a process builds of it. */
export interface HoursRequest {
  readonly dataDir: string;
  readonly history: History;
  readonly hours: readonly number[];
  /** Monotonic milliseconds that it may take; it ends after the hour that it is at. */
  readonly budgetMs: number;
}

export interface HourReport {
  readonly hour: number;
  readonly segments: readonly SegmentMeta[];
  readonly indexBytes: Readonly<Record<Signal, number>>;
}

export const historyNode = "00000000000bec40";

/** The size of `--rows N`: a fifth as many spans and points, and hours that are as full as those of 100 million. */
export function historySize(rows: number): HistorySize {
  return { logs: rows, spans: rows / 5, points: rows / 5, days: Math.max(0.25, 30 * rows / 100_000_000) };
}

export function hoursOf({ endHour, days }: History): number[] {
  const count = Math.max(1, Math.round(days * 24));
  return Array.from({ length: count }, (_, at) => endHour - count + at);
}

/**
 * Builds what is missing.
 * @param budgetMs time that it may take; `Infinity` to the end
 * @returns whether all of it is there
 */
export async function buildHistory(
  dataDir: string,
  size: HistorySize,
  budgetMs: number,
  progress: (text: string) => void,
): Promise<boolean> {
  mkdirSync(dataDir, { recursive: true });
  const history = rememberedHistory(dataDir, size);
  const done = new Map(readHours(dataDir).map((each) => [each.hour, each]));
  const missing = hoursOf(history).filter((hour) => !done.has(hour));
  if (missing.length > 0) {
    const processes = Math.min(missing.length, availableParallelism());
    const share = Math.ceil(missing.length / processes);
    const requests = Array.from({ length: processes }, (_, at): HoursRequest => ({
      dataDir,
      history,
      hours: missing.slice(at * share, (at + 1) * share),
      budgetMs: Math.min(budgetMs, Number.MAX_SAFE_INTEGER), // JSON knows no infinity
    }));
    let left = missing.length;
    await Promise.all(requests.map((request) =>
      runHours(request, async (line) => {
        await appendFile(hoursPath(dataDir), `${line}\n`);
        if (--left % 10 === 0) progress(`${left} of ${missing.length} hours are left`);
      })
    ));
    if (left > 0) return false;
  }
  await writeManifest(dataDir, readHours(dataDir).flatMap(({ segments }) => segments));
  return true;
}

/** What was built, hour by hour. */
export function readHours(dataDir: string): HourReport[] {
  if (!existsSync(hoursPath(dataDir))) return [];
  return readFileSync(hoursPath(dataDir), "utf8").split("\n").filter((line) => line !== "").map(parseHour);
}

export function printHour(report: HourReport): string {
  return JSON.stringify(report, (_name, value) => typeof value === "bigint" ? String(value) : value);
}

function parseHour(line: string): HourReport {
  return JSON.parse(line, (name, value) => name.endsWith("Ns") ? BigInt(value) : value);
}

function hoursPath(dataDir: string): string {
  return join(dataDir, "hours.ndjson");
}

/** The history that the folder was begun with: it ends when it was, however long ago. */
function rememberedHistory(dataDir: string, size: HistorySize): History {
  const path = join(dataDir, "history.json");
  if (!existsSync(path)) {
    const history: History = { ...size, endHour: Math.floor(Date.now() / 3_600_000), seed: 1 };
    writeFileSync(path, JSON.stringify(history));
    return history;
  }
  const history = JSON.parse(readFileSync(path, "utf8")) as History;
  const { logs, spans, points, days } = history;
  if (!Bun.deepEquals({ logs, spans, points, days }, size)) {
    throw new Error(
      `${dataDir} has a history of another size, ${logs} log records: remove it, or name another folder`,
    );
  }
  return history;
}

async function runHours(request: HoursRequest, onHour: (line: string) => Promise<void>): Promise<void> {
  const child = Bun.spawn([
    process.execPath,
    join(import.meta.dir, "history-hours.ts"),
    JSON.stringify(request),
  ], {
    stdout: "pipe",
    stderr: "inherit",
  });
  let text = "";
  for await (const part of child.stdout.pipeThrough(new TextDecoderStream())) {
    const lines = (text + part).split("\n");
    text = lines.pop()!;
    for (const line of lines) await onHour(line);
  }
  const status = await child.exited;
  if (status !== 0) throw new Error(`a process that builds hours ended with status ${status}`);
}

async function writeManifest(dataDir: string, segments: readonly SegmentMeta[]): Promise<void> {
  const disk = new NodeDisk(dataDir);
  await disk.makeDir("manifest");
  const log: Log = () => {};
  const manifest = await Manifest.create({ disk, random: systemRandom, log }, {
    nodeId: historyNode,
    segments,
  });
  await manifest.close();
}
