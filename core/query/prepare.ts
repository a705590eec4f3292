/**
 * From a statement's text to what runs: parse, check, rewrite, print, and check once more what was printed.
 *
 * The last check runs beside the planning of the statement, which needs the tree alone; `text` is what may run, and it
 * settles when the check has passed. A statement that is asked again with the same parameters is known, unless it
 * depends on the present.
 */
import type { Signal } from "../model/columns.ts";
import { signals } from "../model/columns.ts";
import { type SystemTableName, systemTableNames } from "../system/tables.ts";
import { comparesTimeAlone, rangeOf, timeBounds, type TimeRange } from "./bounds.ts";
import { checkStatement } from "./check.ts";
import { timeOf } from "./constant_time.ts";
import type { ScanConditions, SqlEngine } from "./engine.ts";
import { type FindStatement, findStatement } from "./find.ts";
import { boundGrowth } from "./growth.ts";
import { type Mention, mentionsOf } from "./mentions.ts";
import { readsTimeBeside } from "./needs.ts";
import { checkedConditions, checkedText } from "./print.ts";
import { type PreparedStatements, statementKey } from "./prepared.ts";
import { type Parameters, rewriteStatement, type Rewritten } from "./rewrite.ts";
import {
  constantInteger,
  integerConstant,
  isNode,
  nodesIn,
  selectTree,
  type SqlTree,
  textOf,
} from "./tree.ts";

/** Never changed: several runs of a statement may share it. */
export interface Prepared {
  /** The text that runs; rejects when it must not. @throws OpenWitError */
  readonly text: Promise<string>;
  readonly rowsMax: number;
  readonly original: SqlTree;
  /** What is printed. */
  readonly tree: SqlTree;
  readonly signals: ReadonlySet<Signal>;
  readonly systemTables: ReadonlySet<SystemTableName>;
  readonly mentions: readonly PreparedMention[];
}

export interface PreparedMention {
  readonly mention: Mention;
  /** Times outside of which it reads nothing. */
  readonly range: TimeRange;
  /** Whether its time is compared with constants, all of which the range has, and read nowhere else. */
  readonly isTimeBoundAlone: boolean;
  /** What can be tried while files are read; rejects when it must not. @throws OpenWitError */
  readonly conditions: Promise<ScanConditions | undefined>;
  /**
   * The statement that finds its rows beforehand, made when it is first asked for.
   * @param isDescending by time; absent where no order is wanted. @throws OpenWitError
   */
  find(isDescending?: boolean): Promise<FindStatement>;
}

export interface StatementToPrepare {
  readonly sql: string;
  readonly tenant: string;
  readonly params?: Parameters;
  readonly limit: number;
}

export interface PrepareEnv {
  readonly engine: SqlEngine;
  /** Those that are known; absent where none are kept. */
  readonly statements?: PreparedStatements;
}

/**
 * @param signal ends the waiting for the tenant's turn, which ends when `text` has settled
 * @throws OpenWitError
 */
export async function prepareStatement(
  request: StatementToPrepare,
  nowNs: bigint,
  signal: AbortSignal,
  { engine, statements }: PrepareEnv,
): Promise<Prepared> {
  const key = statementKey(request);
  const known = statements?.get(key);
  if (known !== undefined) return known;
  const leave = await engine.enter(request.tenant, signal);
  try {
    const { isOfNow, ...prepared } = await prepare(engine, request, nowNs);
    const conditions = prepared.mentions.map((mention) => mention.conditions);
    const settled = Promise.all([prepared.text, ...conditions]).then(([text]) => {
      if (!isOfNow) statements?.keep(key, prepared, text.length);
    }, () => {}); // whoever runs it is told
    void settled.finally(leave);
    return prepared;
  } catch (error) {
    leave();
    throw error;
  }
}

async function prepare(
  engine: SqlEngine,
  request: StatementToPrepare,
  nowNs: bigint,
): Promise<Prepared & { readonly isOfNow: boolean }> {
  const parsed = await engine.parse(request.sql);
  const original = isShowTables(parsed) ? await engine.parse(showTablesSql) : parsed;
  const { signals, systemTables } = checkStatement(original);
  const rewritten = rewriteStatement(original, nowNs, request.params);
  const { tree, isOfNow } = rewritten;
  boundGrowth(tree);
  await nameColumns(engine, rewritten);
  const rowsMax = limitRows(tree, request.limit);
  const text = handled(checkedText(engine, tree));
  const mentions = await boundedMentions(engine, tree, text);
  return { text, rowsMax, original, tree, signals, systemTables, mentions, isOfNow };
}

