/** What the volume of the data folder does: a small write made durable, again and again, and a large one at a stretch. */
import { open, rm } from "node:fs/promises";
import { join } from "node:path";

export interface SyncTimes {
  readonly rounds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly worstMs: number;
}

/** An acknowledgement of a small request: 4 KiB appended, and synced. Until `ms` have passed, and 20 times at least. */
export async function measureSync(folder: string, ms: number, abort: AbortSignal): Promise<SyncTimes> {
  const path = join(folder, "sync");
  const block = new Uint8Array(4_096).fill(0x5a);
  const file = await open(path, "wx", 0o600);
  const times: number[] = [];
  try {
    const startedMs = performance.now();
    while (times.length < 20 || performance.now() - startedMs < ms) {
      abort.throwIfAborted();
      const beforeMs = performance.now();
      await file.write(block, 0, block.length, times.length * block.length);
      await file.datasync();
      times.push(performance.now() - beforeMs);
    }
  } finally {
    await file.close();
    await rm(path, { force: true });
  }
  return {
    rounds: times.length,
    p50Ms: quantile(times, 0.5),
    p99Ms: quantile(times, 0.99),
    worstMs: Math.max(...times),
  };
}

/** Bytes a second of a file that is written in pieces of 1 MiB and synced at its end. */
export async function measureWriting(folder: string, bytes: number, abort: AbortSignal): Promise<number> {
  const path = join(folder, "stretch");
  const piece = crypto.getRandomValues(new Uint8Array(65_536)); // compressed or zero pages would flatter some volumes
  const block = new Uint8Array(1024 * 1024);
  for (let at = 0; at < block.length; at += piece.length) block.set(piece, at);
  const file = await open(path, "wx", 0o600);
  try {
    const startedMs = performance.now();
    for (let written = 0; written < bytes; written += block.length) {
      abort.throwIfAborted();
      await file.write(block, 0, block.length, written);
    }
    await file.datasync();
    return bytes / (performance.now() - startedMs) * 1_000;
  } finally {
    await file.close();
    await rm(path, { force: true });
  }
}

/** @param values at least one */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}
