/** `"explain": true` over HTTP, asked of a data folder at rest. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../core/env/clock.ts";
import { systemRandom } from "../../core/env/random.ts";
import { Metrics } from "../../core/metrics/metrics.ts";
import { openStore } from "../../core/store/open.ts";
import { defaultStoreOptions } from "../../core/store/store.ts";
import { openOffline } from "../cli/offline.ts";
import { NodeDisk } from "../disk/disk.ts";
import { inProcessEncoder } from "../parquet/in-process.ts";

const folder = mkdtempSync(join(tmpdir(), "openwit-explain-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("a plan is in a JSON answer that asked for it, and in no other", async () => {
  const env = {
    disk: new NodeDisk(folder),
    clock: systemClock,
    random: systemRandom,
    log: () => {},
    encoder: inProcessEncoder(),
    metrics: new Metrics(),
  };
  await (await openStore(env, defaultStoreOptions)).close();
  const offline = await openOffline(folder);
  const ask = (body: Record<string, unknown>, accept = "application/json") =>
    offline.fetch("/api/v1/query", {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: accept },
      body: JSON.stringify({ sql: "SELECT count(*) FROM logs WHERE trace_id = 'ab'", ...body }),
    });
  try {
    const { plan, partial } = await (await ask({ explain: true })).json();
    expect(plan.tables).toMatchObject([{
      table: "logs",
      index: 'trace_id = "ab"',
      files: { considered: 0 },
    }]);
    expect(Object.keys(plan.phases_ms)).toEqual(["prepare", "plan", "index", "find", "fetch", "run"]);
    expect(partial).toBe(false);
    expect(await (await ask({})).json()).not.toHaveProperty("plan");
    expect((await ask({ explain: true }, "text/csv")).status).toBe(400);
    expect((await ask({ explain: "yes" })).status).toBe(400);
  } finally {
    await offline.close();
  }
});
