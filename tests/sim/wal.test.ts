/** The WAL against a disk that loses power, fails and fills up (wal-scenario.ts says what is promised). */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { runWalScenario } from "./wal-scenario.ts";
import { failingSeeds, forEachSeed, simSeeds } from "./seeds.ts";

const seeds = simSeeds();
setDefaultTimeout(5_000 + seeds.length * 200);

describe("the WAL", () => {
  test("keeps what it acknowledged through power cuts and kills", async () => {
    await forEachSeed(seeds, async (seed) => void await runWalScenario(seed));
  });

  test("keeps what it acknowledged on a disk whose operations fail", async () => {
    await forEachSeed(seeds, async (seed) => void await runWalScenario(seed, { failures: true }));
  });

  test("keeps what it acknowledged on a disk that is full now and then", async () => {
    await forEachSeed(
      seeds,
      async (seed) => void await runWalScenario(seed, { failures: true, capacityBytes: 25_000 }),
    );
  });

  test("loses nothing to a kill when it syncs by interval or never", async () => {
    await forEachSeed(seeds, async (seed) => {
      await runWalScenario(seed, { sync: seed % 2 ? "interval" : "never" });
      await runWalScenario(seed, { sync: seed % 2 ? "never" : "interval", failures: true });
    });
  });

  test("runs the same for the same seed", async () => {
    const [seed] = seeds;
    const first = await runWalScenario(seed, { failures: true });
    expect(await runWalScenario(seed, { failures: true })).toEqual(first);
  });

  test.if(process.env.SEED === undefined)("the simulation does acknowledge, refuse and recover", async () => {
    const sums = { acknowledged: 0, refused: 0, recovered: 0 };
    for (const seed of seeds) {
      const result = await runWalScenario(seed, { failures: true });
      sums.acknowledged += result.acknowledged;
      sums.refused += result.refused;
      sums.recovered += result.recovered;
    }
    expect(Math.min(...Object.values(sums))).toBeGreaterThan(seeds.length);
  });

  test.if(process.env.SEED === undefined)(
    "the canary is caught: a disk whose sync does nothing",
    async () => {
      const failing = await failingSeeds(
        seeds,
        async (seed) => void await runWalScenario(seed, { syncLies: true }),
      );
      expect(failing.length).toBeGreaterThan(seeds.length / 4);
    },
  );
});
