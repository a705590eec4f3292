/** What every `Disk` promises (core/env/disk.ts), held against the real one and the simulated one alike. */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Disk, readFile, writeFileDurably } from "../../core/env/disk.ts";
import { NodeDisk } from "../../edge/disk/disk.ts";
import { lockDataFolder } from "../../edge/disk/lock.ts";
import { SimDisk } from "../sim/disk.ts";

const roots: string[] = [];
afterAll(() => roots.forEach((root) => rmSync(root, { recursive: true })));

function newRoot(): string {
  const root = mkdtempSync(join(tmpdir(), "openwit-disk-"));
  roots.push(root);
  return root;
}

const disks: Record<string, () => Disk> = {
  NodeDisk: () => new NodeDisk(newRoot()),
  SimDisk: () => new SimDisk(1),
};

const bytesOf = (text: string) => new TextEncoder().encode(text);
const textOf = async (disk: Disk, path: string) => new TextDecoder().decode(await readFile(disk, path));

async function put(disk: Disk, path: string, text: string): Promise<void> {
  const file = await disk.open(path, "create");
  await file.write(bytesOf(text), 0);
  await file.close();
}

async function codeOf(work: Promise<unknown>): Promise<unknown> {
  return await work.then(() => "no error", (error) => error.code);
}

for (const [name, make] of Object.entries(disks)) {
  describe(name, () => {
    test("a file holds what was written where it was written", async () => {
      const disk = make();
      const file = await disk.open("a", "create");
      await file.write(bytesOf("hello"), 0);
      await file.write(bytesOf("J"), 0);
      await file.write(bytesOf("!"), 7);
      await file.sync();
      expect(await file.size()).toBe(8);
      const into = new Uint8Array(20);
      expect(await file.read(into, 1)).toBe(7);
      expect(into.subarray(0, 7)).toEqual(bytesOf("ello\0\0!"));
      expect(await file.read(into, 8)).toBe(0);
      expect(await file.read(into, 800)).toBe(0);
      await file.close();
      expect(await textOf(disk, "a")).toBe("Jello\0\0!");
    });

    test("the modes of open say what must exist", async () => {
      const disk = make();
      expect(await codeOf(disk.open("a", "read"))).toBe("not_found");
      expect(await codeOf(disk.open("a", "update"))).toBe("not_found");
      await put(disk, "a", "x");
      expect(await codeOf(disk.open("a", "create"))).toBe("conflict");
      expect(await codeOf(disk.open("missing/a", "create"))).toBe("not_found");
      const file = await disk.open("a", "update");
      await file.write(bytesOf("yz"), 1);
      await file.close();
      expect(await textOf(disk, "a")).toBe("xyz");
      const reading = await disk.open("a", "read");
      expect(await codeOf(reading.write(bytesOf("q"), 0))).toBe("io");
      await reading.close();
    });

    test("truncate shortens and lengthens", async () => {
      const disk = make();
      const file = await disk.open("a", "create");
      await file.write(bytesOf("hello"), 0);
      await file.truncate(2);
      expect(await file.size()).toBe(2);
      await file.truncate(4);
      await file.close();
      expect(await textOf(disk, "a")).toBe("he\0\0");
    });

    test("folders are made with their parents, listed sorted, removed when empty", async () => {
      const disk = make();
      expect(await disk.list("a/b")).toEqual([]);
      await disk.makeDir("a/b");
      await disk.makeDir("a/b");
      await put(disk, "a/z", "1");
      await put(disk, "a/c", "2");
      expect(await disk.list("a")).toEqual(["b/", "c", "z"]);
      expect(await disk.list("")).toEqual(["a/"]);
      await disk.removeDir("a");
      expect(await disk.list("a")).toEqual(["b/", "c", "z"]);
      await disk.removeDir("a/b");
      await disk.removeDir("a/b");
      expect(await disk.list("a")).toEqual(["c", "z"]);
    });

    test("folders made at the same time are all there", async () => {
      const disk = make();
      await Promise.all(["a/b/c", "a/b/d", "a/b/c", "a/e"].map((path) => disk.makeDir(path)));
      expect(await disk.list("a/b")).toEqual(["c/", "d/"]);
    });

    test("rename replaces, also into another folder; remove forgives", async () => {
      const disk = make();
      await disk.makeDir("f");
      await put(disk, "a", "new");
      await put(disk, "f/b", "old");
      await disk.rename("a", "f/b");
      await disk.syncDir("f");
      expect(await textOf(disk, "f/b")).toBe("new");
      expect(await disk.list("")).toEqual(["f/"]);
      expect(await codeOf(disk.rename("a", "c"))).toBe("not_found");
      await disk.remove("f/b");
      await disk.remove("f/b");
      expect(await disk.list("f")).toEqual([]);
    });

    test("stat tells files from folders and from nothing", async () => {
      const disk = make();
      await disk.makeDir("f");
      await put(disk, "f/a", "hello");
      expect(await disk.stat("f")).toMatchObject({ isFolder: true });
      expect(await disk.stat("f/a")).toMatchObject({ isFolder: false, bytes: 5 });
      expect(await disk.stat("f/b")).toBeUndefined();
      expect(await disk.stat("f/a/b")).toBeUndefined();
    });

    test("a removed file is read to its end by who has it open", async () => {
      const disk = make();
      await put(disk, "a", "still");
      const file = await disk.open("a", "read");
      await disk.remove("a");
      const into = new Uint8Array(9);
      expect(await file.read(into, 0)).toBe(5);
      await file.close();
    });

    test("a file written durably is there whole, without its temporary", async () => {
      const disk = make();
      await disk.makeDir("f");
      expect(await writeFileDurably(disk, "f/a", [bytesOf("one"), bytesOf("two")])).toBe(6);
      expect(await textOf(disk, "f/a")).toBe("onetwo");
      expect(await disk.list("f")).toEqual(["a"]);
    });

    test("space is a part of a whole", async () => {
      const { freeBytes, totalBytes } = await make().space();
      expect(freeBytes).toBeGreaterThan(0);
      expect(freeBytes).toBeLessThanOrEqual(totalBytes);
    });
  });
}

