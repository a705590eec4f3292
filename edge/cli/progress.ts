/** A bar on stderr while something long runs; nothing where stderr is no terminal. */
import process from "node:process";
import { bytes } from "./status.ts";

export interface ProgressBar {
  update(done: number, total: number, what: string): void;
  /** Takes the bar away. */
  end(): void;
}

/** Often enough to be seen moving. */
const everyMs = 100;

export function progressBar(stream: NodeJS.WriteStream = process.stderr): ProgressBar {
  if (!stream.isTTY) return { update() {}, end() {} };
  const startedMs = performance.now();
  let drawnMs = -Infinity;
  return {
    update(done, total, what) {
      const now = performance.now();
      if (now - drawnMs < everyMs && done < total) return;
      drawnMs = now;
      stream.write(`\r\x1b[K${line(done, total, what, now - startedMs, stream.columns ?? 80)}`);
    },
    end() {
      if (drawnMs > 0) stream.write("\r\x1b[K");
      drawnMs = -Infinity;
    },
  };
}

/** One line of at most `width` columns. @param elapsedMs since the beginning */
export function line(done: number, total: number, what: string, elapsedMs: number, width: number): string {
  const share = total === 0 ? 1 : done / total;
  const cells = 24;
  const filled = Math.round(share * cells);
  const bar = "█".repeat(filled) + "░".repeat(cells - filled);
  const leftMs = share > 0.01 ? elapsedMs / share - elapsedMs : undefined;
  const left = leftMs === undefined ? "" : `, ${duration(leftMs)} left`;
  const head = `${bar} ${Math.floor(share * 100)}%  ${bytes(done)} of ${bytes(total)}${left}  `;
  return (head + what.slice(Math.max(0, what.length - (width - head.length - 1)))).slice(0, width - 1);
}

function duration(ms: number): string {
  const seconds = Math.ceil(ms / 1_000);
  if (seconds < 60) return `${seconds} s`;
  return seconds < 3_600
    ? `${Math.floor(seconds / 60)} min ${seconds % 60} s`
    : `${(seconds / 3_600).toFixed(1)} h`;
}

export interface Spinner {
  start(): void;
  stop(): void;
}

/** Waits of less are not worth a word. */
const quietMs = 500;

/** Says on stderr that something still runs, how long it has, and how to end it; nothing where that is no terminal. */
export function spinner(what: string, stream: NodeJS.WriteStream = process.stderr): Spinner {
  if (!stream.isTTY) return { start() {}, stop() {} };
  const frames = [..."⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"];
  let timer: ReturnType<typeof setInterval> | undefined;
  let isDrawn = false;
  return {
    start() {
      const startedMs = performance.now();
      clearInterval(timer);
      timer = setInterval(() => {
        const ms = performance.now() - startedMs;
        if (ms < quietMs) return;
        const frame = frames[Math.floor(ms / everyMs) % frames.length];
        const text = `${frame} ${what}: ${(ms / 1_000).toFixed(1)} s, Ctrl-C ends it`;
        stream.write(`\r\x1b[K${text.slice(0, (stream.columns ?? 80) - 1)}`);
        isDrawn = true;
      }, everyMs);
    },
    stop() {
      clearInterval(timer);
      if (isDrawn) stream.write("\r\x1b[K");
      isDrawn = false;
    },
  };
}
