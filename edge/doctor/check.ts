/** What `openwit doctor` finds: one line each, with what to do where something is to be done. */

export interface Check {
  readonly check: string;
  readonly status: "ok" | "warn" | "fail";
  /** What there is, as a sentence fragment. */
  readonly found: string;
  /** What to do; of every warning and failure. */
  readonly hint?: string;
}

export function ok(check: string, found: string): Check {
  return { check, status: "ok", found };
}

export function warn(check: string, found: string, hint: string): Check {
  return { check, status: "warn", found, hint };
}

export function fail(check: string, found: string, hint: string): Check {
  return { check, status: "fail", found, hint };
}
