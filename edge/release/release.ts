/**
 * Whether a file is what a release signed. `openwit upgrade` asks before it runs anything of it.
 *
 * A release is a folder:
 *
 *   openwit_0.1.0_amd64.deb, …   its files
 *   SHA256SUMS                   their checksums: checksums.ts
 *   SHA256SUMS.sig               base64 of the Ed25519 signature (64 bytes) over the bytes of SHA256SUMS, a newline
 *   {file}.sig                   for each file alone: the line of SHA256SUMS that names it, and on a second line the
 *                                base64 of the signature over that first line, its newline included
 *
 * So `FILE` with `FILE.sig` is enough to take to a box; and `SHA256SUMS.sig` is checked as well by
 * `base64 -d SHA256SUMS.sig > raw && openssl pkeyutl -verify -pubin -inkey KEY -rawin -in SHA256SUMS -sigfile raw`.
 *
 * Invariants: (1) Of a list nothing is believed before its signature was verified.
 *             (2) The name that was signed is the name that the file has: an old version does not pass as a new one.
 *             (3) What is verified is the content at that time. Whoever goes on to use the file must hold it where
 *                 nobody else can write, as for a copy of one's own.
 */
import { type KeyObject, sign, verify } from "node:crypto";
import { readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { OpenWitError } from "../../core/error.ts";
import { type Checksums, checksumsName, parseChecksums, sha256OfFile } from "./checksums.ts";
import { embeddedReleaseKey, formatPublicKey, parsePublicKey } from "./key.ts";

export const signatureExtension = ".sig";

export interface ReleaseRequest {
  /** A file of a release; `FILE.sig`, or SHA256SUMS with SHA256SUMS.sig, lies beside it. */
  readonly file: string;
  /** Key to believe. Default: the one that this executable was built with. */
  readonly key?: KeyObject;
}

export interface VerifiedRelease {
  readonly file: string;
  readonly sha256: string;
  /** The file that vouched for it: `FILE.sig` or `SHA256SUMS.sig`. */
  readonly signature: string;
  /** The key that signed, in its short form. */
  readonly key: string;
}

/**
 * @throws OpenWitError `not_found` when the file or its signature is missing, `malformed` when the signature or the
 * list is no such thing, `forbidden` when no key is known or another key signed, `corrupt` when the content is
 * another than what was signed
 */
export async function verifyRelease({ file, key }: ReleaseRequest): Promise<VerifiedRelease> {
  const known = key ?? builtInKey();
  const { checksums, signature } = await signedChecksums(file, known);
  const name = basename(file);
  const expected = checksums.get(name);
  if (expected === undefined) {
    throw new OpenWitError("not_found", `${signature} vouches for ${list(checksums)}, and not for ${name}`, {
      hint: "a file keeps the name that it was released under",
    });
  }
  const sha256 = await readable(file, () => sha256OfFile(file));
  if (sha256 !== expected) {
    throw new OpenWitError("corrupt", `${file} has SHA-256 ${sha256}, ${signature} says ${expected}`, {
      hint: "it was cut short or changed on the way: fetch it again",
    });
  }
  return { file, sha256, signature, key: formatPublicKey(known) };
}

/** The text of `SHA256SUMS.sig`, when `text` is that of SHA256SUMS. */
export function signatureOf(text: string, key: KeyObject): string {
  return sign(null, Buffer.from(text), key).toString("base64") + "\n";
}

/** The text of `FILE.sig`. @param line the line of SHA256SUMS for the file */
export function fileSignatureOf(line: string, key: KeyObject): string {
  return line + signatureOf(line, key);
}

function builtInKey(): KeyObject {
  const text = embeddedReleaseKey();
  if (text !== undefined) return parsePublicKey(text, "the key of this build");
  throw new OpenWitError("forbidden", "this build of openwit was made without a release key", {
    hint: "say --key FILE with the public key of whoever signed the release",
  });
}

async function signedChecksums(file: string, key: KeyObject) {
  const own = file + signatureExtension;
  const ownText = await readIfThere(own);
  if (ownText !== undefined) {
    const split = ownText.indexOf("\n") + 1;
    return { checksums: believed(own, ownText.slice(0, split), ownText.slice(split), key), signature: own };
  }
  const sums = join(dirname(file), checksumsName);
  const signature = sums + signatureExtension;
  const [text, signed] = [await readIfThere(sums), await readIfThere(signature)];
  if (text === undefined || signed === undefined) {
    const missing = text === undefined ? sums : signature;
    throw new OpenWitError("not_found", `${file} has no signature: neither ${own} nor ${missing} exists`, {
      hint: `put ${basename(own)}, or ${checksumsName} and ${checksumsName}${signatureExtension}, beside it`,
    });
  }
  return { checksums: believed(signature, text, signed, key), signature };
}

/** The checksums of `text`, read only when its signature is of that key. */
function believed(signature: string, text: string, base64: string, key: KeyObject): Checksums {
  if (!/^[A-Za-z0-9+/]{86}==\n?$/.test(base64)) {
    throw new OpenWitError("malformed", `${signature} holds no signature of Ed25519 in base64`);
  }
  if (!verify(null, Buffer.from(text), key, Buffer.from(base64, "base64"))) {
    throw new OpenWitError("forbidden", `${signature} was not made with the key ${formatPublicKey(key)}`, {
      hint: "the release is of somebody else, or was changed; --key FILE names another key to believe",
    });
  }
  return parseChecksums(text, signature);
}

function list(checksums: Checksums): string {
  return checksums.size === 0 ? "nothing" : [...checksums.keys()].join(", ");
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as { code?: string }).code === "ENOENT") return undefined;
    throw unreadable(path, error);
  }
}

async function readable<Value>(path: string, read: () => Promise<Value>): Promise<Value> {
  try {
    return await read();
  } catch (error) {
    throw unreadable(path, error);
  }
}

function unreadable(path: string, cause: unknown): OpenWitError {
  const { code, message } = cause as { code?: string; message: string };
  return code === "ENOENT"
    ? new OpenWitError("not_found", `${path} does not exist`, { cause })
    : new OpenWitError("io", `cannot read ${path}: ${message}`, { retryable: false, cause });
}