/** The mentions of a rewritten tree, each with the time range outside of which it reads nothing. */
async function boundedMentions(
  engine: SqlEngine,
  tree: SqlTree,
  text: Promise<string>,
): Promise<Prepared["mentions"]> {
  const mentions = mentionsOf(tree).map((mention) => ({ mention, bounds: timeBounds(mention) }));
  const values = mentions.flatMap(({ bounds }) => bounds.map(({ value }) => value));
  const times = values.map(timeOf);
  const others = values.filter((_, at) => times[at] === undefined);
  if (others.length > 0) {
    await text; // what the engine evaluates is part of what must pass the check
    const evaluated = await engine.evaluateTimes(others);
    for (const [at, value] of values.entries()) {
      if (times[at] === undefined) times[at] = evaluated[others.indexOf(value)];
    }
  }
  let at = 0;
  return mentions.map(({ mention, bounds }) => {
    const own = times.slice(at, at += bounds.length);
    const comparisons = mention.conditions.filter((each) => comparesTimeAlone(each, mention));
    return {
      mention,
      range: rangeOf(bounds, own),
      isTimeBoundAlone: !own.includes(undefined) && !readsTimeBeside(mention, new Set(comparisons)),
      conditions: handled(checkedConditions(engine, mention)),
      find: findStatements(engine, mention),
    };
  });
}

function findStatements(engine: SqlEngine, mention: Mention): PreparedMention["find"] {
  const made = new Map<boolean | undefined, Promise<FindStatement>>();
  return (isDescending) => {
    const known = made.get(isDescending);
    if (known !== undefined) return known;
    const making = findStatement(engine, mention, isDescending);
    made.set(isDescending, making);
    making.catch(() => made.delete(isDescending)); // the next one tries again
    return making;
  };
}

/** The same promise, whose rejection is told to whoever waits for it, if anybody does. */
function handled<Value>(promise: Promise<Value>): Promise<Value> {
  promise.catch(() => {});
  return promise;
}

/** Gives columns whose expression was rewritten the name that they would have had. */
async function nameColumns(engine: SqlEngine, { unnamed }: Rewritten): Promise<void> {
  for (const { item, original } of unnamed) {
    const sql = await engine.print(selectTree({ select_list: [original] }));
    item.alias = sql.replace(/^SELECT\s+/, "");
  }
}

/**
 * Lets the engine stop at the row limit, so that a sort keeps only the first rows and a result stays small.
 * Returns the most rows that the statement can give: one more than the limit, to know whether there were more.
 */
function limitRows(tree: SqlTree, limit: number): number {
  const rowsMax = Math.min(limit, 2 ** 52) + 1;
  const node = tree.statements[0].node;
  if (!isNode(node) || !Array.isArray(node.modifiers)) return Infinity;
  if (isNode(node.from_table) && node.from_table.type === "SHOW_REF") return rowsMax; // a row a column
  const own = nodesIn(node.modifiers).find(({ type }) => textOf(type).startsWith("LIMIT"));
  const value = own?.type === "LIMIT_MODIFIER" && isNode(own.limit) ? constantInteger(own.limit) : undefined;
  if (own !== undefined && isNode(own.limit) && value === undefined) return Infinity; // computed, or a percentage
  const modifier = own ?? { type: "LIMIT_MODIFIER", offset: null };
  if (value === undefined || value > BigInt(rowsMax)) modifier.limit = integerConstant(rowsMax);
  if (own === undefined) node.modifiers.push(modifier);
  return rowsMax;
}

function isShowTables(tree: SqlTree): boolean {
  const node = tree.statements.length === 1 ? tree.statements[0].node : undefined;
  const table = isNode(node) && isNode(node.from_table) ? node.from_table : undefined;
  return table?.type === "SHOW_REF" && table.query === null && /^"?tables"?$/.test(textOf(table.table_name));
}

const showTablesSql = `SELECT * FROM (VALUES ${
  [...signals, "traces", ...systemTableNames.map((name) => `system.${name}`)].sort().map((name) =>
    `('${name}')`
  ).join(", ")
}) AS tables(name)`;
