/** What the thread that merges has of the memory that its merge was promised. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MemoryShare } from "../../core/budget/memory-share.ts";
import { backgroundMergeBytes, backgroundMerger } from "./merger.ts";
import { BackgroundThread } from "./thread.ts";

const dataDir = mkdtempSync(join(tmpdir(), "openwit-background-merger-"));
afterAll(() => rmSync(dataDir, { recursive: true }));

test("what the thread has is owed no more, and all of the promise is when it has ended", async () => {
  const share = new MemoryShare(backgroundMergeBytes);
  const thread = new BackgroundThread(dataDir, () => "behind");
  const merger = backgroundMerger(thread, async (bytes, signal, takenBytes) => {
    const give = await share.take(bytes, signal, takenBytes);
    expect(share.owedBytes).toBe(backgroundMergeBytes); // no thread yet
    return () => {
      expect(share.owedBytes).toBeLessThan(backgroundMergeBytes * 0.75);
      expect(share.owedBytes).toBeGreaterThan(backgroundMergeBytes * 0.25); // it has merged nothing
      thread.close();
      expect(share.owedBytes).toBe(backgroundMergeBytes);
      give();
    };
  });
  const abort = new AbortController().signal;
  const merge = merger.measure({ signal: "logs", inputs: ["parquet/none.parquet"], abort });
  await expect(merge).rejects.toThrow("none.parquet");
  expect(share.stats.heldBytes).toBe(0);
});
