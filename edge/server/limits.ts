/** What a node takes of its box: what is configured, or less where a control group allows less; and why, in words. */
import type { Config } from "../config/config.ts";
import { controlGroupCores } from "./cpu.ts";
import { controlGroupBytes, memoryLimit } from "./memory.ts";

export interface Limits {
  readonly memoryBytes: number;
  readonly searchThreads: number;
  /** A line for each that is less than configured. */
  readonly notes: readonly string[];
}

export function limitsOf(
  config: Pick<Config, "memoryBytesMax" | "searchThreads">,
  group = { bytes: controlGroupBytes(), cores: controlGroupCores() },
): Limits {
  const memoryBytes = memoryLimit(config.memoryBytesMax, group.bytes);
  // A thread beyond the quota only makes all of them stand still sooner.
  const searchThreads = Math.min(config.searchThreads, Math.max(1, Math.ceil(group.cores)));
  return {
    memoryBytes,
    searchThreads,
    notes: [
      ...(memoryBytes === config.memoryBytesMax ? [] : [
        `memory.limit is ${mebibytes(memoryBytes)} and not ${mebibytes(config.memoryBytesMax)}: ` +
        `the control group (MemoryMax=) has ${mebibytes(group.bytes)}`,
      ]),
      ...(searchThreads === config.searchThreads ? [] : [
        `search.threads is ${searchThreads} and not ${config.searchThreads}: ` +
        `the control group (CPUQuota=) has ${Number(group.cores.toFixed(2))} cores`,
      ]),
    ],
  };
}

function mebibytes(bytes: number): string {
  return `${Math.floor(bytes / 1024 / 1024)} MiB`;
}
