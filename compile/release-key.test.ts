import { afterAll, expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatPublicKey } from "../edge/release/key.ts";
import { releaseKey } from "./release-key.ts";

const folder = mkdtempSync(join(tmpdir(), "openwit-release-key-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const pair = generateKeyPairSync("ed25519");
const publicKey = formatPublicKey(pair.publicKey);
const path = join(folder, "key.pem");
writeFileSync(path, pair.privateKey.export({ type: "pkcs8", format: "pem" }));

test("without variables a build has no key", () => {
  expect(releaseKey({})).toEqual({});
});

test("the public key follows from the private one", () => {
  expect(releaseKey({ OPENWIT_RELEASE_KEY: path })).toMatchObject({ publicKey });
});

test("a public key alone, as PEM too, comes out in its short form", () => {
  const pem = pair.publicKey.export({ type: "spki", format: "pem" }) as string;
  expect(releaseKey({ OPENWIT_RELEASE_PUBLIC_KEY: pem })).toEqual({ publicKey });
});

test("two keys that are no pair are refused", () => {
  const other = formatPublicKey(generateKeyPairSync("ed25519").publicKey);
  const both = { OPENWIT_RELEASE_KEY: path, OPENWIT_RELEASE_PUBLIC_KEY: other };
  expect(() => releaseKey(both)).toThrow(`is ${other}, but`);
});

test("a missing file is named", () => {
  expect(() => releaseKey({ OPENWIT_RELEASE_KEY: join(folder, "none") })).toThrow("none");
});
