import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import process from "node:process";

/** The nice values of this process's threads: field 19 of proc(5)'s stat. */
function nices(): number[] {
  return readdirSync("/proc/self/task").map((task) => {
    const stat = readFileSync(`/proc/self/task/${task}/stat`, "utf8");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[16]);
  });
}

test.if(process.platform === "linux")(
  "the thread that indexes goes behind others, and they stay as they are",
  async () => {
    const before = nices();
    const worker = new Worker(new URL("../index/worker.ts", import.meta.url));
    try {
      const answered = new Promise((resolve) => worker.onmessage = resolve);
      worker.postMessage({
        dataDir: "/nowhere",
        segment: { id: "0".repeat(28), signal: "logs", path: "none" },
      });
      await answered; // that there is no such segment
      const after = nices();
      expect(after.filter((nice) => nice === before[0] + 5).length).toBeGreaterThan(0); // what it starts inherits
      expect(after.filter((nice) => nice === before[0]).length).toBeGreaterThanOrEqual(before.length);
    } finally {
      worker.terminate();
    }
  },
);
