/** The whole store against a disk that loses power, fails and fills up (store-scenario.ts says what is promised). */
import { describe, expect, test } from "bun:test";
import { failingSeeds, forEachSeed, simSeeds } from "./seeds.ts";
import { runStoreScenario, type StoreScenario } from "./store-scenario.ts";

const seeds = simSeeds();

const scenarios: Record<string, StoreScenario> = {
  "power cuts and kills": {},
  "a disk whose operations fail": { failures: true },
  "a disk that is full now and then": { failures: true, capacityBytes: 120_000 },
  "a lost manifest": { losesManifest: true },
  "failures and a lost manifest": { failures: true, losesManifest: true },
  "recoveries that flush as they go": { flushBytes: 300 },
  "recoveries that flush as they go, on a disk whose operations fail": { flushBytes: 300, failures: true },
  "recoveries that flush as they go, on a disk that is full now and then": {
    flushBytes: 300,
    failures: true,
    capacityBytes: 120_000,
  },
  "requests that come while a recovery is under way": { flushBytes: 300, hurries: true },
  "requests beside recoveries, on a disk whose operations fail": {
    flushBytes: 300,
    hurries: true,
    failures: true,
  },
  "requests beside recoveries, on a disk that is full now and then": {
    flushBytes: 300,
    hurries: true,
    failures: true,
    capacityBytes: 120_000,
  },
  "requests beside recoveries, merges and a lost manifest": {
    hurries: true,
    compacts: true,
    losesManifest: true,
  },
  "flushes that index, power cuts and kills": { searches: true },
  "flushes that index, on a disk whose operations fail": { searches: true, failures: true },
  "flushes that index, on a disk that is full now and then": {
    searches: true,
    failures: true,
    capacityBytes: 120_000,
  },
  "flushes that index, merges and a lost manifest": { searches: true, compacts: true, losesManifest: true },
  "merges, power cuts and kills": { compacts: true },
  "merges on a disk whose operations fail": { compacts: true, failures: true },
  "merges on a disk that is full now and then": { compacts: true, failures: true, capacityBytes: 120_000 },
  "merges and a lost manifest": { compacts: true, losesManifest: true },
  "merges, failures and a lost manifest": { compacts: true, failures: true, losesManifest: true },
};

describe("the store loses and doubles nothing through", () => {
  for (const [name, scenario] of Object.entries(scenarios)) {
    test(name, async () => {
      const sums = { acknowledged: 0, duplicates: 0, flushes: 0, rows: 0 };
      let mergedRows = 0, indexed = 0, flushesInReplay = 0, besideReplay = 0;
      await forEachSeed(seeds, async (seed) => {
        const result = await runStoreScenario(seed, scenario);
        for (const key of Object.keys(sums) as (keyof typeof sums)[]) sums[key] += result[key];
        mergedRows += result.mergedRows;
        indexed += result.indexed;
        flushesInReplay += result.flushesInReplay;
        besideReplay += result.besideReplay;
      });
      // A simulation in which nothing happens proves nothing.
      if (seeds.length > 1) expect(Math.min(...Object.values(sums))).toBeGreaterThan(seeds.length / 4);
      if (seeds.length > 1 && scenario.flushBytes) expect(flushesInReplay).toBeGreaterThan(seeds.length / 2);
      if (seeds.length > 1 && scenario.hurries) expect(besideReplay).toBeGreaterThan(seeds.length / 4);
      if (seeds.length > 1 && scenario.searches) expect(indexed).toBeGreaterThan(seeds.length / 4);
      if (seeds.length > 1 && scenario.compacts) expect(mergedRows).toBeGreaterThan(seeds.length / 4);
    }, 1_800_000);
  }

  test("the same seed, the same run", async () => {
    const [seed] = seeds;
    expect(await runStoreScenario(seed, { failures: true })).toEqual(
      await runStoreScenario(seed, { failures: true }),
    );
  });

  test.if(process.env.SEED === undefined)(
    "the canary is caught: a disk whose sync does nothing",
    async () => {
      const failing = await failingSeeds(
        seeds.slice(0, 100),
        async (seed) => void await runStoreScenario(seed, { syncLies: true }),
      );
      expect(failing.length).toBeGreaterThan(Math.min(seeds.length, 100) / 4);
    },
    600_000,
  );
});
