import { describe, expect, test } from "bun:test";
import { randomBelow, seededRandom } from "../env/random.ts";
import { contentHash, DedupWindow, dedupWindowNs } from "./dedup.ts";

const hashOf = (text: string) => contentHash("default", "logs", new TextEncoder().encode(text));
const second = 1_000_000_000n;

describe("contentHash", () => {
  test("is XXH64 and XXH3 as the docstring says, for ever", () => {
    // Worked out from the specification by hand (XXH3-64 of nothing is 2d06800538d394c2).
    expect(hashOf("").toHex()).toBe("beebec4089022027ea6dc14edb5271ea");
    expect(Bun.hash.xxHash3("", 0n)).toBe(0x2d06800538d394c2n);
  });

  test("tells tenants and signals apart", () => {
    const body = new TextEncoder().encode("same");
    const hashes = [
      contentHash("a", "logs", body),
      contentHash("b", "logs", body),
      contentHash("a", "spans", body),
    ];
    expect(new Set(hashes.map((hash) => hash.toHex())).size).toBe(3);
  });
});

describe("DedupWindow", () => {
  test("knows a body for ten minutes either way, and not a second longer", () => {
    const window = new DedupWindow();
    const atNs = 10_000n * second;
    window.add(hashOf("a"), atNs, 1);
    for (const distance of [0n, dedupWindowNs]) {
      expect(window.seen(hashOf("a"), atNs + distance)).toBe(true);
      expect(window.seen(hashOf("a"), atNs - distance)).toBe(true);
    }
    expect(window.seen(hashOf("a"), atNs + dedupWindowNs + second)).toBe(false);
    expect(window.seen(hashOf("a"), atNs - dedupWindowNs - second)).toBe(false);
    expect(window.seen(hashOf("b"), atNs)).toBe(false);
  });

  test("forgets what is removed, and takes it again", () => {
    const window = new DedupWindow();
    window.add(hashOf("a"), 0n, 1);
    window.remove(hashOf("a"));
    window.remove(hashOf("a"));
    expect(window.seen(hashOf("a"), 0n)).toBe(false);
    window.add(hashOf("a"), 0n, 2);
    expect(window.seen(hashOf("a"), 0n)).toBe(true);
  });

  test("an older request, added late, makes no younger one forgotten", () => {
    const window = new DedupWindow();
    window.add(hashOf("young"), 3_000n * second, 7);
    window.add(hashOf("old"), 0n, 3);
    expect(window.seen(hashOf("young"), 3_000n * second)).toBe(true);
  });

  test("holds at most what it was allowed, the youngest of all", () => {
    const window = new DedupWindow(2_048);
    for (let lsn = 1; lsn <= 10_000; lsn++) window.add(hashOf(String(lsn)), 0n, lsn);
    expect(window.entries).toBe(2_048);
    expect(window.seen(hashOf("10000"), 0n)).toBe(true);
    expect(window.seen(hashOf(String(10_000 - 2_047)), 0n)).toBe(true);
    expect(window.seen(hashOf(String(10_000 - 2_048)), 0n)).toBe(false);
  });

  test("answers as a plain map does, through adds, removals and time", () => {
    const random = seededRandom(7);
    const window = new DedupWindow();
    const model = new Map<string, bigint>();
    let nowNs = 0n;
    for (let lsn = 1; lsn <= 30_000; lsn++) {
      const text = String(randomBelow(random, 4_000));
      nowNs += BigInt(randomBelow(random, 200)) * 1_000_000n;
      const known = model.get(text);
      const expected = known !== undefined && nowNs - known <= dedupWindowNs;
      if (window.seen(hashOf(text), nowNs) !== expected) throw new Error(`LSN ${lsn}: ${text}`);
      if (randomBelow(random, 4) === 0) {
        window.remove(hashOf(text));
        model.delete(text);
      } else {
        window.add(hashOf(text), nowNs, lsn);
        model.set(text, nowNs);
      }
    }
  });
});
