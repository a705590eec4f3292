/**
 * Settings for a box by what was measured of it, each with its reason. Pure; bench.ts measures.
 *
 * A setting is named only when the box asks for another one than it has, or when people would ask why it stays.
 */
import type { ConfigKeyName } from "../config/keys.ts";

export interface Measured {
  readonly cores: number;
  /** What this box has for all its programs: of the machine, or less where a control group allows less. */
  readonly memoryBytes: number;
  readonly sync: { readonly p50Ms: number; readonly p99Ms: number };
  readonly writeBytesPerSecond: number;
  readonly freeBytes: number;
  readonly totalBytes: number;
  /** What the data folder has of it. */
  readonly usedBytes: number;
}

/** What is configured now. */
export interface Configured {
  readonly walSync: string;
  readonly walIntervalMs: number;
  readonly memoryBytes: number;
  readonly searchThreads: number;
  readonly flushBytes: number;
  readonly flushAgeMs: number;
  readonly budgetBytes: number;
}

export interface Recommendation {
  readonly key: ConfigKeyName;
  /** As a person would write it. */
  readonly value: string;
  /** Whether it is another one than is configured. */
  readonly isChange: boolean;
  readonly why: string;
}

const mebibyte = 1024 ** 2;

/** A person who waits for an acknowledgement does not notice; an agent with one connection sends 10 requests a second. */
const syncTolerableMs = 100;

/** Of flash cards and sticks; a disk of any kind is faster. */
const slowWriteBytesPerSecond = 20 * 1e6;

/** Other programs and the page cache, which queries live from. */
const memoryShare = 0.5;
const memoryBytesMost = 4 * 1024 * mebibyte;
const memoryBytesLeast = 256 * mebibyte;

export function recommend(measured: Measured, configured: Configured): Recommendation[] {
  return [
    ...walSettings(measured, configured),
    memorySetting(measured, configured),
    threadSetting(measured, configured),
    ...flushSettings(measured, configured),
    budgetSetting(measured, configured),
  ];
}

function walSettings({ sync }: Measured, { walSync, walIntervalMs }: Configured): Recommendation[] {
  const found = `an fsync takes ${ms(sync.p50Ms)}, 1 in 100 more than ${ms(sync.p99Ms)}`;
  if (sync.p50Ms <= syncTolerableMs) {
    return [{
      key: "wal.sync",
      value: "always",
      isChange: walSync !== "always",
      why: `${found}: an acknowledgement can wait for it, and then a power cut takes nothing`,
    }];
  }
  const intervalMs = Math.ceil(sync.p99Ms * 2 / 100) * 100;
  return [{
    key: "wal.sync",
    value: "interval",
    isChange: walSync !== "interval",
    why:
      `${found}: too long to wait for with each request. A power cut may take what came in the last wal.interval`,
  }, {
    key: "wal.interval",
    value: `${intervalMs}ms`,
    isChange: walSync !== "interval" || walIntervalMs !== intervalMs,
    why: "twice the slowest fsync, so that one is over before the next begins",
  }];
}

function memorySetting({ memoryBytes }: Measured, configured: Configured): Recommendation {
  const wanted = Math.max(memoryBytesLeast, Math.min(memoryBytesMost, memoryBytes * memoryShare));
  const bytes = floorTo(wanted, 64 * mebibyte);
  // More than the default is worth its memory where heavy questions are asked; nobody has to give it.
  const isTooMuch = configured.memoryBytes > memoryBytes * 0.8;
  const isTooLittle = configured.memoryBytes < Math.min(bytes, 512 * mebibyte);
  return {
    key: "memory.limit",
    value: size(isTooMuch || isTooLittle ? bytes : configured.memoryBytes),
    isChange: isTooMuch || isTooLittle,
    why: isTooMuch
      ? `there are ${size(memoryBytes)} for all programs: the rest and the page cache need some of it`
      : isTooLittle
      ? `there are ${size(memoryBytes)}: more of it lets merges and large questions run without spilling`
      : `there are ${size(memoryBytes)}: it fits; up to ${size(bytes)} would make large questions faster`,
  };
}

function threadSetting({ cores }: Measured, { searchThreads }: Configured): Recommendation {
  const threads = Math.max(1, Math.min(16, cores <= 2 ? cores : cores - 1));
  return {
    key: "search.threads",
    value: String(threads),
    isChange: threads !== searchThreads,
    why: cores <= 2
      ? `there ${
        cores === 1 ? "is 1 core" : "are 2 cores"
      }: records are taken between the steps of a question`
      : `there are ${cores} cores: one is left to take records while questions run`,
  };
}

function flushSettings({ writeBytesPerSecond }: Measured, configured: Configured): Recommendation[] {
  const rate = `${Math.round(writeBytesPerSecond / 1e6)} MB/s`;
  // The node flushes at a third of the memory that rows may take, whatever is configured.
  const most = configured.memoryBytes * 0.35 / 3;
  const isTooLarge = most < configured.flushBytes * 0.75;
  const flushSize: Recommendation = {
    key: "processing.flush_size",
    value: size(isTooLarge ? floorTo(most, mebibyte) : configured.flushBytes),
    isChange: isTooLarge,
    why: isTooLarge
      ? `with memory.limit ${
        size(configured.memoryBytes)
      } streams are flushed at that size whatever is configured`
      : `three streams of about that size fit what memory.limit (${
        size(configured.memoryBytes)
      }) has for rows`,
  };
  if (writeBytesPerSecond >= slowWriteBytesPerSecond) return [flushSize];
  const ageMs = 15 * 60_000;
  return [flushSize, {
    key: "processing.flush_age",
    value: "15m",
    isChange: configured.flushAgeMs < ageMs,
    why:
      `the volume writes ${rate}, as flash cards do: fewer and larger segments wear it less, and the WAL keeps what waits`,
  }];
}

function budgetSetting(measured: Measured, configured: Configured): Recommendation {
  const { freeBytes, totalBytes, usedBytes } = measured;
  const others = totalBytes - freeBytes - usedBytes;
  const fits = usedBytes + freeBytes * 0.9;
  if (configured.budgetBytes <= fits) {
    return {
      key: "storage.budget",
      value: size(configured.budgetBytes),
      isChange: false,
      why: `${size(freeBytes)} of ${size(totalBytes)} are free: it fits`,
    };
  }
  const bytes = Math.max(256 * mebibyte, floorTo(usedBytes + freeBytes * 0.8, 64 * mebibyte));
  return {
    key: "storage.budget",
    value: size(bytes),
    isChange: true,
    why: `other programs have ${size(others)} of the volume's ${size(totalBytes)}: the budget of ${
      size(configured.budgetBytes)
    } cannot be had`,
  };
}

function floorTo(bytes: number, unit: number): number {
  return Math.max(unit, Math.floor(bytes / unit) * unit);
}

/** As a configuration file has it. */
function size(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes, unit = 0;
  while (value >= 10_240 && unit < units.length - 1 || value >= 1_024 && value % 1_024 === 0) {
    value /= 1_024;
    unit++;
  }
  return `${Math.floor(value)}${units[unit]}`;
}

function ms(value: number): string {
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}
