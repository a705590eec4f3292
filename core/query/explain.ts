/**
 * How a statement was answered, as JSON (`"explain": true` of /api/v1/query) and as lines for a person
 * (`openwit query --explain`). docs/query.md is the contract.
 */
import { serviceColumn } from "../index/fields.ts";
import type { IndexPredicate } from "../index/predicate.ts";
import { isoTimestamp } from "../model/row.ts";
import type { MentionPlan } from "./plan.ts";
import type { QueryPlan } from "./query.ts";

/** One mention of a table. */
export interface TablePlanJson {
  readonly table: string;
  /** What the statement calls it. */
  readonly alias: string;
  /** `scan`, `blocks`, `rows` or `newest`: see plan.ts. */
  readonly method: string;
  /** The times that its conditions leave; null is unbounded. */
  readonly since: string | null;
  readonly until: string | null;
  /** What the indexes were asked for; null when there was nothing to ask. */
  readonly index: string | null;
  readonly files: {
    readonly considered: number;
    readonly outside_time: number;
    readonly excluded_by_index: number;
    readonly not_reached: number;
    readonly read_whole: number;
    readonly read_in_part: number;
    /** Of those that were looked up. */
    readonly without_index: number;
  };
  readonly blocks: { readonly considered: number; readonly read: number };
  /** Rows that were found before the statement ran; null where none were looked for. */
  readonly rows_found: number | null;
  /** `pages` where they were found without the engine, else `engine`; null likewise. */
  readonly rows_found_by: "pages" | "engine" | null;
  /** Of those, what was read from its pages before the statement ran; null where the statement reads the files. */
  readonly rows_fetched: { readonly rows: number; readonly inflated_bytes: number } | null;
  readonly memtable_rows: number;
  /** Of these, what the statement read: the others cannot meet its conditions. */
  readonly memtable_rows_read: number;
  /** Bytes of the blocks that were read, all columns of them: an estimate of the most that was read. */
  readonly bytes: number;
}

export interface PlanJson {
  readonly phases_ms: Readonly<Record<string, number>>;
  readonly tables: readonly TablePlanJson[];
}

export function planJson({ phasesMs, mentions }: QueryPlan): PlanJson {
  const phases = Object.entries(phasesMs).map(([phase, ms]) => [phase, Math.round(ms * 1_000) / 1_000]);
  return { phases_ms: Object.fromEntries(phases), tables: mentions.map(tableJson) };
}

function tableJson(plan: MentionPlan): TablePlanJson {
  const { mention, range, predicate, files, blocks } = plan;
  return {
    table: mention.signal,
    alias: mention.alias,
    method: plan.method,
    since: timeText(range.minNs),
    until: timeText(range.maxNs),
    index: predicate.kind === "all" ? null : predicateText(predicate),
    files: {
      considered: files.considered,
      outside_time: files.outsideTime,
      excluded_by_index: files.excludedByIndex,
      not_reached: files.notReached,
      read_whole: files.whole,
      read_in_part: files.inPart,
      without_index: files.withoutIndex,
    },
    blocks,
    rows_found: plan.rowsFound ?? null,
    rows_found_by: plan.foundBy ?? null,
    rows_fetched: plan.fetched === undefined
      ? null
      : { rows: plan.fetched.rows, inflated_bytes: plan.fetched.inflatedBytes },
    memtable_rows: plan.memtable.considered,
    memtable_rows_read: plan.memtable.read,
    bytes: plan.bytes,
  };
}

/** A time that a column can hold; a condition may name another. */
function timeText(timeNs: bigint | undefined): string | null {
  return timeNs === undefined || BigInt.asIntN(64, timeNs) !== timeNs ? null : isoTimestamp(timeNs);
}

/** `service_name = "cart" and (word "refused" or part "time…")`. */
export function predicateText(predicate: IndexPredicate): string {
  switch (predicate.kind) {
    case "all":
    case "none":
      return predicate.kind;
    case "and":
    case "or":
      return predicate.of.map((each) =>
        each.kind === "and" || each.kind === "or" ? `(${predicateText(each)})` : predicateText(each)
      ).join(` ${predicate.kind} `);
    case "equal":
      return `${predicate.field} = ${JSON.stringify(predicate.value)}`;
    case "level":
      return `${predicate.field} >= ${predicate.least}`;
    case "folded":
      return `${predicate.field} = ${JSON.stringify(predicate.value)} in any case`;
    case "pair":
      return `${serviceColumn} = ${JSON.stringify(predicate.service)} with ${predicateText(predicate.with)}`;
    case "word":
      return `word ${JSON.stringify(predicate.word)}`;
    case "part": {
      const { text, atStart, atEnd } = predicate;
      return `part ${JSON.stringify(`${atStart ? "" : "…"}${text}${atEnd ? "" : "…"}`)}`;
    }
  }
}

/** The plan in lines for a person. */
export function planLines({ phases_ms, tables }: PlanJson): string[] {
  const phases = Object.entries(phases_ms).map(([phase, ms]) => `${phase} ${ms.toFixed(1)}`);
  return [`time (ms): ${phases.join(", ")}`, ...tables.flatMap(tableLines)];
}

function tableLines(plan: TablePlanJson): string[] {
  const { files, blocks } = plan;
  const skipped = [
    [files.outside_time, "outside the time range"],
    [files.excluded_by_index, "excluded by the index"],
    [files.not_reached, "not reached"],
  ].filter(([count]) => Number(count) > 0).map(([count, why]) => `${count} ${why}`);
  const read = `${files.read_whole} read whole, ${files.read_in_part} in part`;
  const withoutIndex = plan.index !== null && files.without_index > 0
    ? `, ${files.without_index} without index`
    : "";
  return [
    `${plan.table}${plan.alias === plan.table ? "" : ` ${plan.alias}`}: ${methodText[plan.method]}`,
    `  time    ${plan.since ?? "…"} to ${plan.until ?? "…"}`,
    `  index   ${plan.index ?? "nothing to ask"}`,
    `  files   ${files.considered}: ${[...skipped, read].join(", ")}${withoutIndex}`,
    `  blocks  ${blocks.read} of ${blocks.considered}, at most ${plan.bytes} bytes`,
    ...(plan.rows_found === null ? [] : [
      `  rows    ${plan.rows_found} found ${foundText(plan)}before the statement ran${fetchedText(plan)}`,
    ]),
    `  memory  ${plan.memtable_rows_read} of ${plan.memtable_rows} rows`,
  ];
}

function foundText({ rows_found_by: by }: TablePlanJson): string {
  return by === "pages" ? "on pages " : "";
}

function fetchedText({ rows_fetched: fetched }: TablePlanJson): string {
  if (fetched === null) return "";
  return `, and read from their pages: ${fetched.inflated_bytes} bytes decompressed`;
}

const methodText: Readonly<Record<string, string>> = {
  scan: "files whole",
  blocks: "blocks that the index leaves",
  rows: "rows that were found by few columns",
  newest: "the newest or oldest slice of time that holds enough rows",
};
