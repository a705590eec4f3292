import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { controlGroupCores, usableCores } from "./cpu.ts";
import { limitsOf } from "./limits.ts";

const mib = 1024 * 1024;
const base = mkdtempSync(join(tmpdir(), "openwit-limits-"));
afterAll(() => rmSync(base, { recursive: true, force: true }));

test("what is configured holds where nothing allows less", () => {
  const configured = { memoryBytesMax: 512 * mib, searchThreads: 2 };
  expect(limitsOf(configured, { bytes: Infinity, cores: Infinity })).toEqual({
    memoryBytes: 512 * mib,
    searchThreads: 2,
    notes: [],
  });
});

test("a control group that allows less is honoured, and told of", () => {
  const configured = { memoryBytesMax: 512 * mib, searchThreads: 4 };
  expect(limitsOf(configured, { bytes: 400 * mib, cores: 1.5 })).toEqual({
    memoryBytes: 340 * mib,
    searchThreads: 2,
    notes: [
      "memory.limit is 340 MiB and not 512 MiB: the control group (MemoryMax=) has 400 MiB",
      "search.threads is 2 and not 4: the control group (CPUQuota=) has 1.5 cores",
    ],
  });
});

test.each([
  ["the second version's groups, the least of those above", {
    "self": "0::/system.slice/openwit.service\n",
    "system.slice/cpu.max": "150000 100000\n",
    "system.slice/openwit.service/cpu.max": "max 100000\n",
  }, 1.5],
  ["the first version's groups", {
    "self": "4:cpu,cpuacct:/box\n2:memory:/\n",
    "cpu/box/cpu.cfs_quota_us": "50000\n",
    "cpu/box/cpu.cfs_period_us": "100000\n",
  }, 0.5],
  [
    "no quota",
    { "self": "4:cpu:/\n", "cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n" },
    Infinity,
  ],
  ["no groups", {}, Infinity],
])("of %s the cores are known", (name, files, expected) => {
  const root = join(base, name);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  expect(controlGroupCores(root, join(root, "self"))).toBe(expected);
});

test("there is a core at least", () => {
  expect(usableCores(0.2, 4)).toBe(1);
  expect(usableCores(Infinity, 4)).toBe(4);
  expect(usableCores(2.5, 4)).toBe(2);
});
