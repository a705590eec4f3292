/**
 * Compression of packages, by the program `xz`. A package has 196 MB: 77 MB as gzip and 64 MB as xz, of the 70 that a
 * download may have. What unpacks xz is on every Debian system (dpkg), in GNU tar and in busybox.
 *
 * One thread: with more, the file is cut into blocks and grows; and the same version of xz gives the same bytes.
 */
import { OpenWitError } from "../../core/error.ts";

/** @param level 6 for what is given away; 0 where only the content matters. @throws OpenWitError `unavailable` */
export async function xz(content: Uint8Array, level: 0 | 6): Promise<Uint8Array> {
  if (Bun.which("xz") === null) {
    throw new OpenWitError("unavailable", "packages need the program xz", {
      hint: "apt-get install xz-utils",
    });
  }
  const child = Bun.spawn(["xz", `-${level}`, "--threads=1", "--check=crc32", "--stdout"], {
    stdin: new Blob([content as Uint8Array<ArrayBuffer>]),
    stdout: "pipe",
    stderr: "pipe",
    env: {}, // XZ_OPT and XZ_DEFAULTS would change what comes out
  });
  const [bytes, status, errors] = await Promise.all([
    new Response(child.stdout).bytes(),
    child.exited,
    new Response(child.stderr).text(),
  ]);
  if (status !== 0) throw new OpenWitError("internal", `xz ended with ${status}: ${errors}`);
  return bytes;
}
