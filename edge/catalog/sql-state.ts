/** What PostgreSQL's failures mean: by SQLSTATE (PostgreSQL 18, appendix A), and in its log where there is none. */
import { type ErrorCode, OpenWitError } from "../../core/error.ts";

/** By a prefix of the SQLSTATE, the longest that fits. */
const codes: Readonly<Record<string, ErrorCode>> = {
  "08": "unavailable", // connection
  "28": "unauthenticated",
  "3D": "not_found", // no such database
  "40": "unavailable", // rolled back: deadlock, serialization
  "42501": "forbidden",
  "53": "unavailable", // out of resources
  "53100": "disk_full",
  "57": "unavailable", // shutting down, cancelled
  "58": "io",
};

export function errorOfState(state: string, message: string, cause?: unknown): OpenWitError {
  const prefix = [5, 2].map((length) => state.slice(0, length)).find((each) => each in codes);
  const code = prefix === undefined ? "internal" : codes[prefix];
  return new OpenWitError(code, `the catalog's database says: ${message} (SQLSTATE ${state})`, { cause });
}

/** Whether a SQLSTATE, or a text of the log, says that the files are not what was written. */
export function isDamage(said: string | undefined): boolean {
  return said !== undefined && (/^(XX00[012]|58P01)$/.test(said) ||
    /invalid page|could not read blocks?|unexpected data beyond EOF|could not access status|missing chunk|corrupt/i
      .test(said));
}

/** Whether a failure to open is of the box and not of the folder: no room, no rights, no memory. */
export function isOfTheBox(said: string | undefined): boolean {
  return /no space left|ENOSPC|EDQUOT|permission denied|EACCES|EROFS|read-only file system|too many open files|EMFILE|out of memory|cannot make the catalog/i
    .test(said ?? "");
}
