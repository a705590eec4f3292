/** A store under a byte budget through power cuts, failures and full disks (budget-scenario.ts says what is promised). */
import { describe, expect, test } from "bun:test";
import { type BudgetScenario, runBudgetScenario } from "./budget-scenario.ts";
import { forEachSeed, simSeeds } from "./seeds.ts";

const seeds = simSeeds();
const budgetBytes = 200_000;

const scenarios: Record<string, BudgetScenario> = {
  "a budget that is smaller than the disk": { whenFull: "evict-oldest", budgetBytes, capacityBytes: 400_000 },
  "a disk that is smaller than the budget": {
    whenFull: "evict-oldest",
    budgetBytes,
    capacityBytes: 150_000,
  },
  "operations that fail": {
    whenFull: "evict-oldest",
    budgetBytes,
    capacityBytes: 250_000,
    failures: true,
  },
  "merges and manifest snapshots beside evictions": {
    whenFull: "evict-oldest",
    budgetBytes,
    capacityBytes: 400_000,
    compacts: true,
  },
  "merges and manifest snapshots beside evictions, and operations that fail": {
    whenFull: "evict-oldest",
    budgetBytes,
    capacityBytes: 250_000,
    compacts: true,
    failures: true,
  },
  "a budget that refuses": { whenFull: "refuse", budgetBytes, capacityBytes: 250_000 },
};

describe("what was acknowledged is there or was evicted, and the budget holds, through", () => {
  for (const [name, scenario] of Object.entries(scenarios)) {
    test(name, async () => {
      const sums = { acknowledged: 0, refused: 0, evicted: 0, mergedRows: 0, snapshots: 0, operations: 0 };
      await forEachSeed(seeds, async (seed) => {
        const result = await runBudgetScenario(seed, scenario);
        for (const key of Object.keys(sums) as (keyof typeof sums)[]) sums[key] += result[key];
      });
      console.log(`${name}: ${JSON.stringify(sums)}`);
      // A simulation in which nothing happens proves nothing.
      if (seeds.length === 1) return;
      expect(Math.min(sums.acknowledged, sums.refused)).toBeGreaterThan(seeds.length);
      if (scenario.compacts) {
        expect(sums.mergedRows).toBeGreaterThan(seeds.length / 2);
        expect(sums.snapshots).toBeGreaterThan(seeds.length * 2); // one is what each disk begins with
      }
      if (scenario.whenFull === "evict-oldest") expect(sums.evicted).toBeGreaterThan(seeds.length);
    }, 1_800_000);
  }
});
