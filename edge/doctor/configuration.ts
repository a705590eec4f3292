/** Check of the configuration: whether it can be read, and whether the box runs with it or had to go back. */
import type { OpenWitError } from "../../core/error.ts";
import { readLastGood, readTrial } from "../config/last_good.ts";
import { type Check, fail, ok, warn } from "./check.ts";

/** @param problem why it cannot be read */
export async function checkConfiguration(dataDir: string, problem?: OpenWitError): Promise<Check> {
  if (problem !== undefined) {
    const hint =
      "openwit config check tells all that is wrong; a server that starts now takes the last good one";
    return fail("configuration", `cannot be read: ${problem.message}`, problem.hint ?? hint);
  }
  const record = readTrial(dataDir);
  if (record?.state === "rolled_back") {
    const why = record.reason ?? "it failed";
    return fail(
      "configuration",
      `rolled back at ${record.since}, the last good one is in force: ${why}`,
      "mend the configuration (openwit config check), and have it reloaded (openwit config reload)",
    );
  }
  if (record?.state === "trial") {
    return record.starts > 1
      ? warn(
        "configuration",
        `on trial, and ${record.starts - 1} processes died of it`,
        "see the server's log for why",
      )
      : ok("configuration", `a new one is on trial since ${record.since}`);
  }
  const good = await readLastGood(dataDir);
  return ok(
    "configuration",
    good === undefined ? "right; none is kept to fall back to" : "right, and proved",
  );
}
