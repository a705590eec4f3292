import { expect, test } from "bun:test";
import { silentLog } from "../env/log.ts";
import { seededRandom } from "../env/random.ts";
import { Manifest, type SegmentMeta } from "../manifest/manifest.ts";
import { SimClock } from "../../tests/sim/clock.ts";
import { SimDisk } from "../../tests/sim/disk.ts";
import { RetiredSegments } from "./retired.ts";

const segment: SegmentMeta = {
  id: "a",
  tenant: "t",
  signal: "logs",
  path: "parquet/a",
  level: 0,
  rows: 1,
  bytes: 1,
  minTimeNs: 0n,
  maxTimeNs: 0n,
  minIngestNs: 0n,
  maxIngestNs: 0n,
  lsnFrom: 1,
  lsnTo: 1,
  hour: 0,
  late: false,
  schemaVersion: 1,
  replaces: [],
};

async function openRetired(): Promise<{ disk: SimDisk; clock: SimClock; retired: RetiredSegments }> {
  const disk = new SimDisk(1);
  const clock = new SimClock();
  const manifest = await Manifest.open({ disk, random: seededRandom(1), log: silentLog }, {
    readOnly: false,
  });
  await disk.makeDir("parquet");
  await (await disk.open(segment.path, "create")).close();
  await manifest.commit({ add: [segment] });
  return { disk, clock, retired: new RetiredSegments(disk, clock, manifest) };
}

test("of an eviction and a merge of the same segment only the first goes through", async () => {
  const { retired } = await openRetired();
  const eviction = retired.retire([segment]);
  const merge = retired.retire([segment], {
    add: [{ ...segment, id: "b", path: "parquet/b", replaces: ["a"] }],
  });
  await expect(merge).rejects.toMatchObject({ code: "conflict" });
  await eviction;
  expect([...retired.manifest.state.segments.keys()]).toEqual([]);
  await expect(retired.retire([segment])).rejects.toMatchObject({ code: "conflict" });
});

test("a retired file stays for those who read it and for a minute, then goes and is forgotten", async () => {
  const { disk, clock, retired } = await openRetired();
  const release = retired.pin([segment]);
  await retired.retire([segment]);
  await clock.advance(61_000);
  expect(await retired.sweep()).toBe(0);
  release();
  expect(await retired.sweep()).toBe(1);
  expect(await disk.stat(segment.path)).toBeUndefined();
  expect(retired.paths()).toEqual([]);
});
