/**
 * Native parts without a file: anonymous memory files (memfd_create(2), Linux 3.17), for a system on which no
 * folder can be written or executed from. Costs the unpacked size in RAM, so it is the last resort.
 */
import { writeSync } from "node:fs";
import type { NativePart } from "./folder.ts";

/**
 * Path of a memory file with the content of `part`. Its descriptor stays open for the life of the process:
 * the path leads through it. (The linker's mapping would survive a close, a second worker's `dlopen` not.)
 * @throws Error when the system refuses
 */
export function memoryFile(part: NativePart): string {
  const known = paths.get(part.sha256);
  if (known) return known;
  // Loaded here and not above: opening libc takes time that the usual start should not pay.
  const { dlopen } = require("bun:ffi") as typeof import("bun:ffi");
  const libc = dlopen("libc.so.6", { memfd_create: { args: ["cstring", "u32"], returns: "i32" } });
  const fd = libc.symbols.memfd_create(new TextEncoder().encode(`${part.name}\0`), closeOnExec);
  if (fd < 0) throw new Error("memfd_create was refused");
  const content = part.unpack!();
  for (let at = 0; at < content.length;) at += writeSync(fd, content, at);
  const path = `/proc/self/fd/${fd}`;
  paths.set(part.sha256, path);
  return path;
}

const closeOnExec = 1;
/** A cache of what this thread made; the content is named by its hash, so that it cannot go stale. */
const paths = new Map<string, string>();
