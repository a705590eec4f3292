/** Values as people write them: sizes `512MiB`, durations `15m`, listeners `127.0.0.1:4317`. */
import { OpenWitError } from "../../core/error.ts";

const sizeUnits: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
  tib: 1024 ** 4,
};

const durationUnitsMs: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
};

/** Bytes. @param name what to call the value in an error: a key or a flag. */
export function parseSize(text: string, name: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim());
  const unit = match === null ? undefined : sizeUnits[match[2].toLowerCase()];
  if (match === null || unit === undefined) throw bad(name, text, "a size such as 512MiB or 20GB");
  return Math.round(Number(match[1]) * unit);
}

/** Bytes, or a share of a volume as in `80%`. */
export function parseShare(
  text: string,
  name: string,
): { readonly bytes: number } | { readonly percent: number } {
  const match = /^(\d+(?:\.\d+)?)\s*%$/.exec(text.trim());
  if (match === null) return { bytes: parseSize(text, name) };
  const percent = Number(match[1]);
  if (percent === 0 || percent > 100) throw bad(name, text, "a share above 0% and up to 100%");
  return { percent };
}

/** Milliseconds; parts add up, as in `1h30m`. */
export function parseDuration(text: string, name: string): number {
  const trimmed = text.trim();
  if (!/^(\d+(?:\.\d+)?(ms|s|m|h|d|w))+$/.test(trimmed)) {
    throw bad(name, text, "a duration such as 500ms, 15m or 7d");
  }
  let ms = 0;
  for (const [, amount, unit] of trimmed.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d|w)/g)) {
    ms += Number(amount) * durationUnitsMs[unit];
  }
  return ms;
}

export interface Listen {
  readonly host: string;
  readonly port: number;
}

/** `host:port`, `[::1]:port`, or `:port` for every address. */
export function parseListen(text: string, name: string): Listen {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:\s[\]]*)):(\d{1,5})$/i.exec(text.trim());
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) throw bad(name, text, "host:port, such as 127.0.0.1:4317");
  return { host: match[1] ?? (match[2] === "" ? "0.0.0.0" : match[2]), port };
}

export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host);
}

export function parseInteger(text: string, name: string): number {
  if (!/^\d{1,15}$/.test(text.trim())) throw bad(name, text, "a whole number");
  return Number(text);
}

export function parseBoolean(text: string, name: string): boolean {
  const lower = text.trim().toLowerCase();
  if (["true", "yes", "on", "1", ""].includes(lower)) return true;
  if (["false", "no", "off", "0"].includes(lower)) return false;
  throw bad(name, text, "true or false");
}

/** The word of `words` that is nearest to `word`, when it is near enough to have been meant. */
export function nearestWord(word: string, words: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(word.length / 3)) + 1;
  for (const candidate of words) {
    const distance = editDistance(word, candidate);
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** Levenshtein distance. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      next[j] = Math.min(next[j - 1] + 1, row[j] + 1, row[j - 1] + (from[i - 1] === to[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[to.length];
}

function bad(name: string, text: string, expected: string): OpenWitError {
  return new OpenWitError("invalid_argument", `${name} is ${JSON.stringify(text)}; expected ${expected}`);
}
