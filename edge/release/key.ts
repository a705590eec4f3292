/**
 * Keys that sign releases: Ed25519 (RFC 8032).
 *
 * A public key is written as `ed25519:` and the base64 of its 32 bytes, or as the PEM of RFC 8410 that
 * `openssl pkey -pubout` prints; a private one as the PEM that `openssl genpkey -algorithm ed25519` prints.
 */
import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { OpenWitError } from "../../core/error.ts";

/** The build puts the public key of its releases in place of this name (compile/release-key.ts). */
declare const OPENWIT_RELEASE_PUBLIC_KEY: string | undefined;

/** The key that this executable believes; `undefined` when it was built without one, as in a checkout. */
export function embeddedReleaseKey(): string | undefined {
  return typeof OPENWIT_RELEASE_PUBLIC_KEY === "undefined" ? undefined : OPENWIT_RELEASE_PUBLIC_KEY;
}

/** @param label where the text is from, for an error. @throws OpenWitError `invalid_argument` */
export function parsePublicKey(text: string, label: string): KeyObject {
  const short = /^ed25519:([A-Za-z0-9+/]{43}=)$/.exec(text.trim());
  const key = short
    ? publicKeyOf({
      key: Buffer.concat([spkiHead, Buffer.from(short[1], "base64")]),
      format: "der",
      type: "spki",
    })
    // A private key would do for `createPublicKey`: whoever hands us one by mistake should learn of it.
    : text.includes("PRIVATE KEY")
    ? undefined
    : publicKeyOf(text);
  if (key?.asymmetricKeyType === "ed25519") return key;
  throw new OpenWitError("invalid_argument", `${label} holds no public key of Ed25519`, {
    hint: 'it is written as "ed25519:" and base64, or as "openssl pkey -pubout" prints it',
  });
}

/** @param label where the text is from, for an error. @throws OpenWitError `invalid_argument` */
export function parsePrivateKey(pem: string, label: string): KeyObject {
  try {
    const key = createPrivateKey(pem);
    if (key.asymmetricKeyType === "ed25519") return key;
  } catch {
    // Not told further: the cause may quote what should be secret.
  }
  throw new OpenWitError("invalid_argument", `${label} holds no private key of Ed25519`, {
    hint: "openssl genpkey -algorithm ed25519 makes one",
  });
}

/** The short form of a public key, or of the public half of a private one. */
export function formatPublicKey(key: KeyObject): string {
  const publicKey = key.type === "private" ? createPublicKey(key as unknown as string) : key;
  const der = publicKey.export({ format: "der", type: "spki" });
  return `ed25519:${der.subarray(spkiHead.length).toString("base64")}`;
}

/** What stands before the 32 bytes in a SubjectPublicKeyInfo (RFC 8410, section 4). */
const spkiHead = Buffer.from("302a300506032b6570032100", "hex");

function publicKeyOf(from: Parameters<typeof createPublicKey>[0]): KeyObject | undefined {
  try {
    return createPublicKey(from);
  } catch {
    return undefined;
  }
}
