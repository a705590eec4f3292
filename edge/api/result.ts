/** Turns the rows of a statement into an HTTP answer of the format asked for, as they arrive. */
import { OpenWitError, toOpenWitError } from "../../core/error.ts";
import { toArrow } from "../../core/query/arrow.ts";
import { toCsv, toJson, toNdjson } from "../../core/query/format.ts";
import type { QueryResult } from "../../core/query/query.ts";

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
 * @param warnings what the answer could not see
 * @param cutIsError whether rows cut off by a limit that nobody asked for end the stream with an error; JSON says it
 *   in `truncated` instead
 * @param finish told once how it ended: "ok" or an error's code
 */
export async function answer(
  result: QueryResult,
  format: ResultFormat,
  warnings: readonly string[],
  cutIsError: boolean,
  finish: (outcome: string) => void,
): Promise<Response> {
  const { type, pieces } = resultFormats[format];
  const iterator = withWarnings(pieces(result), result, format, warnings, cutIsError);
  let first: IteratorResult<string | Uint8Array, void>;
  try {
    first = await iterator.next();
  } catch (error) {
    finish(toOpenWitError(error).code);
    throw error;
  }
  const headers: Record<string, string> = {
    "Content-Type": type === "text/csv" ? `${type}; charset=utf-8` : type,
  };
  if (warnings.length > 0) headers["X-OpenWit-Partial"] = warnings.join("; ").slice(0, 1_000);
  return new Response(streamOf(first, iterator, finish), { headers });
}

/** Adds what the answer could not see to its end, where the format has a place for it. */
async function* withWarnings(
  pieces: Pieces,
  result: QueryResult,
  format: ResultFormat,
  warnings: readonly string[],
  cutIsError: boolean,
): Pieces {
  if (format === "json") {
    // The last piece ends the object: the warnings go before its brace.
    let held: string | undefined;
    for await (const piece of pieces) {
      if (held !== undefined) yield held;
      held = piece as string;
    }
    yield `${held!.slice(0, -1)},"partial":${warnings.length > 0},"warnings":${JSON.stringify(warnings)}}`;
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
