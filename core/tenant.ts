/** Names of tenants: the first folder of every segment's path, so kept to what any file system and URL takes. */
import { OpenWitError } from "./error.ts";

export const defaultTenant = "default";

/** What a node says of itself, its log and its metrics. It alone writes there; it is asked like any other. */
export const systemTenant = "_system";

/** Regular expressions: within another one, and of a whole text. */
export const tenantSource = `(?:${systemTenant}|[a-z0-9][a-z0-9_-]{0,62})`;
export const tenantPatternText = `^${tenantSource}$`;
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

/** The tenant of a request that writes. @throws OpenWitError `forbidden` for the node's own; as `parseTenant` */
export function parseWritableTenant(text: string | null | undefined): string {
  const tenant = parseTenant(text);
  if (tenant !== systemTenant) return tenant;
  throw new OpenWitError(
    "forbidden",
    `tenant ${systemTenant} holds what this node says of itself: nobody else writes there`,
    { hint: "send to another tenant" },
  );
}
