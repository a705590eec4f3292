/** A real Prometheus scrapes a box, with the alerts that we ship; skipped where there is none. */
import { expect, test } from "bun:test";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { metricNames } from "../../core/metrics/names.ts";
import { Box } from "./box.ts";

const prometheus = Bun.which("prometheus");
if (prometheus === null) console.log("skipped scraping by Prometheus: it is not here");

test.skipIf(prometheus === null)(
  "Prometheus scrapes every metric, evaluates every alert, and raises none",
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "openwit-prometheus-"));
    copyFileSync(
      join(import.meta.dir, "../../docs/alerts/openwit.rules.yml"),
      join(folder, "openwit.rules.yml"),
    );
    await using box = new Box();
    await box.start();
    writeFileSync(
      join(folder, "prometheus.yml"),
      JSON.stringify({
        global: { scrape_interval: "1s", scrape_timeout: "1s", evaluation_interval: "1s" },
        rule_files: ["openwit.rules.yml"],
        scrape_configs: [{
          job_name: "openwit",
          static_configs: [{ targets: [new URL(box.endpoints.http).host] }],
        }],
      }),
    );
    const port = freePort();
    const server = Bun.spawn([
      prometheus!,
      `--config.file=${join(folder, "prometheus.yml")}`,
      `--storage.tsdb.path=${join(folder, "data")}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ], { stdout: "ignore", stderr: "ignore" });
    try {
      const ask = async (path: string) =>
        await fetch(`http://127.0.0.1:${port}/api/v1/${path}`)
          .then(async (response) => response.ok ? (await response.json()).data : undefined, () => undefined); // not yet
      const isScraped = async () =>
        (await ask("query?query=count_over_time(openwit_ready[1m])"))?.result?.length > 0;
      await until(isScraped);
      const [target] = (await ask("targets")).activeTargets;
      expect([target.health, target.lastError]).toEqual(["up", ""]);
      const names: string[] = await ask("label/__name__/values");
      const bases = new Set(names.map((name) => name.replace(/_(bucket|sum|count)$/, "")));
      const known = new Set<string>(metricNames);
      expect(
        names.filter((name) =>
          name.startsWith("openwit_") && !known.has(name.replace(/_(bucket|sum|count)$/, ""))
        ),
      )
        .toEqual([]);
      expect(bases.size).toBeGreaterThan(70);
      const metadata = await ask("metadata?metric=openwit_wal_fsyncs_total");
      expect(metadata.openwit_wal_fsyncs_total[0].type).toBe("counter");
      const rules = async () => (await ask("rules")).groups[0].rules;
      await until(async () => (await rules()).every(({ health }: { health: string }) => health === "ok"));
      const raised = (await rules()).filter(({ state }: { state: string }) => state !== "inactive");
      expect(raised.map(({ name }: { name: string }) => name)).toEqual([]);
    } finally {
      server.kill("SIGKILL");
      await server.exited;
      rmSync(folder, { recursive: true });
    }
  },
  60_000,
);

function freePort(): number {
  using server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  return server.port;
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let waited = 0; waited < 300; waited++) {
    if (await condition()) return;
    await Bun.sleep(100);
  }
  throw new Error("it did not come to pass in 30 s");
}
