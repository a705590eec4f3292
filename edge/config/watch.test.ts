import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { watchFiles } from "./watch.ts";

let folder: string;
let file: string;
let changes: number;
let end: () => void;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "openwit-watch-"));
  file = join(folder, "openwit.yaml");
  changes = 0;
  end = () => {};
  writeFileSync(file, "a: 1\n");
});
afterEach(() => {
  end();
  rmSync(folder, { recursive: true });
});

const watchKernel = (paths = [file]) =>
  end = watchFiles(paths, { onChange: () => changes++, settleMs: 30, lookEveryMs: 60_000 });

async function untilChanged(times: number): Promise<void> {
  for (const deadline = Date.now() + 5_000; changes < times && Date.now() < deadline;) await Bun.sleep(5);
  await Bun.sleep(80); // what comes too often comes soon
  expect(changes).toBe(times);
}

test("a file that is written in place, in pieces, has changed once", async () => {
  watchKernel();
  for (const piece of ["a: 2", "a: 2\nb", "a: 2\nb: 3\n"]) {
    writeFileSync(file, piece);
    await Bun.sleep(5);
  }
  await untilChanged(1);
});

test("a file that is renamed over it, again and again, is seen each time", async () => {
  watchKernel();
  for (const [index, text] of ["a: 2\n", "a: 3\n", "a: 4\n"].entries()) {
    writeFileSync(`${file}.swp`, text);
    renameSync(`${file}.swp`, file);
    await untilChanged(index + 1);
  }
});

test("a link that is swapped, as orchestrators do it, is a change", async () => {
  const versions = ["..one", "..two"].map((name) => join(folder, name));
  for (const [index, version] of versions.entries()) {
    mkdirSync(version);
    writeFileSync(join(version, "openwit.yaml"), `a: ${index}\n`);
  }
  symlinkSync(versions[0], join(folder, "..data"));
  const linked = join(folder, "linked.yaml");
  symlinkSync(join("..data", "openwit.yaml"), linked);
  watchKernel([linked]);
  symlinkSync(versions[1], join(folder, "..new"));
  renameSync(join(folder, "..new"), join(folder, "..data"));
  await untilChanged(1);
});

test("a file that was touched, or written as it was, has not changed; nor has one that is gone", async () => {
  watchKernel();
  utimesSync(file, new Date(0), new Date(0));
  writeFileSync(file, "a: 1\n");
  rmSync(file);
  await Bun.sleep(100);
  writeFileSync(file, "a: 1\n");
  await untilChanged(0);
  writeFileSync(file, "a: 2\n");
  await untilChanged(1);
});

test("an overlay counts like the file", async () => {
  const overlay = join(folder, "openwit.production.yaml");
  writeFileSync(overlay, "");
  watchKernel([file, overlay]);
  writeFileSync(overlay, "a: 2\n");
  await untilChanged(1);
});

test("where the kernel tells nothing, looking now and then finds it", async () => {
  end = watchFiles([file], {
    onChange: () => changes++,
    lookEveryMs: 20,
    watchFolder: () => {
      throw new Error("no inotify here");
    },
  });
  writeFileSync(file, "a: 2\n");
  await untilChanged(1);
});
