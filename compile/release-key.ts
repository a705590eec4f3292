/**
 * The key that a build is for: executables believe its public half (edge/release/key.ts), packages are signed with its
 * private half where that is at hand.
 *
 *   OPENWIT_RELEASE_KEY=FILE           the private key, as PEM: packages are signed
 *   OPENWIT_RELEASE_PUBLIC_KEY=KEY     the public key alone, as text: executables for releases that are signed elsewhere
 */
import type { KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import { OpenWitError } from "../core/error.ts";
import { formatPublicKey, parsePrivateKey, parsePublicKey } from "../edge/release/key.ts";

export interface ReleaseKey {
  readonly privateKey?: KeyObject;
  /** In the short form; none: executables verify nothing unless they are told a key. */
  readonly publicKey?: string;
}

/** @throws OpenWitError `invalid_argument` when a variable holds no key, or the two are no pair */
export function releaseKey(environment: Readonly<Record<string, string | undefined>>): ReleaseKey {
  const { OPENWIT_RELEASE_KEY: path, OPENWIT_RELEASE_PUBLIC_KEY: text } = environment;
  const given = text ? formatPublicKey(parsePublicKey(text, "OPENWIT_RELEASE_PUBLIC_KEY")) : undefined;
  if (!path) return given === undefined ? {} : { publicKey: given };
  const privateKey = parsePrivateKey(readKeyFile(path), `OPENWIT_RELEASE_KEY ${path}`);
  const publicKey = formatPublicKey(privateKey);
  if (given !== undefined && given !== publicKey) {
    throw new OpenWitError(
      "invalid_argument",
      `OPENWIT_RELEASE_PUBLIC_KEY is ${given}, but the key of ${path} is ${publicKey}`,
      { hint: "leave the public one out: it follows from the private one" },
    );
  }
  return { privateKey, publicKey };
}

function readKeyFile(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new OpenWitError(
      "invalid_argument",
      `cannot read OPENWIT_RELEASE_KEY: ${(cause as Error).message}`,
      {
        cause,
      },
    );
  }
}
