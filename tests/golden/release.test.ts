/**
 * A release folder as OpenSSL and coreutils made it, with the first test key of RFC 8032 (section 7.1): what we verify
 * is what they sign, and what we sign is the same bytes. A file here is never regenerated.
 */
import { expect, test } from "bun:test";
import { createPrivateKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { formatChecksums, parseChecksums, sha256OfFile } from "../../edge/release/checksums.ts";
import { formatPublicKey, parsePublicKey } from "../../edge/release/key.ts";
import { fileSignatureOf, signatureOf, verifyRelease } from "../../edge/release/release.ts";

const folder = join(import.meta.dirname, "release-v1");
const read = (name: string) => readFileSync(join(folder, name), "utf8");
const key = parsePublicKey(read("key.pem"), "key.pem");
const short = "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
const privateKey = createPrivateKey({
  key: Buffer.from(
    "302e020100300506032b657004220420" + "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
    "hex",
  ),
  format: "der",
  type: "pkcs8",
});

test("a file that SHA256SUMS names is verified by SHA256SUMS.sig", async () => {
  expect(await verifyRelease({ file: join(folder, "openwit-linux-x64"), key })).toEqual({
    file: join(folder, "openwit-linux-x64"),
    sha256: "30021c762c551447007ad5ee80a1c7211ebe007fc08cd6e130e8645484a3a7a1",
    signature: join(folder, "SHA256SUMS.sig"),
    key: short,
  });
});

test("a file with a signature of its own is verified by that", async () => {
  expect(await verifyRelease({ file: join(folder, "openwit.1"), key })).toMatchObject({
    signature: join(folder, "openwit.1.sig"),
  });
});

test("what is written today is the same", async () => {
  const names = ["openwit.1", "openwit-linux-x64"];
  const checksums = new Map<string, string>();
  for (const name of names) checksums.set(name, await sha256OfFile(join(folder, name)));
  const text = formatChecksums(checksums);
  expect(text).toBe(read("SHA256SUMS"));
  expect(parseChecksums(text, "SHA256SUMS")).toEqual(checksums);
  expect(signatureOf(text, privateKey)).toBe(read("SHA256SUMS.sig"));
  const [, line] = text.split(/(?<=\n)/);
  expect(fileSignatureOf(line, privateKey)).toBe(read("openwit.1.sig"));
});

test("a key reads the same in its short form and as PEM", () => {
  expect(formatPublicKey(key)).toBe(short);
  expect(formatPublicKey(parsePublicKey(`${short}\n`, "text"))).toBe(short);
  expect(formatPublicKey(privateKey)).toBe(short);
});