describe("NodeDisk", () => {
  test("folders are 0700 and files 0600, whatever the umask", async () => {
    const root = newRoot();
    const disk = new NodeDisk(join(root, "data"));
    await disk.makeDir("");
    await disk.makeDir("f");
    await put(disk, "f/a", "secret");
    expect(statSync(join(root, "data")).mode & 0o777).toBe(0o700);
    expect(statSync(join(root, "data/f")).mode & 0o777).toBe(0o700);
    expect(statSync(join(root, "data/f/a")).mode & 0o777).toBe(0o600);
  });

  test("a path out of the data folder is refused", async () => {
    const disk = new NodeDisk(newRoot());
    for (const path of ["../a", "a/../../b", "/etc/passwd", "./a"]) {
      expect(await codeOf(disk.open(path, "read"))).toBe("internal");
    }
  });

  test.if(process.platform === "linux")("a full device is disk_full", async () => {
    const disk = new NodeDisk("/dev");
    const file = await disk.open("full", "update");
    expect(await codeOf(file.write(bytesOf("x"), 0))).toBe("disk_full");
    await file.close();
  });
});

describe("SimDisk", () => {
  test("a cut keeps what was synced, under names that were synced", async () => {
    for (let seed = 1; seed <= 50; seed++) {
      const disk = new SimDisk(seed);
      await disk.makeDir("f");
      const file = await disk.open("f/a", "create");
      await file.write(bytesOf("safe"), 0);
      await file.sync();
      await disk.syncDir("f");
      await file.write(bytesOf("lost"), 4);
      disk.cut();
      expect(await codeOf(file.size())).toBe("io");
      disk.restart();
      expect((await textOf(disk, "f/a")).startsWith("safe")).toBe(true);
    }
  });

  test("a cut loses, keeps and tears what was not synced", async () => {
    const found = new Set<string>();
    for (let seed = 1; seed <= 200; seed++) {
      const disk = new SimDisk(seed);
      const file = await disk.open("a", "create");
      await disk.syncDir("");
      await file.write(bytesOf("abc"), 0);
      disk.cut();
      disk.restart();
      found.add(await textOf(disk, "a"));
    }
    expect([...found].sort()).toEqual(["", "a", "ab", "abc"]);
  });

  test("operation n fails, and only that one", async () => {
    const disk = new SimDisk(1);
    disk.failAt(2, "disk_full");
    await disk.makeDir("f");
    expect(await codeOf(disk.open("f/a", "create"))).toBe("disk_full");
    await put(disk, "f/a", "x");
  });

  test("a failed sync is not made good by a later one", async () => {
    const found = new Set<string>();
    for (let seed = 1; seed <= 50; seed++) {
      const disk = new SimDisk(seed);
      const file = await disk.open("a", "create");
      await disk.syncDir("");
      await file.write(bytesOf("x"), 0);
      disk.failAt(disk.operations + 1, "io");
      expect(await codeOf(file.sync())).toBe("io");
      await file.sync();
      disk.cut();
      disk.restart();
      found.add(await textOf(disk, "a"));
    }
    expect([...found].sort()).toEqual(["", "x"]);
  });

  test("a full disk takes a prefix", async () => {
    const disk = new SimDisk(1, { capacityBytes: 3 });
    const file = await disk.open("a", "create");
    expect(await codeOf(file.write(bytesOf("hello"), 0))).toBe("disk_full");
    expect(await file.size()).toBe(3);
  });
});

describe("the lock of a data folder", () => {
  test("is held once, says by whom, and is free again after release", () => {
    const root = newRoot();
    const lock = lockDataFolder(root);
    expect(lock.by).toBe("flock");
    expect(() => lockDataFolder(root)).toThrow(`in use by process ${process.pid}`);
    lock.release();
    lockDataFolder(root).release();
  });

  test("outlives no process: kill -9 frees it at once, with a child of it still running", async () => {
    const root = newRoot();
    const script = join(root, "hold.ts");
    const lock = JSON.stringify(new URL("../../edge/disk/lock.ts", import.meta.url).pathname);
    await Bun.write(
      script,
      `import { lockDataFolder } from ${lock};
       globalThis.kept = lockDataFolder(${JSON.stringify(root)});
       const child = Bun.spawn(["sleep", "20"]);
       console.log(child.pid);
       setInterval(() => {}, 1000);`,
    );
    const holder = Bun.spawn([process.execPath, script], { stdout: "pipe" });
    const reader = holder.stdout.getReader();
    const childPid = Number(new TextDecoder().decode((await reader.read()).value));
    try {
      expect(() => lockDataFolder(root)).toThrow(`in use by process ${holder.pid}`);
      holder.kill("SIGKILL");
      await holder.exited;
      lockDataFolder(root).release();
    } finally {
      holder.kill("SIGKILL");
      process.kill(childPid);
    }
  });
});
