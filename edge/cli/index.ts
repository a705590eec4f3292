/** `openwit index rebuild`: has segments indexed, by the running server or, where none runs, by this process. */
import process from "node:process";
import { OpenWitError } from "../../core/error.ts";
import { systemClock } from "../../core/env/clock.ts";
import { systemRandom } from "../../core/env/random.ts";
import { directIndexer } from "../../core/index/indexer.ts";
import { type IndexingReport, IndexUpkeep } from "../../core/index/upkeep.ts";
import { Metrics } from "../../core/metrics/metrics.ts";
import { openStore } from "../../core/store/open.ts";
import { defaultStoreOptions } from "../../core/store/store.ts";
import { nearestWord } from "../config/parse.ts";
import { NodeDisk } from "../disk/disk.ts";
import { lockDataFolder } from "../disk/lock.ts";
import { inProcessEncoder } from "../parquet/in-process.ts";
import { stderrLog } from "../log/log.ts";
import { parseFlags } from "./flags.ts";
import { dataFolder } from "./folder.ts";
import type { Command } from "./main.ts";
import { bytes } from "./status.ts";
import { expectOk, findTarget } from "./target.ts";

export const indexCommand: Command = {
  usage: `openwit index rebuild: index the segments that lack an index.

A merge indexes what it writes, and a server finds what was left out: this does it at once.
Without an index a segment is scanned: answers are the same, and slower.

Usage: openwit index rebuild [options]

Options:
  --url URL              ask this server (default: OPENWIT_URL, or the one that runs here)
  --data-dir DIR         data folder (default ./data); without a running server it is worked on directly
  --every                index every merged segment anew
  --json                 what it did as JSON

Exit status: 0 done, 1 failed, 3 some segments could not be indexed.

Example:
  openwit index rebuild --data-dir ./data
`,
  async run(args) {
    const { values, positionals } = parseFlags(args, {
      url: { type: "string" },
      "data-dir": { type: "string" },
      every: { type: "boolean" },
      json: { type: "boolean" },
    }, "index");
    const [action, ...rest] = positionals;
    if (action !== "rebuild" || rest.length > 0) {
      const near = nearestWord(action ?? "", ["rebuild"]);
      throw new OpenWitError("invalid_argument", `index cannot ${positionals.join(" ") || "do nothing"}`, {
        hint: near === undefined ? "openwit index rebuild" : `did you mean openwit index ${near}?`,
      });
    }
    const every = values.every === true;
    const target = await findTarget(
      { url: values.url as string | undefined, dataDir: values["data-dir"] as string | undefined },
      (dataDir) =>
        Promise.resolve({
          name: dataDir,
          fetch: async () => Response.json(asDocument(await indexFolder(dataFolder(dataDir), every))),
          close: () => Promise.resolve(),
        }),
    );
    const answer = await expectOk(
      await target.fetch(`/api/v1/admin/index${every ? "?every=true" : ""}`, { method: "POST" }),
    );
    const report = await answer.json();
    process.stdout.write(values.json ? JSON.stringify(report, null, 2) + "\n" : describe(report));
    return report.failed.length > 0 ? 3 : 0;
  },
};

/** Indexes the segments of a folder that no server works on. */
async function indexFolder(dataDir: string, every: boolean): Promise<IndexingReport> {
  using _lock = lockDataFolder(dataDir);
  const disk = new NodeDisk(dataDir);
  const store = await openStore(
    {
      disk,
      clock: systemClock,
      random: systemRandom,
      log: stderrLog(),
      encoder: inProcessEncoder(),
      metrics: new Metrics(),
    },
    defaultStoreOptions,
  );
  const interrupted = new AbortController();
  process.once("SIGINT", () => interrupted.abort(new OpenWitError("cancelled", "interrupted")));
  try {
    return await new IndexUpkeep(store, directIndexer(disk, systemRandom)).run(interrupted.signal, { every });
  } finally {
    await store.close();
  }
}

/** The document of POST /api/v1/admin/index. */
function asDocument({ segments, rows, segmentBytes, indexBytes, failed }: IndexingReport) {
  return { segments, rows, segment_bytes: segmentBytes, index_bytes: indexBytes, failed };
}

function describe(report: ReturnType<typeof asDocument>): string {
  const share = report.segment_bytes === 0
    ? ""
    : `, ${(100 * report.index_bytes / report.segment_bytes).toFixed(1)}%`;
  const lines = report.segments === 0 ? ["nothing to index"] : [
    `${report.segments} segments of ${report.rows} rows indexed: ${bytes(report.index_bytes)} for ` +
    `${bytes(report.segment_bytes)}${share}`,
  ];
  return [...lines, ...report.failed.map(({ path, why }) => `not indexed: ${path}: ${why}`)].join("\n") +
    "\n";
}
