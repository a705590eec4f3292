/**
 * DuckDB's errors as ours. Its message begins with its kind ("Binder Error: …"), and may end in an excerpt of the
 * statement, which is of the rewritten text and is cut off.
 */
import { type ErrorCode, OpenWitError } from "../../core/error.ts";

const codes: Readonly<Record<string, { readonly code: ErrorCode; readonly hint?: string }>> = {
  "Parser Error": { code: "invalid_argument" },
  "Syntax Error": { code: "invalid_argument" },
  "Binder Error": { code: "invalid_argument" },
  "Catalog Error": { code: "invalid_argument" },
  "Conversion Error": { code: "invalid_argument" },
  "Invalid Input Error": { code: "invalid_argument" },
  "Invalid Type Error": { code: "invalid_argument" },
  "Mismatch Type Error": { code: "invalid_argument" },
  "Type Error": { code: "invalid_argument" },
  "Out of Range Error": { code: "invalid_argument" },
  "Divide by Zero Error": { code: "invalid_argument" },
  "Expression Error": { code: "invalid_argument" },
  "Parameter Not Resolved Error": { code: "invalid_argument" },
  "Not implemented Error": { code: "invalid_argument" },
  "Constraint Error": { code: "invalid_argument" },
  "Permission Error": { code: "forbidden" },
  "Out of Memory Error": {
    code: "overloaded",
    hint:
      "narrow the time range or select fewer columns; search.memory_max and search.spill_max set the limits",
  },
};

/** The error for what a statement threw. */
export function fromDuckDB(error: unknown): OpenWitError {
  if (error instanceof OpenWitError) return error;
  const text = error instanceof Error ? error.message : String(error);
  const [, kind = "", rest = text] = /^([A-Z][A-Za-z ]*? Error): ([^]*)$/.exec(text) ?? [];
  const [message, position] = withoutExcerpt(rest);
  if (kind === "IO Error" || kind === "HTTP Error") {
    if (/No files found|Cannot open file .*\.parquet/i.test(message)) {
      return new OpenWitError("not_found", `a segment is gone: ${message}`, {
        hint: "it was merged or removed meanwhile: run the statement again",
        cause: error,
      });
    }
    return new OpenWitError("io", `the engine could not read or spill: ${message}`, { cause: error });
  }
  if (kind === "INTERNAL Error") {
    // A trace of its calls follows, with paths of this machine: the cause has it, for the log.
    const [first] = message.split("\n", 1);
    return new OpenWitError("internal", `the SQL engine failed on the statement: ${first}`, {
      hint:
        "the data is as it was; write the expression another way, a TRY in GROUP BY in a subquery for one",
      cause: error,
    });
  }
  const known = codes[kind];
  if (known === undefined) return new OpenWitError("internal", text, { cause: error });
  const hint = known.hint ?? hintIn(message);
  return new OpenWitError(known.code, withoutHint(withoutAdvice(message)), {
    ...(hint === undefined ? {} : { hint }),
    ...(position === undefined ? {} : { position }),
    cause: error,
  });
}

/** Whether the instance is of no use after this error. */
export function isFatal(error: unknown): boolean {
  return /^FATAL Error|database has been invalidated/i.test(error instanceof Error ? error.message : "");
}

/** Whether a statement failed while it spilled: it may have left a file that counts against the spill. */
export function isSpillFull(error: unknown): boolean {
  return /failed to offload/.test(error instanceof Error ? error.message : "");
}

/** Whether the engine's memory limit was reached, by this statement or by those beside it. */
export function isOutOfMemory(error: unknown): boolean {
  return error instanceof OpenWitError && error.code === "overloaded" && error.cause instanceof Error &&
    error.cause.message.startsWith("Out of Memory Error");
}

/** DuckDB shows `LINE 1: select …` and a caret below the place; returns the message before it, and the column. */
function withoutExcerpt(message: string): [message: string, position: number | undefined] {
  const excerpt = /\n+LINE (\d+): ([^\n]*)\n( *)\^/.exec(message);
  if (excerpt === null) return [message.trim(), undefined];
  return [message.slice(0, excerpt.index).trim(), undefined];
}

/** `Candidate bindings: "body", "body_type"` and `Did you mean "logs"?` are hints. */
function hintIn(message: string): string | undefined {
  const found =
    /\n?(Did you mean "[^"]*"[^\n]*|Candidate (?:bindings|functions):[^]*|Candidate Entries:[^]*)$/i
      .exec(message);
  return found?.[1].replaceAll(/\s+/g, " ").trim();
}

/** Its advice is to change settings, which no statement can. */
function withoutAdvice(message: string): string {
  return message.replace(/\n+(Possible solutions:|This limit was set by)[^]*$|\.? Use "SET [^]*$/, "");
}

function withoutHint(message: string): string {
  return message.replace(
    /\n?(Did you mean "[^"]*"[^\n]*|Candidate (?:bindings|functions|Entries):[^]*)$/i,
    "",
  ).trim();
}
