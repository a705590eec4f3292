/**
 * `SHA256SUMS`: the checksums of a release's files, as `sha256sum` of coreutils writes and checks them. A line is
 *
 *   {64 hexadecimal digits}{space}{space or "*"}{name}{newline}
 *
 * and names a file in the folder of the list itself, never a path. Every file has one line.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { OpenWitError } from "../../core/error.ts";

export const checksumsName = "SHA256SUMS";

/** SHA-256 in lowercase hexadecimal digits, by name of the file. */
export type Checksums = ReadonlyMap<string, string>;

/** Sorted by name, so that the same files give the same bytes. */
export function formatChecksums(checksums: Checksums): string {
  return [...checksums].sort(([a], [b]) => a < b ? -1 : 1).map((entry) => checksumLine(...entry)).join("");
}

/** @param label what to call the text in an error. @throws OpenWitError `malformed`, naming the line */
export function parseChecksums(text: string, label: string): Checksums {
  const checksums = new Map<string, string>();
  const lines = text.split("\n");
  if (lines.pop() !== "") throw malformed(label, lines.length + 1, "is cut short: it has no newline");
  for (const [index, line] of lines.entries()) {
    const match = linePattern.exec(line);
    if (!match) throw malformed(label, index + 1, "is not a SHA-256 and the name of a file");
    const [, sha256, name] = match;
    if (checksums.has(name)) throw malformed(label, index + 1, `names ${name} again`);
    checksums.set(name, sha256);
  }
  return checksums;
}

/** @throws the error of the file system */
export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(path, { highWaterMark: pieceBytes })) hash.update(piece);
  return hash.digest("hex");
}

const pieceBytes = 1 << 20;
/** No slash, so that a list says nothing of other folders; no control character, so that a message shows what it names. */
// deno-lint-ignore no-control-regex -- to refuse them
const linePattern = /^([0-9a-f]{64}) [ *]([^/\x00-\x1f\x7f]+)$/;

function checksumLine(name: string, sha256: string): string {
  return `${sha256}  ${name}\n`;
}

function malformed(label: string, line: number, what: string): OpenWitError {
  return new OpenWitError("malformed", `${label}: line ${line} ${what}`);
}
