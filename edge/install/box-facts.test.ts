import { expect, test } from "bun:test";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { boxFacts } from "./box-facts.ts";

test("a box is known, also by a data folder that is not there yet", () => {
  const facts = boxFacts(join(tmpdir(), "not/there/yet"));
  expect(facts.memoryBytes).toBeGreaterThan(64 * 1024 ** 2);
  expect(facts.cores).toBeGreaterThanOrEqual(1);
  expect(facts.volumeBytes).toBeGreaterThan(0);
});

test("a folder of the system's own volume is told from one of another", () => {
  expect(boxFacts("/etc/openwit").isSystemVolume).toBe(true);
  expect(boxFacts("/proc/not-there").isSystemVolume).toBe(false);
});
