/** What a benchmark ran on: without it a number means nothing. */
import { closeSync, fdatasyncSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import os from "node:os";
import { join } from "node:path";

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly runtime: string;
  /** Median and 99th percentile of a 4 KiB write and fdatasync in the benchmark's folder, milliseconds. */
  readonly fsyncMs: { readonly p50: number; readonly p99: number };
  /** Processes that wanted to run when the benchmark began, averaged over a minute: above 0 it was not alone. */
  readonly loadAverage: number;
}

/** Measures the machine; `folder` is on the disk that the server will write to. */
export function describeMachine(folder: string): Machine {
  return {
    cpu: os.cpus()[0]?.model ?? "unknown",
    cores: os.availableParallelism(),
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    kernel: `${os.type()} ${os.release()} ${os.arch()}`,
    runtime: `Bun ${Bun.version}`,
    fsyncMs: measureFsync(folder),
    loadAverage: Number(readFileSync("/proc/loadavg", "utf8").split(" ")[0]),
  };
}

/** The value below which a share of the values lies (nearest rank); NaN of none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? NaN;
}

/** CPU time of the whole machine so far, seconds: proc(5), stat, in ticks of 1/100 s; user, nice, system, irq, softirq. */
export function machineCpuSeconds(): number {
  const fields = readFileSync("/proc/stat", "utf8").split("\n", 1)[0].split(/\s+/).slice(1).map(Number);
  return (fields[0] + fields[1] + fields[2] + fields[5] + fields[6]) / 100;
}

function measureFsync(folder: string): Machine["fsyncMs"] {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, "fsync-probe");
  const file = openSync(path, "w");
  const block = new Uint8Array(4096).fill(7);
  const times = Array.from({ length: 200 }, (_, index) => {
    const beganMs = performance.now();
    writeSync(file, block, 0, block.length, index * block.length);
    fdatasyncSync(file);
    return performance.now() - beganMs;
  });
  closeSync(file);
  rmSync(path);
  return { p50: percentile(times, 0.5), p99: percentile(times, 0.99) };
}
