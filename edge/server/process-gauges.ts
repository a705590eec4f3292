/** The process and the runtime under a node, as Linux and Bun tell of them. */
import { readdirSync, readFileSync } from "node:fs";
import process from "node:process";
import type { Metrics } from "../../core/metrics/metrics.ts";
import { version } from "../version.ts";

/** @param parts memory that the node's own parts say they hold, in bytes */
export function registerProcessGauges(
  metrics: Metrics,
  parts: () => Readonly<Record<"records" | "requests" | "engine", number>>,
): void {
  metrics.gauge("openwit_build_info", () => [
    { labels: { version, os: process.platform, arch: process.arch }, value: 1 },
  ]);
  metrics.gauge("openwit_process_resident_bytes", () => process.memoryUsage.rss());
  metrics.gauge("openwit_memory_bytes", () => {
    const { heapUsed, external } = process.memoryUsage();
    const byPart = { ...parts(), heap: heapUsed, buffers: external };
    return Object.entries(byPart).map(([part, value]) => ({ labels: { part }, value }));
  });
  metrics.counter("openwit_process_cpu_seconds_total", () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  });
  const startedSeconds = Date.now() / 1_000 - process.uptime();
  metrics.gauge("openwit_process_start_time_seconds", () => startedSeconds);
  metrics.gauge("openwit_process_open_files", openFiles);
  metrics.gauge("openwit_process_open_files_limit", openFilesLimit);
}

/** Tells how late the timers of the main thread are, until the returned function is called. */
export function watchEventLoop(metrics: Metrics): () => void {
  let dueMs = performance.now() + loopEveryMs;
  const timer = setInterval(() => {
    const nowMs = performance.now();
    metrics.observe("openwit_event_loop_delay_seconds", Math.max(0, nowMs - dueMs) / 1_000);
    dueMs = nowMs + loopEveryMs;
  }, loopEveryMs);
  timer.unref?.();
  return () => clearInterval(timer);
}

const loopEveryMs = 250;

/** 0 where there is no /proc. */
function openFiles(): number {
  try {
    return readdirSync("/proc/self/fd").length - 1; // the folder itself was open for it
  } catch {
    return 0; // not Linux: nobody says
  }
}

function openFilesLimit(): number {
  try {
    const limits = readFileSync("/proc/self/limits", "utf8");
    return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? 0); // "unlimited" is no number
  } catch {
    return 0; // as above
  }
}
