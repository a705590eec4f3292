/** The promises of folder.ts, on real temporary folders. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import {
  checksumOf,
  folderName,
  inPieces,
  type NativeFolder,
  nativeFolders,
  type NativePart,
  prepareFolder,
} from "./folder.ts";

const uid = process.geteuid!();
let base: string;

beforeEach(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), "openwit-native-test-")));
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

function part(name: string, text: string): NativePart & { unpacked: number } {
  const content = new TextEncoder().encode(text);
  return {
    name,
    bytes: content.length,
    sha256: createHash("sha256").update(content).digest("hex"),
    checksum: checksumOf(inPieces(content)),
    unpacked: 0,
    unpack() {
      this.unpacked++;
      return content;
    },
  };
}

const fill = (...below: string[]): NativeFolder => ({ label: "test", base, below, mode: "fill" });

test("parts are written whole, executable and for this user alone", () => {
  const parts = [part("lib.so", "library"), part("addon.node", "addon")];
  const path = prepareFolder(fill("run", "native-1"), parts, uid);
  expect(path).toBe(join(base, "run/native-1"));
  expect(readdirSync(path).sort()).toEqual(["addon.node", "lib.so"]);
  expect(readFileSync(join(path, "lib.so"), "utf8")).toBe("library");
  expect(statSync(path).mode & 0o777).toBe(0o700);
  expect(statSync(join(path, "lib.so")).mode & 0o777).toBe(0o500);
});

test("parts that are already there are not unpacked again", () => {
  const library = part("lib.so", "library");
  prepareFolder(fill("native-1"), [library], uid);
  prepareFolder(fill("native-1"), [library], uid);
  expect(library.unpacked).toBe(1);
});

test.each([["another content of the same size", "LIBRARY"], ["a part cut short", "lib"]])(
  "%s is replaced",
  (_, found) => {
    const library = part("lib.so", "library");
    mkdirSync(join(base, "native-1"), { mode: 0o700 });
    writeFileSync(join(base, "native-1/lib.so"), found);
    prepareFolder(fill("native-1"), [library], uid);
    expect(readFileSync(join(base, "native-1/lib.so"), "utf8")).toBe("library");
  },
);

test("a folder that others may read is refused, and so is one that they may write", () => {
  for (const mode of [0o755, 0o770, 0o707]) {
    mkdirSync(join(base, "native-1"));
    chmodSync(join(base, "native-1"), mode);
    expect(() => prepareFolder(fill("native-1"), [part("lib.so", "library")], uid)).toThrow(/mode/);
    rmSync(join(base, "native-1"), { recursive: true });
  }
});

test("a folder under one that others may write is refused, unless that is sticky", () => {
  chmodSync(base, 0o777);
  expect(() => prepareFolder(fill("native-1"), [part("lib.so", "library")], uid)).toThrow(
    /may be written by others/,
  );
  chmodSync(base, 0o1777);
  prepareFolder(fill("native-1"), [part("lib.so", "library")], uid);
});

test("a folder of another user is refused", () => {
  mkdirSync(join(base, "native-1"), { mode: 0o700 });
  // Seen from another user's side: what this process owns is foreign to it. Root's folders are everyone's.
  if (uid === 0) Bun.spawnSync(["chown", "65534", join(base, "native-1")]);
  expect(() => prepareFolder(fill("native-1"), [part("lib.so", "library")], uid === 0 ? 0 : uid + 1)).toThrow(
    /belongs to user/,
  );
});

test("a symbolic link is not taken for a private folder", () => {
  mkdirSync(join(base, "elsewhere"), { mode: 0o700 });
  symlinkSync(join(base, "elsewhere"), join(base, "native-1"));
  expect(() => prepareFolder(fill("native-1"), [part("lib.so", "library")], uid)).toThrow(/not a folder/);
});

test("a base that does not exist is not made", () => {
  const folder: NativeFolder = { label: "test", base: join(base, "none"), below: ["a"], mode: "fill" };
  expect(() => prepareFolder(folder, [part("lib.so", "library")], uid)).toThrow(/ENOENT/);
  expect(existsSync(join(base, "none"))).toBe(false);
});

test("an installed part is used where it lies, and another library of its name is not", () => {
  const use: NativeFolder = { label: "test", base, below: [], mode: "use" };
  const library = part("lib.so", "library");
  expect(() => prepareFolder(use, [library], uid)).toThrow(/does not exist/);
  writeFileSync(join(base, "lib.so"), "library");
  expect(prepareFolder(use, [library], uid)).toBe(base);
  writeFileSync(join(base, "lib.so"), "malware");
  expect(() => prepareFolder(use, [library], uid)).toThrow(/another content/);
  expect(library.unpacked).toBe(0);
});

test("what a killed process left is swept, what a running one writes is not", () => {
  const folder = join(base, "native-1");
  mkdirSync(folder, { mode: 0o700 });
  writeFileSync(join(folder, "lib.so.tmp-1-2"), "half");
  writeFileSync(join(folder, "lib.so.tmp-3-4"), "half");
  utimesSync(join(folder, "lib.so.tmp-1-2"), 1e9, 1e9);
  prepareFolder(fill("native-1"), [part("lib.so", "library")], uid);
  expect(readdirSync(folder).sort()).toEqual(["lib.so", "lib.so.tmp-3-4"]);
});

test("the parts of a version that was left long ago are removed, its neighbours are not", () => {
  for (const name of ["native-old", "native-recent", "other"]) mkdirSync(join(base, name), { mode: 0o700 });
  for (const name of ["native-old", "other"]) utimesSync(join(base, name), 1e9, 1e9);
  prepareFolder(fill("native-1"), [part("lib.so", "library")], uid);
  expect(readdirSync(base).sort()).toEqual(["native-1", "native-recent", "other"]);
});

test("processes that start at once all find whole parts", async () => {
  const script = `
    import { createHash } from "node:crypto";
    import { checksumOf, inPieces, prepareFolder } from ${
    JSON.stringify(join(import.meta.dirname, "folder.ts"))
  };
    const content = new Uint8Array(4_000_000).fill(7);
    const part = {
      name: "lib.so", bytes: content.length, unpack: () => content,
      sha256: createHash("sha256").update(content).digest("hex"), checksum: checksumOf(inPieces(content)),
    };
    const path = prepareFolder({ label: "test", base: ${
    JSON.stringify(base)
  }, below: ["native-1"], mode: "fill" },
      [part], process.geteuid());
    const found = await Bun.file(path + "/lib.so").bytes();
    if (checksumOf(inPieces(found)) !== part.checksum) process.exit(1);
  `;
  const runs = Array.from(
    { length: 4 },
    () => Bun.spawn([process.execPath, "-e", script], { stderr: "inherit" }),
  );
  expect(await Promise.all(runs.map((run) => run.exited))).toEqual([0, 0, 0, 0]);
  expect(readdirSync(join(base, "native-1"))).toEqual(["lib.so"]);
});

test("places are tried from the installed to the temporary, and a chosen one alone", () => {
  const parts = [part("lib.so", "library")];
  const around = { executable: "/usr/lib/openwit/openwit", home: "/users/ann", temporary: "/tmp", uid: 1000 };
  const own = folderName(parts);
  const paths = (env: Record<string, string>) =>
    nativeFolders(parts, { ...around, env }).map(({ base, below }) => [base, ...below].join("/"));
  expect(paths({})).toEqual([
    "/usr/lib/openwit",
    `/users/ann/.cache/openwit/${own}`,
    `/tmp/openwit-1000/${own}`,
  ]);
  expect(
    paths({
      XDG_CACHE_HOME: "/c",
      CACHE_DIRECTORY: "/var/cache/a:/var/cache/b",
      STATE_DIRECTORY: "/var/lib/a",
    }),
  )
    .toEqual([
      "/usr/lib/openwit",
      `/var/cache/a/${own}`,
      `/var/lib/a/run/${own}`,
      `/c/openwit/${own}`,
      `/tmp/openwit-1000/${own}`,
    ]);
  expect(paths({ XDG_CACHE_HOME: "relative" })[1]).toBe(`/users/ann/.cache/openwit/${own}`);
  expect(paths({ OPENWIT_NATIVE_DIR: "/n", XDG_CACHE_HOME: "/c" })).toEqual([`/n/${own}`]);
});

test("another content gets another folder", () => {
  expect(folderName([part("lib.so", "one")])).not.toBe(folderName([part("lib.so", "two")]));
});
