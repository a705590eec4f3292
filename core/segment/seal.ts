/**
 * Makes the bytes of a segment's file durable that something else wrote, and measures them: what DuckDB writes it never
 * syncs, and what an archive brought was written in parts.
 */
import type { Disk } from "../env/disk.ts";
import { OpenWitError } from "../error.ts";
import { crc32c } from "../wal/crc32c.ts";

/** Bytes and checksum of a file that is durable now. @throws OpenWitError `corrupt`, `io` */
export async function sealFile(disk: Disk, path: string): Promise<{ bytes: number; checksum: number }> {
  const file = await disk.open(path, "update");
  try {
    const bytes = await file.size();
    const part = new Uint8Array(Math.min(bytes, 1024 * 1024));
    let checksum = 0;
    for (let at = 0; at < bytes;) {
      const read = await file.read(part, at);
      if (read === 0) throw new OpenWitError("corrupt", `${path} ended at byte ${at} of ${bytes}`);
      checksum = crc32c(part.subarray(0, read), checksum);
      at += read;
    }
    await file.sync();
    return { bytes, checksum };
  } finally {
    await file.close();
  }
}
