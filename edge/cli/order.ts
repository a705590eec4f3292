/** What the commands share that have a running server do or say something under /api/v1/admin. */
import process from "node:process";
import { withNode } from "./ask.ts";
import type { ParsedFlags } from "./flags.ts";
import { renderTable } from "./table.ts";

/** Flags of such a command. */
export const orderFlags = {
  url: { type: "string" },
  "data-dir": { type: "string" },
  json: { type: "boolean" },
} as const;

export const orderUsage =
  `  --url URL              ask this server (default: OPENWIT_URL, or the one that runs here)
  --data-dir DIR         data folder of the server (default ./data)
  --json                 the server's answer as it is: docs/api.md says what is in it`;

// deno-lint-ignore no-explicit-any -- the document of a route
type Document = any;

/**
 * @param describe the answer in words, when it is not wanted as JSON
 * @returns the exit status: that of `judge`, else 0
 */
export async function order(
  values: ParsedFlags["values"],
  method: "GET" | "POST",
  path: string,
  describe: (document: Document) => string,
  judge: (document: Document) => number = () => 0,
): Promise<number> {
  return await withNode(values, false, async (asking) => {
    const answer = method === "GET" ? await asking.get(path) : await asking.order(path);
    const document = await answer.json();
    process.stdout.write(values.json ? JSON.stringify(document, null, 2) + "\n" : describe(document));
    return judge(document);
  });
}

/** @param numbers names of columns that stand at the right */
export function listing(
  names: readonly string[],
  numbers: readonly string[],
  rows: readonly (readonly unknown[])[],
): string {
  const columns = names.map((name) => ({ name, type: numbers.includes(name) ? "INTEGER" : "VARCHAR" }));
  return renderTable(columns, rows, process.stdout.columns ?? 160);
}

/** A time as people read it: to the second, UTC. */
export function shortTime(iso: string | null): string {
  return iso === null ? "" : iso.slice(0, 19).replace("T", " ");
}
