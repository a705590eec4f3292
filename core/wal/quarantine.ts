/** The folder of what could not be read: the bytes as they were found, and beside them why. */
import { type Disk, writeFileDurably } from "../env/disk.ts";

export const quarantineFolder = "quarantine";

/**
 * Puts bytes aside as `quarantine/{name}` with `quarantine/{name}.json` beside it; returns the path.
 * The same name again replaces what is there, so that a start that was interrupted leaves no second copy.
 * @throws OpenWitError `disk_full`, `io`
 */
export async function quarantineBytes(
  disk: Disk,
  name: string,
  bytes: Uint8Array | AsyncIterable<Uint8Array>,
  reason: Record<string, unknown>,
): Promise<string> {
  const path = `${quarantineFolder}/${name}`;
  await disk.makeDir(quarantineFolder);
  await writeFileDurably(disk, path, bytes instanceof Uint8Array ? [bytes] : bytes);
  const text = JSON.stringify(reason, (_key, value) => typeof value === "bigint" ? String(value) : value, 2);
  await writeFileDurably(disk, `${path}.json`, [new TextEncoder().encode(text + "\n")]);
  return path;
}
