import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemRandom } from "../../core/env/random.ts";
import { Manifest } from "../../core/manifest/manifest.ts";
import { signals } from "../../core/model/columns.ts";
import { SidecarIndexes } from "../../core/index/sidecars.ts";
import { NodeDisk } from "../../edge/disk/disk.ts";
import { nodeIndexFiles } from "../../edge/index/files.ts";
import { buildHistory, historySize, hoursOf, readHours } from "./history.ts";
import { needle } from "./needle.ts";
import { isHeld } from "./needles-table.ts";
import { openPlain } from "./plain.ts";
import { rewriteSegment } from "./relayout.ts";

test("a history of 100 million records is a month of hours as full as those of five million", () => {
  const hourly = (rows: number) => {
    const size = historySize(rows);
    return size.logs / hoursOf({ ...size, endHour: 0, seed: 1 }).length;
  };
  expect(hoursOf({ ...historySize(100_000_000), endHour: 720, seed: 1 })).toEqual([...Array(720).keys()]);
  expect(hourly(5_000_000) / hourly(100_000_000)).toBeCloseTo(1, 1);
});

test("a history is built once, whole, with an index for each segment", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "openwit-history-"));
  try {
    const size = { logs: 12_000, spans: 2_400, points: 2_400, days: 0.125 };
    expect(await buildHistory(dataDir, size, 0, () => {})).toBe(false); // an hour a process
    const begun = readHours(dataDir).length;
    expect(begun).toBeWithin(1, 3);
    expect(await buildHistory(dataDir, size, Infinity, () => {})).toBe(true);
    const built = readFileSync(join(dataDir, "hours.ndjson"), "utf8");
    expect(await buildHistory(dataDir, size, Infinity, () => {})).toBe(true);
    expect(readFileSync(join(dataDir, "hours.ndjson"), "utf8")).toBe(built);
    await expect(buildHistory(dataDir, { ...size, days: 1 }, 0, () => {})).rejects.toThrow("another size");

    const disk = new NodeDisk(dataDir);
    const manifest = await Manifest.open({ disk, random: systemRandom, log: () => {} }, { readOnly: true });
    const segments = [...manifest.state.segments.values()];
    // The files of logs and spans are those that a merge writes, to the byte.
    for (const segment of segments.filter(({ signal }) => signal !== "metrics")) {
      const built = readFileSync(join(dataDir, segment.path));
      expect((await rewriteSegment(disk, segment)).bytes).toBe(built.length);
      expect(readFileSync(join(dataDir, segment.path)).equals(built)).toBe(true);
    }
    const indexes = new SidecarIndexes(nodeIndexFiles(dataDir), () => {});
    for (const segment of segments) expect(await indexes.blockTimes(segment)).toBeDefined();
    indexes.close();
    const paths = (signal: string) =>
      segments.filter((each) => each.signal === signal).map(({ path }) => path);
    const plain = await openPlain(dataDir, {
      logs: paths("logs"),
      spans: paths("spans"),
      metrics: paths("metrics"),
    });
    for (const signal of signals) {
      const rows = segments.filter((each) => each.signal === signal).reduce(
        (sum, each) => sum + each.rows,
        0,
      );
      expect(await plain.rows(`SELECT count(*) FROM ${signal}`)).toEqual([[String(rows)]]);
      expect(rows / (signal === "logs" ? size.logs : size.logs / 5)).toBeWithin(0.5, 2);
    }
    const found = `SELECT count(*), count(DISTINCT date_trunc('hour', timestamp)) FROM logs
      WHERE contains(lower(body), '${needle.word}')`;
    expect(await plain.rows(found)).toEqual([["3", "3"]]); // one an hour, at most
    plain.close();
  } finally {
    rmSync(dataDir, { recursive: true });
  }
}, 120_000);

test("what is wanted of a query's times is held, or it is not", () => {
  const held = (plainMs: number, p50: number, wanted?: { ratio?: number; ms?: number }) =>
    isHeld({
      name: "x",
      rows: 1,
      plainMs,
      ours: { p50, p95: p50 },
      ...(wanted === undefined ? {} : { wanted }),
    });
  expect(held(100, 109)).toBe(true);
  expect(held(100, 111)).toBe(false);
  expect(held(100, 2, { ratio: 50 })).toBe(true);
  expect(held(100, 3, { ratio: 50 })).toBe(false);
  expect(held(100, 40, { ms: 40 })).toBe(true);
  expect(held(100, 41, { ms: 40 })).toBe(false);
  expect(held(10, 20, { ms: 40 })).toBe(false); // the scan would have been faster
});
