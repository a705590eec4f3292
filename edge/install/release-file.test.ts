import { afterAll, expect, test } from "bun:test";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { formatChecksums, sha256OfFile } from "../release/checksums.ts";
import { signatureOf } from "../release/release.ts";
import { hostAt } from "./host.ts";
import { openRelease } from "./release-file.ts";

const base = mkdtempSync(join(tmpdir(), "openwit-release-file-"));
afterAll(() => rmSync(base, { recursive: true, force: true }));

const ours = generateKeyPairSync("ed25519");
const theirs = generateKeyPairSync("ed25519");
const script = "#!/bin/sh\necho openwit 2.0.0\n";
let folders = 0;

/** A folder with a file in it, its checksum, and its signature by a key. */
async function release(
  { text = script as string | Uint8Array, name = "openwit-linux-x64", signer }: {
    text?: string | Uint8Array;
    name?: string;
    signer?: KeyObject;
  } = {},
): Promise<string> {
  const file = join(base, `release-${folders++}`, name);
  mkdirSync(dirname(file));
  writeFileSync(file, text);
  const sums = formatChecksums(new Map([[name, await sha256OfFile(file)]]));
  writeFileSync(join(dirname(file), "SHA256SUMS"), sums);
  if (signer) writeFileSync(join(dirname(file), "SHA256SUMS.sig"), signatureOf(sums, signer));
  return file;
}

function openIt(
  file: string,
  trust: { key?: KeyObject; allowUnsigned?: boolean; allowUnchecked?: boolean } = {},
) {
  const stagingParent = join(base, "staging");
  mkdirSync(stagingParent, { recursive: true });
  return openRelease(file, {
    trust: { allowUnsigned: false, allowUnchecked: false, ...trust },
    stagingParent,
    arch: "x64",
    host: hostAt(),
  });
}

test("a release that the key signed is opened, and its staging is gone afterwards", async () => {
  const file = await release({ signer: ours.privateKey });
  let executable: string;
  {
    using opened = await openIt(file, { key: ours.publicKey });
    executable = opened.executable;
    expect(opened.version).toBe("2.0.0");
    expect(opened.trust).toStartWith("signed with ed25519:");
    expect(readFileSync(executable, "utf8")).toBe(script);
  }
  expect(existsSync(executable)).toBe(false);
});

test("one that another key signed is refused, also when unsigned ones are allowed, and nothing of it ran", async () => {
  const trace = join(base, "ran");
  const file = await release({ text: `#!/bin/sh\ntouch ${trace}\n`, signer: theirs.privateKey });
  const allowed = { key: ours.publicKey, allowUnsigned: true, allowUnchecked: true };
  await expect(openIt(file, allowed)).rejects.toThrow("was not made with the key");
  await expect(openIt(file, { key: ours.publicKey })).rejects.toThrow(/^SHA256SUMS\.sig was not/);
  await Bun.sleep(0);
  expect(existsSync(trace)).toBe(false);
  expect(readdirSync(join(base, "staging"))).toEqual([]);
});

test("a build without a key of its own asks for one", async () => {
  const file = await release({ signer: ours.privateKey });
  await expect(openIt(file)).rejects.toMatchObject({
    code: "forbidden",
    hint: expect.stringContaining("--key FILE"),
  });
});

test("without checksums a release is taken only when that is said", async () => {
  const file = await release();
  rmSync(join(dirname(file), "SHA256SUMS"));
  await expect(openIt(file)).rejects.toThrow("is not signed");
  await expect(openIt(file, { allowUnsigned: true })).rejects.toThrow("no SHA256SUMS lies beside");
  using opened = await openIt(file, { allowUnsigned: true, allowUnchecked: true });
  expect(opened.trust).toBe("neither signed nor checked, as you allowed");
});

test.each(["gz", "xz"])(
  "the executable of a tar.%s is found wherever it lies, beside what came with it",
  async (kind) => {
    const tree = join(base, "tree/openwit-2.0.0-linux-x64");
    for (const folder of ["lib", "completions"]) mkdirSync(join(tree, folder), { recursive: true });
    writeFileSync(join(tree, "lib/openwit"), script, { mode: 0o755 });
    writeFileSync(join(tree, "lib/libduckdb.so"), "library");
    writeFileSync(join(tree, "completions/openwit"), "complete -F _openwit openwit\n");
    const tarball = join(base, `openwit.tar.${kind}`);
    expect(Bun.spawnSync(["tar", "--auto-compress", "-cf", tarball, "-C", join(base, "tree"), "."]).exitCode)
      .toBe(0);
    const file = await release({ text: readFileSync(tarball), name: `openwit-2.0.0.tar.${kind}` });
    using opened = await openIt(file, { allowUnsigned: true });
    expect(basename(dirname(opened.executable))).toBe("lib");
    expect(readdirSync(dirname(opened.executable)).sort()).toEqual(["libduckdb.so", "openwit"]);
  },
);

test.each([
  ["another machine's executable", elf(0xb7), "is for arm64, and this machine is x64"],
  ["an executable of an unknown machine", elf(0xf3), "is for machine 243 of ELF"],
  ["a text", "just words", "is neither a release nor an executable"],
  ["an empty file", "", "is neither a release nor an executable"],
  ["another program", "#!/bin/sh\necho true 1.0\n", "is no openwit"],
])("%s is refused", async (_, text, message) => {
  await expect(openIt(await release({ text }), { allowUnsigned: true })).rejects.toThrow(message);
});

test("a package is the package manager's", async () => {
  const file = await release({ name: "openwit_2.0.0_amd64.deb" });
  await expect(openIt(file, { allowUnsigned: true })).rejects.toMatchObject({
    hint: `sudo apt install ${file}`,
  });
});

/** The header of an ELF file for a machine. */
function elf(machine: number): Uint8Array {
  const header = Buffer.alloc(64);
  header.write("\x7fELF", 0, "latin1");
  header.writeUInt16LE(machine, 18);
  return header;
}
