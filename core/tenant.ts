/** Names of tenants: the first folder of every segment's path, so kept to what any file system and URL takes. */
import { OpenWitError } from "./error.ts";

export const defaultTenant = "default";

/** A regular expression. */
export const tenantPatternText = "^[a-z0-9][a-z0-9_-]{0,62}$";
const tenantPattern = new RegExp(tenantPatternText);

/** The tenant of a request by its header's text; the default one when there is none. */
export function parseTenant(text: string | null | undefined): string {
  if (text === null || text === undefined || text === "") return defaultTenant;
  if (tenantPattern.test(text)) return text;
  throw new OpenWitError(
    "invalid_argument",
    `tenant ${JSON.stringify(text.slice(0, 80))} is not a valid name`,
    {
      hint: "use 1 to 63 of a-z, 0-9, _ and -, beginning with a letter or digit",
    },
  );
}
