import { describe, expect, test } from "bun:test";
import { SimDisk } from "../../tests/sim/disk.ts";
import { segmentOf } from "../../tests/sim/manifest-scenario.ts";
import { silentLog } from "../env/log.ts";
import { seededRandom } from "../env/random.ts";
import { Manifest } from "./manifest.ts";

const envOf = (disk: SimDisk) => ({ disk, random: seededRandom(1), log: silentLog });
const open = (disk: SimDisk, readOnly = false) => Manifest.open(envOf(disk), { readOnly });

describe("Manifest", () => {
  test("a reader's segments stay as they were through commits", async () => {
    const manifest = await open(new SimDisk(1));
    await manifest.commit({ add: [segmentOf("a"), segmentOf("b")] });
    const pinned = manifest.segmentsOf("default", "logs");
    await manifest.commit({ add: [segmentOf("c")], remove: ["a"] });
    expect(pinned.map(({ id }) => id)).toEqual(["a", "b"]);
    expect(manifest.segmentsOf("default", "logs").map(({ id }) => id)).toEqual(["b", "c"]);
    expect(manifest.segmentsOf("default", "spans")).toEqual([]);
  });

  test("the committer's own change is made in the turn in which the edit is seen", async () => {
    const manifest = await open(new SimDisk(1));
    const seen: number[] = [];
    const committed = manifest.commit({ watermarks: { "default/logs": 5 } }, () => {
      seen.push(manifest.state.watermarks.get("default/logs")!);
    });
    expect(manifest.state.watermarks.size).toBe(0);
    await committed;
    expect(seen).toEqual([5]);
  });

  test("an edit that could not be made durable is not seen, now or later", async () => {
    const disk = new SimDisk(1);
    const manifest = await open(disk);
    await manifest.commit({ set: { a: 1 } });
    disk.failAt(disk.operations + 2, "io"); // the sync
    await expect(manifest.commit({ set: { a: 2 } })).rejects.toMatchObject({ code: "io", retryable: true });
    expect(manifest.state.settings.get("a")).toBe(1);
    disk.cut();
    disk.restart();
    expect((await open(disk)).state.settings.get("a")).toBe(1);
  });

  test("tells a new folder from one whose manifest was lost, and writes nothing over the latter", async () => {
    const disk = new SimDisk(1);
    await disk.makeDir("parquet/default");
    const lost = await open(disk);
    expect(lost.report).toMatchObject({ missing: true, lost: true });
    expect(await disk.list("manifest")).toEqual([]);
    const { nodeId } = lost.state;
    const made = await Manifest.create(envOf(disk), {
      nodeId,
      segments: [segmentOf("a")],
      watermarks: [["default/logs", 9]],
    });
    await made.close();
    const { report, state } = await open(disk);
    expect(report).toMatchObject({ missing: false, lost: false });
    expect([...state.segments.keys()]).toEqual(["a"]);
    expect(state.nodeId).toBe(nodeId);
  });

  test("says that it is damaged, keeps the evidence, and keeps the edits round the damage", async () => {
    const disk = new SimDisk(1);
    const manifest = await open(disk);
    const ends: number[] = [];
    for (const id of ["a", "b", "c"]) {
      await manifest.commit({ add: [segmentOf(id)] });
      ends.push(disk.files().get("manifest/00000001.log")!.length);
    }
    await manifest.close();
    disk.damage("manifest/00000001.log", (bytes) => void (bytes[ends[0] + 40] ^= 1));
    const { report, state } = await open(disk);
    expect(report.damaged).toContain(`${ends[1] - ends[0]} bytes at byte ${ends[0]} cannot be read`);
    expect([...state.segments.keys()]).toEqual(["a", "c"]);
    expect(await disk.list("quarantine")).toEqual(["manifest-00000001.log", "manifest-00000001.log.json"]);
  });

  test("read-only, it writes nothing", async () => {
    const disk = new SimDisk(1);
    const manifest = await open(disk, true);
    expect(manifest.report.missing).toBe(true);
    expect(() => manifest.commit({})).toThrow("read-only");
    expect(disk.files().size).toBe(0);
  });

  test("refuses a newer version and leaves it alone", async () => {
    const disk = new SimDisk(1);
    await (await open(disk)).close();
    disk.damage("manifest/00000001.log", (bytes) => void (bytes[8] = 2));
    const before = disk.files();
    await expect(open(disk)).rejects.toMatchObject({ code: "unsupported" });
    await expect(Manifest.create(envOf(disk), {})).rejects.toMatchObject({ code: "unsupported" });
    expect(disk.files()).toEqual(before);
  });
});
