/** Turns the rows of a statement into an HTTP answer of the format asked for, as they arrive. */
import { OpenWitError, toOpenWitError } from "../../core/error.ts";
import { toArrow } from "../../core/query/arrow.ts";
import { toCsv, toJson, toNdjson } from "../../core/query/format.ts";
import { type Coverage, coverageJson, coverageWarnings } from "../../core/query/coverage.ts";
import { planJson } from "../../core/query/explain.ts";
import type { QueryResult } from "../../core/query/query.ts";
import type { Statement } from "./statement.ts";

type Pieces = AsyncGenerator<string | Uint8Array, void, undefined>;

export const resultFormats = {
  json: { type: "application/json", pieces: toJson },
  ndjson: { type: "application/x-ndjson", pieces: toNdjson },
  csv: { type: "text/csv", pieces: toCsv },
  arrow: { type: "application/vnd.apache.arrow.stream", pieces: toArrow },
} as const satisfies Record<
  string,
  { readonly type: string; readonly pieces: (result: QueryResult) => Pieces }
>;

export type ResultFormat = keyof typeof resultFormats;

/**
 * The answer. An error before the first row is thrown, to be an answer of its own.
 * @param cutIsError whether nobody asked for the limit: rows cut off by it end the stream with an error; JSON says
 *   in `truncated` and a warning that it is partial
 * @param explain whether to say how it was answered, which JSON alone has a place for
 */
export async function answer(
  statement: Statement,
  format: ResultFormat,
  cutIsError: boolean,
  explain = false,
): Promise<Response> {
  const { finish } = statement;
  const { type, pieces } = resultFormats[format];
  const iterator = withCoverage(pieces(statement.result), statement, format, cutIsError, explain);
  let first: IteratorResult<string | Uint8Array, void>;
  try {
    first = await iterator.next();
  } catch (error) {
    finish(toOpenWitError(error).code);
    throw error;
  }
  const headers: Record<string, string> = {
    "Content-Type": type === "text/csv" ? `${type}; charset=utf-8` : type,
    ...partialHeader(coverageWarnings(statement.coverage)),
  };
  return new Response(streamOf(first, iterator, finish), { headers });
}

/** `X-OpenWit-Partial` where there is something to warn of; a header holds printable ASCII alone. */
export function partialHeader(warnings: readonly string[]): Record<string, string> {
  if (warnings.length === 0) return {};
  return { "X-OpenWit-Partial": warnings.join("; ").replaceAll(/[^ -~]/g, "?").slice(0, 1_000) };
}

/** Adds what the answer could see to its end, where the format has a place for it. */
async function* withCoverage(
  pieces: Pieces,
  { result, coverage }: Statement,
  format: ResultFormat,
  cutIsError: boolean,
  explain: boolean,
): Pieces {
  if (format === "json") {
    // The last piece ends the object: the coverage goes before its brace.
    let held: string | undefined;
    for await (const piece of pieces) {
      if (held !== undefined) yield held;
      held = piece as string;
    }
    const { truncated, rows } = result.stats;
    const warnings = [
      ...coverageWarnings(coverage),
      ...(cutIsError && truncated !== undefined
        ? [`${truncated} were cut off: this answer has ${rows} rows`]
        : []),
    ];
    const tail = {
      ...(explain ? { plan: planJson(result.plan) } : {}),
      coverage: coverageJson(coverage, result.stats.truncated),
      partial: warnings.length > 0,
      warnings,
    };
    yield `${held!.slice(0, -1)},${JSON.stringify(tail).slice(1)}`;
    return;
  }
  yield* pieces;
  if (!cutIsError || result.stats.truncated === undefined) return;
  const error = new OpenWitError("too_large", `the answer was cut off after ${result.stats.rows} rows`, {
    hint: "aggregate, narrow the time range, or name a limit of your own",
  });
  if (format !== "ndjson") throw error; // the connection breaks: better than a whole-looking part
  yield `${JSON.stringify({ error })}\n`;
}

/**
 * The best format that `Accept` names of those that a route has; JSON when it names none or anything.
 * @throws OpenWitError `invalid_argument`
 */
export function formatOf<Format extends ResultFormat>(
  accept: string | undefined,
  formats: readonly Format[] = Object.keys(resultFormats) as Format[],
): Format | "json" {
  if (accept === undefined || accept === "") return "json";
  for (const part of accept.split(",")) {
    const type = part.split(";")[0].trim().toLowerCase();
    if (type === "*/*" || type === "application/*") return "json";
    const format = formats.find((each) => resultFormats[each].type === type);
    if (format !== undefined) return format;
  }
  throw new OpenWitError("invalid_argument", `no answer has the type ${accept.slice(0, 100)}`, {
    hint: `ask for one of ${formats.map((each) => resultFormats[each].type).join(", ")}`,
  });
}

/** One JSON object, with what it covers at its end. @param warnings beside those of what is missing */
export function jsonAnswer(
  body: Record<string, unknown>,
  coverage: Coverage,
  limited?: "rows" | "bytes",
  warnings: readonly string[] = [],
): Response {
  const all = [...coverageWarnings(coverage), ...warnings];
  return Response.json(
    { ...body, coverage: coverageJson(coverage, limited), partial: all.length > 0, warnings: all },
    { headers: partialHeader(all) },
  );
}

/** An object a line; `X-OpenWit-Rows` says how many. */
export function ndjsonAnswer(
  rows: readonly unknown[],
  coverage: Coverage,
  headers: Record<string, string>,
  warnings: readonly string[] = [],
): Response {
  const lines = rows.map((row) => `${JSON.stringify(row)}\n`);
  return linesAnswer(lines, resultFormats.ndjson.type, rows.length, coverage, headers, warnings);
}

/** @param lines the header's and one a row */
export function csvAnswer(
  lines: readonly string[],
  coverage: Coverage,
  headers: Record<string, string>,
): Response {
  return linesAnswer(
    lines,
    `${resultFormats.csv.type}; charset=utf-8`,
    lines.length - 1,
    coverage,
    headers,
    [],
  );
}

function linesAnswer(
  lines: readonly string[],
  type: string,
  rows: number,
  coverage: Coverage,
  headers: Record<string, string>,
  warnings: readonly string[],
): Response {
  return new Response(lines.join(""), {
    headers: {
      "Content-Type": type,
      "X-OpenWit-Rows": String(rows),
      ...partialHeader([...coverageWarnings(coverage), ...warnings]),
      ...headers,
    },
  });
}

function streamOf(
  first: IteratorResult<string | Uint8Array, void>,
  iterator: Pieces,
  finish: (outcome: string) => void,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let next: IteratorResult<string | Uint8Array, void> | undefined = first;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = next ?? await iterator.next();
        next = undefined;
        if (!done) return controller.enqueue(typeof value === "string" ? encoder.encode(value) : value);
        finish("ok");
        controller.close();
      } catch (error) {
        finish(toOpenWitError(error).code);
        controller.error(error);
      }
    },
    async cancel() {
      finish("cancelled");
      await iterator.return();
    },
  }, { highWaterMark: 0 });
}
