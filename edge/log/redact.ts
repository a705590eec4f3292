/**
 * Takes secrets out of what is logged: what is known to be one, what stands under the name of one, and what stands
 * where URLs and headers have theirs. It rather hides too much: a line that is read in a support bundle or in tenant
 * `_system` has no place for a password.
 */
export const hidden = "***";

/** Names under which nothing is shown. */
const secretName =
  /pass(word|wd|phrase)|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential|authorization|cookie/i;

/** `postgres://user:password@host`: the password reaches to the last @ of the authority. */
const urlPassword = /\b([a-z][a-z0-9+.-]{0,20}:\/\/[^\s/:@"']{0,256}):[^\s/"']*@/gi;

/** `Authorization: Bearer …`, wherever it is quoted. */
const scheme = /\b(Bearer|Basic)\s+[\w+/.~=-]{6,}/g;

/** `password=…`, `"token":"…"`, `api_key: …`. */
const assigned = new RegExp(
  `((?:["']?)\\b[\\w.-]{0,64}?(?:${secretName.source})[\\w-]{0,64}["']?\\s{0,8}[=:]\\s{0,8})("(?:[^"\\\\]|\\\\.)*"|'[^']*'|[^\\s,;&}"']+)`,
  "gi",
);

/** Shorter ones would take words apart. */
const secretLengthMin = 4;

export class Redactor {
  readonly #secrets = new Set<string>();

  /** From now on this text is hidden wherever it stands; the password alone when it is a URL that has one. */
  hide(secret: string): void {
    const url = secret.includes("://") && URL.canParse(secret) ? new URL(secret) : undefined;
    if (url !== undefined && url.password === "") return;
    const texts = url === undefined ? [secret] : [url.password, decode(url.password)];
    for (const text of texts) if (text.length >= secretLengthMin) this.#secrets.add(text);
  }

  text(text: string): string {
    let shown = text;
    for (const secret of this.#secrets) shown = shown.replaceAll(secret, hidden);
    return shown
      .replace(urlPassword, `$1:${hidden}@`)
      .replace(scheme, `$1 ${hidden}`)
      .replace(assigned, `$1${hidden}`);
  }

  /** A value under its name, and what is in it. */
  value(name: string, value: unknown): unknown {
    if (secretName.test(name) && value !== undefined && typeof value !== "boolean") return hidden;
    if (typeof value === "string") return this.text(value);
    if (Array.isArray(value)) return value.map((each) => this.value(name, each));
    if (value !== null && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, this.value(key, each)]));
    }
    return value;
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a % that begins nothing: it stands for itself
  }
}
