/** Makes the data folder of a server: mode 0700, for telemetry holds secrets. */
import { mkdir } from "node:fs/promises";
import { OpenWitError } from "../../core/error.ts";

/** @throws OpenWitError `io` when it is not there and cannot be made */
export async function makeDataDir(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new OpenWitError("io", `cannot make the data folder ${path}: ${(cause as Error).message}`, {
      hint: "choose another with --data-dir, or give this user the right to write there",
      retryable: false,
      cause,
    });
  }
}
