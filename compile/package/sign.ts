/** Writes what vouches for a release, in the form of edge/release/release.ts. */
import type { KeyObject } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { checksumsName, formatChecksums, sha256OfFile } from "../../edge/release/checksums.ts";
import { fileSignatureOf, signatureExtension, signatureOf } from "../../edge/release/release.ts";

/** @param key without one the list stands there unsigned, and signatures of an earlier build are removed */
export async function signFolder(
  folder: string,
  names: readonly string[],
  key: KeyObject | undefined,
): Promise<void> {
  const checksums = new Map<string, string>();
  for (const name of names) checksums.set(name, await sha256OfFile(join(folder, name)));
  const text = formatChecksums(checksums);
  writeFileSync(join(folder, checksumsName), text);
  const put = (path: string, sign: (key: KeyObject) => string) => {
    if (key) writeFileSync(path, sign(key));
    else rmSync(path, { force: true });
  };
  put(join(folder, checksumsName + signatureExtension), (key) => signatureOf(text, key));
  for (const [name, sha256] of checksums) {
    const line = formatChecksums(new Map([[name, sha256]]));
    put(join(folder, name + signatureExtension), (key) => fileSignatureOf(line, key));
  }
}
