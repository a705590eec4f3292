import { afterEach, beforeEach, expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { rename, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { OpenWitError } from "../../core/error.ts";
import { formatChecksums, parseChecksums, sha256OfFile } from "./checksums.ts";
import { parsePrivateKey, parsePublicKey } from "./key.ts";
import { fileSignatureOf, signatureOf, verifyRelease } from "./release.ts";

const ours = generateKeyPairSync("ed25519");
const theirs = generateKeyPairSync("ed25519");

let folder: string;
let file: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "openwit-release-"));
  file = join(folder, "openwit.deb");
  await writeFile(file, "x".repeat(3_000_000));
  await signFolder();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("a signed file passes, whatever its length", async () => {
  expect(await verifyRelease({ file, key: ours.publicKey })).toMatchObject({ file });
});

test("a changed file is refused, with both checksums", async () => {
  await writeFile(file, "y".repeat(3_000_000));
  const error = await refusal();
  expect(error).toMatchObject({ code: "corrupt", hint: expect.stringContaining("again") });
  expect(error.message).toContain(await sha256OfFile(file));
});

test("a list that was changed after it was signed is refused before it is read", async () => {
  await writeFile(join(folder, "SHA256SUMS"), "no list at all");
  expect(await refusal()).toMatchObject({ code: "forbidden" });
});

test("a release that another key signed is refused", async () => {
  await signFolder(theirs.privateKey);
  expect(await refusal()).toMatchObject({ code: "forbidden", message: expect.stringContaining("ed25519:") });
});

test("a file under another name than it was released under is refused", async () => {
  const renamed = join(folder, "openwit_9.9.9.deb");
  await rename(file, renamed);
  file = renamed;
  expect(await refusal()).toMatchObject({
    code: "not_found",
    message: expect.stringMatching(/vouches for openwit\.deb, and not for openwit_9\.9\.9\.deb/),
  });
});

test.each(["SHA256SUMS", "SHA256SUMS.sig"])("without %s the error names what is missing", async (name) => {
  rmSync(join(folder, name));
  expect(await refusal()).toMatchObject({ code: "not_found", message: expect.stringContaining(name) });
});

test("a signature of the file's own comes before the list, and does not fall back to it", async () => {
  const line = formatChecksums(new Map([["openwit.deb", await sha256OfFile(file)]]));
  await writeFile(`${file}.sig`, fileSignatureOf(line, ours.privateKey));
  rmSync(join(folder, "SHA256SUMS"));
  expect(await verifyRelease({ file, key: ours.publicKey })).toMatchObject({ signature: `${file}.sig` });
  await signFolder();
  await writeFile(`${file}.sig`, fileSignatureOf(line, theirs.privateKey));
  expect(await refusal()).toMatchObject({ code: "forbidden" });
});

test.each(["", "no base64!\n", "AAAA\n"])("a signature file with %j is malformed", async (text) => {
  await writeFile(join(folder, "SHA256SUMS.sig"), text);
  expect(await refusal()).toMatchObject({ code: "malformed" });
});

test("a missing file is not found", async () => {
  rmSync(file);
  expect(await refusal()).toMatchObject({ code: "not_found", message: `${file} does not exist` });
});

test("a build without a key asks for one", async () => {
  expect(await verifyRelease({ file }).catch((error) => error)).toMatchObject({
    code: "forbidden",
    hint: expect.stringContaining("--key FILE"),
  });
});

const digest = "0".repeat(64);
test.each([
  [`${digest}  a`, "cut short"],
  [`${digest}  a\n${digest} *a\n`, "line 2 names a again"],
  [`${digest}  ../a\n`, "line 1"],
  [`${digest.slice(1)}  a\n`, "line 1"],
  [`${digest}  a\n\n`, "line 2"],
])("checksums %j are malformed", (text, why) => {
  expect(() => parseChecksums(text, "SHA256SUMS")).toThrow(why);
});

test("keys of another kind, and private keys in place of public ones, are refused", () => {
  const pem = { type: "pkcs8", format: "pem" } as const;
  const secret = ours.privateKey.export(pem) as string;
  const other = generateKeyPairSync("ec", { namedCurve: "P-256" });
  expect(() => parsePublicKey(secret, "--key")).toThrow("--key holds no public key");
  expect(() => parsePublicKey("ed25519:AAAA", "--key")).toThrow("--key holds no public key");
  expect(() => parsePublicKey(other.publicKey.export({ type: "spki", format: "pem" }) as string, "--key"))
    .toThrow("--key holds no public key");
  expect(() => parsePrivateKey(other.privateKey.export(pem) as string, "FILE")).toThrow(
    "FILE holds no private key",
  );
  expect(parsePrivateKey(secret, "FILE").asymmetricKeyType).toBe("ed25519");
});

async function signFolder(key = ours.privateKey): Promise<void> {
  const text = formatChecksums(new Map([["openwit.deb", await sha256OfFile(file)]]));
  await writeFile(join(folder, "SHA256SUMS"), text);
  await writeFile(join(folder, "SHA256SUMS.sig"), signatureOf(text, key));
}

async function refusal(): Promise<OpenWitError> {
  const error = await verifyRelease({ file, key: ours.publicKey }).catch((error) => error);
  expect(error).toBeInstanceOf(OpenWitError);
  return error;
}
