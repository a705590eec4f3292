/** How fast a server answers from what was just sent to it: questions that people ask of a box, one after another. */
import { OpenWitError } from "../../core/error.ts";
import { quantile } from "./disk.ts";

export interface QueryTimes {
  readonly question: string;
  readonly asked: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const questions: Readonly<Record<string, string>> = {
  "count by service": "SELECT service_name, count(*) AS n FROM logs GROUP BY ALL",
  "newest 100 errors": "SELECT * FROM logs WHERE severity_number >= 17 ORDER BY timestamp DESC LIMIT 100",
  "search a word": "SELECT count(*) AS n FROM logs WHERE match(body, 'timeout')",
  "slowest spans": "SELECT name, max(duration_ns) AS longest FROM spans GROUP BY ALL ORDER BY ALL",
};

/** @param ms for all of them together */
export async function measureQueries(http: string, ms: number, abort: AbortSignal): Promise<QueryTimes[]> {
  const found: QueryTimes[] = [];
  const each = Object.entries(questions);
  for (const [question, sql] of each) {
    const times: number[] = [];
    const startedMs = performance.now();
    await ask(http, sql, abort); // the first one opens files, and loads the engine
    while (times.length < 3 || performance.now() - startedMs < ms / each.length) {
      const beforeMs = performance.now();
      await ask(http, sql, abort);
      times.push(performance.now() - beforeMs);
    }
    found.push({ question, asked: times.length, p50Ms: quantile(times, 0.5), p99Ms: quantile(times, 0.99) });
  }
  return found;
}

async function ask(http: string, sql: string, signal: AbortSignal): Promise<void> {
  const answer = await fetch(`${http}/api/v1/query`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ sql }),
    signal,
  });
  const document = await answer.json();
  if (!answer.ok) throw new OpenWitError("internal", `a question was refused: ${document.error?.message}`);
}
