/**
 * Writes a tar archive (POSIX ustar): entries in their order, owned by root, all of one time, so that the same entries
 * give the same bytes on every machine.
 */
import { OpenWitError } from "../../core/error.ts";
import { tarBlockBytes, tarPaddingBytes } from "../../core/archive/tar.ts";
import type { PackageEntry } from "./entry.ts";

/** @param prefix stands before each path: `./` in a Debian package */
export function tarOf(entries: readonly PackageEntry[], prefix: string, mtimeSeconds: number): Uint8Array {
  const blocks = entries.flatMap((entry) => {
    const head = header(entry, prefix, mtimeSeconds);
    return entry.kind === "file"
      ? [head, entry.content, new Uint8Array(tarPaddingBytes(entry.content.length))]
      : [head];
  });
  return Buffer.concat([...blocks, new Uint8Array(2 * tarBlockBytes)]);
}

function header(entry: PackageEntry, prefix: string, mtimeSeconds: number): Uint8Array {
  const block = Buffer.alloc(tarBlockBytes);
  const name = `${prefix}${entry.path}${entry.kind === "folder" ? "/" : ""}`;
  if (Buffer.byteLength(name) > 100) {
    throw new OpenWitError("too_large", `the path ${name} is longer than a header of tar takes`);
  }
  const octal = (value: number, digits: number) => value.toString(8).padStart(digits, "0");
  block.write(name, 0);
  block.write(octal(entry.kind === "link" ? 0o777 : entry.mode, 7), 100);
  block.write(octal(0, 7), 108);
  block.write(octal(0, 7), 116);
  block.write(octal(entry.kind === "file" ? entry.content.length : 0, 11), 124);
  block.write(octal(mtimeSeconds, 11), 136);
  block.write(" ".repeat(8), 148);
  block.write({ file: "0", link: "2", folder: "5" }[entry.kind], 156);
  if (entry.kind === "link") block.write(entry.target, 157);
  block.write("ustar\x0000", 257);
  block.write("root", 265);
  block.write("root", 297);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${octal(sum, 6)}\0 `, 148);
  return block;
}
