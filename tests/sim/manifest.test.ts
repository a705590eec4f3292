/** The manifest against a disk that loses power and fails (manifest-scenario.ts says what is promised). */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { silentLog } from "../../core/env/log.ts";
import { seededRandom } from "../../core/env/random.ts";
import { Manifest } from "../../core/manifest/manifest.ts";
import { SimDisk } from "./disk.ts";
import { describeState, runManifestScenario, segmentOf } from "./manifest-scenario.ts";
import { failingSeeds, forEachSeed, simSeeds } from "./seeds.ts";

const seeds = simSeeds();
setDefaultTimeout(5_000 + seeds.length * 200);

describe("the manifest", () => {
  test("keeps every committed edit through power cuts and kills", async () => {
    await forEachSeed(seeds, async (seed) => void await runManifestScenario(seed));
  });

  test("keeps every committed edit, and undoes the others, on a disk whose operations fail", async () => {
    await forEachSeed(seeds, async (seed) => void await runManifestScenario(seed, { failures: true }));
  });

  test("runs the same for the same seed", async () => {
    const [seed] = seeds;
    expect(await runManifestScenario(seed, { failures: true })).toEqual(
      await runManifestScenario(seed, { failures: true }),
    );
  });

  test.if(process.env.SEED === undefined)(
    "the canary is caught: a disk whose sync does nothing",
    async () => {
      const failing = await failingSeeds(
        seeds,
        async (seed) => void await runManifestScenario(seed, { syncLies: true }),
      );
      expect(failing.length).toBeGreaterThan(seeds.length / 4);
    },
  );
});

const options = { readOnly: false, compactBytesMin: 3_000 };

/** Enough large settings that the manifest is compacted twice on the way. */
async function commitMuch(manifest: Manifest, done: (edits: number) => void): Promise<void> {
  for (let edit = 1; edit <= 12; edit++) {
    await manifest.commit({ add: [segmentOf(`s${edit}`)], set: { big: "x".repeat(1_000), edit } });
    done(edit);
  }
}

describe("a compaction", () => {
  test("loses nothing whatever operation fails or is cut", async () => {
    let operations = 0;
    for (let at = 0; at === 0 || at <= operations; at++) {
      for (const fault of at === 0 ? ["none"] as const : ["io", "disk_full", "cut"] as const) {
        const disk = new SimDisk(at + 1);
        if (fault === "cut") disk.cutAt(at);
        else if (fault !== "none") disk.failAt(at, fault);
        const env = { disk: disk.process(), random: seededRandom(1), log: silentLog };
        const committed: number[] = [];
        try {
          const manifest = await Manifest.open(env, options);
          await commitMuch(manifest, (edit) => committed.push(edit)).catch(() => {}); // the fault ends some runs early
          await manifest.close();
        } catch {
          // the fault struck the opening
        }
        if (at === 0) operations = disk.operations;
        disk.cut();
        disk.restart();
        const read = await Manifest.open({ ...env, disk: disk.process() }, options);
        expect(read.report.damaged).toBeUndefined();
        for (const edit of committed) expect(read.state.segments.has(`s${edit}`)).toBe(true);
        expect(read.state.segments.size).toBeLessThanOrEqual(committed.length + 1);
        expect((await disk.list("manifest")).length).toBe(1);
      }
    }
    expect(operations).toBeGreaterThan(40);
  });

  test("says the same as the edits did", async () => {
    const disk = new SimDisk(1);
    const env = { disk, random: seededRandom(1), log: silentLog };
    const manifest = await Manifest.open(env, options);
    await commitMuch(manifest, () => {});
    await manifest.close();
    expect((await disk.list("manifest"))[0]).not.toBe("00000001.log");
    const read = await Manifest.open(env, { readOnly: true });
    expect(describeState(read.state)).toBe(describeState(manifest.state));
  });
});
