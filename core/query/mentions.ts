/**
 * The mentions of our tables in a statement: each reads a view of its own, so that each has its own time range, its
 * own conditions and its own files.
 *
 * A condition counts for a mention only if every row of it that has a part in the answer must meet it: a member of
 * the ANDs at the top of the WHERE of a query whose FROM is that table or joins it on the side that a join keeps, or
 * of the ON of a join that drops what does not meet it. When in doubt there is none: a condition too few costs time,
 * one too many would lose rows.
 */
import { columnsOf, type Signal, signals } from "../model/columns.ts";
import { passedInto, queriesUsedOnce } from "./passing.ts";
import { columnNames, isNode, nodesIn, type SqlNode, type SqlTree, type SqlValue, textOf } from "./tree.ts";

export interface Mention {
  /** Name of its view, which no statement may write itself. */
  readonly name: string;
  readonly signal: Signal;
  /** What the statement calls it. */
  readonly alias: string;
  /** Conditions that its rows must meet; they may speak of other tables too. */
  readonly conditions: readonly SqlNode[];
  /** The innermost query that has it in FROM; absent where it stands elsewhere, as in PIVOT. */
  readonly query?: SqlNode;
  /** Whether that FROM is this table and nothing else. */
  readonly isAlone: boolean;
  /** Columns that an inner join with USING makes equal to the same of these tables, by lower-case name. */
  readonly equals: ReadonlyMap<string, ReadonlySet<string>>;
}

export function mentionName(signal: Signal, number: number): string {
  return `openwit_${signal}_${number}`;
}

/** The table that a view's name stands for; `undefined` for any other name. */
export function parseMentionName(name: string): Signal | undefined {
  const [, signal] = /^openwit_([a-z]+)_\d+$/.exec(name) ?? [];
  return signals.find((each) => each === signal);
}

/** All mentions of a rewritten tree. What rewriting doubled, a query within a sum, is the same mention twice. */
export function mentionsOf(tree: SqlTree): Mention[] {
  const queries = queriesUsedOnce(tree);
  let passed: Passed = new Map();
  for (let round = 0;; round++) {
    const visiting: Visiting = { mentions: [], queries, passed, passing: new Map() };
    visit(tree.statements, visiting);
    // What passes into a query may pass on into one within it.
    if (countOf(visiting.passing) === countOf(passed) || round === passedRoundsMax) {
      return [...new Map(visiting.mentions.map((mention) => [mention.name, mention])).values()];
    }
    passed = visiting.passing;
  }
}

/** Conditions of outer queries that hold for the rows of a query. */
type Passed = Map<SqlNode, readonly SqlNode[]>;

interface Visiting {
  readonly mentions: Mention[];
  readonly queries: ReadonlyMap<string, SqlNode>;
  /** As far as it is known from the round before. */
  readonly passed: Passed;
  readonly passing: Passed;
}

/** Queries deeper within others than this get nothing of the outermost. */
const passedRoundsMax = 6;

function countOf(passed: Passed): number {
  return [...passed.values()].reduce((sum, { length }) => sum + length, 0);
}

/** The column of the mention that an expression is, in its own spelling; `undefined` for anything else. */
export function columnOf(mention: Mention, node: SqlValue | undefined): string | undefined {
  if (!isNode(node) || node.class !== "COLUMN_REF") return undefined;
  const names = columnNames(node).map((part) => part.toLowerCase());
  const name = names.at(-1) ?? "";
  if (!columnNameSets[mention.signal].has(name)) return undefined;
  // Unqualified, it can only be this table's: were it another's too, the engine would refuse it as ambiguous.
  return names.length === 1 || names.length === 2 && names[0] === mention.alias ? name : undefined;
}

/** The same, or a column of another table that is always equal to it. */
export function equalColumnOf(mention: Mention, node: SqlValue | undefined): string | undefined {
  const own = columnOf(mention, node);
  if (own !== undefined || !isNode(node) || node.class !== "COLUMN_REF") return own;
  const [table, name, ...more] = columnNames(node).map((part) => part.toLowerCase());
  if (name === undefined || more.length > 0 || mention.equals.get(name)?.has(table) !== true) {
    return undefined;
  }
  return columnNameSets[mention.signal].has(name) ? name : undefined;
}

const namesIn = (signal: Signal) => new Set(columnsOf[signal].map(({ name }) => name));
const columnNameSets: Readonly<Record<Signal, ReadonlySet<string>>> = {
  logs: namesIn("logs"),
  spans: namesIn("spans"),
  metrics: namesIn("metrics"),
};

/** What holds for the tables on one side of the joins of a FROM. */
interface Place {
  readonly query?: SqlNode;
  readonly conditions: readonly SqlNode[];
  readonly isAlone: boolean;
  readonly equals: ReadonlyMap<string, ReadonlySet<string>>;
}

const nowhere: Place = { conditions: [], isAlone: false, equals: new Map() };

function visit(value: SqlValue | undefined, visiting: Visiting): void {
  if (Array.isArray(value)) {
    for (const each of value) visit(each, visiting);
    return;
  }
  if (!isNode(value)) return;
  if (value.type === "SELECT_NODE" && isNode(value.from_table)) {
    const { from_table: from, ...others } = value;
    // A sample is taken of what FROM gives, before WHERE: rows left out would change it.
    const conditions = isNode(value.sample)
      ? []
      : [...conjuncts(value.where_clause), ...visiting.passed.get(value) ?? []];
    const isAlone = isNode(from) && from.type === "BASE_TABLE" && !isNode(value.sample);
    visitTable(from as SqlNode, { query: value, conditions, isAlone, equals: new Map() }, visiting);
    visit(Object.values(others), visiting);
    return;
  }
  if (value.type === "BASE_TABLE") return addMention(value, nowhere, visiting.mentions);
  visit(Object.values(value), visiting);
}

function visitTable(table: SqlNode, place: Place, visiting: Visiting): void {
  const within = passedInto(table, place.conditions, visiting.queries);
  if (within !== undefined) visiting.passing.set(within.query, within.conditions);
  if (table.type === "BASE_TABLE") return addMention(table, place, visiting.mentions);
  if (table.type !== "JOIN" || !isNode(table.left) || !isNode(table.right)) return visit(table, visiting);
  const { left, right } = table;
  const kind = table.ref_type === "REGULAR" || table.ref_type === "CROSS" ? textOf(table.join_type) : "";
  const on = conjuncts(table.condition);
  const none = { ...place, conditions: [] };
  const kept = { ...place, isAlone: false }, dropped = { ...kept, conditions: on };
  const [ofLeft, ofRight] = joinSides(kind, kept, dropped, none);
  const equalNames = kind === "INNER" ? namesOf(table.using_columns) : [];
  visitTable(left, withEquals(ofLeft, equalNames, right), visiting);
  visitTable(right, withEquals(ofRight, equalNames, left), visiting);
  visit(table.condition, visiting);
}

/**
 * What holds for the tables left and right of a join. A side whose rows the join keeps meets what the whole meets; a
 * side that only completes the other counts where it meets the ON, for else it is as if the row were not there.
 */
function joinSides(kind: string, kept: Place, dropped: Place, none: Place): [left: Place, right: Place] {
  switch (kind) {
    case "INNER": {
      const both = { ...kept, conditions: [...kept.conditions, ...dropped.conditions] };
      return [both, both];
    }
    case "LEFT":
    case "SEMI":
    case "ANTI":
      return [kept, dropped];
    case "RIGHT":
      return [dropped, kept];
    default: // FULL, ASOF, POSITIONAL, NATURAL: which rows meet depends on those that are not there
      return [none, none];
  }
}

function withEquals(place: Place, names: readonly string[], other: SqlNode): Place {
  if (names.length === 0 || other.type === "JOIN") return place;
  const table = (textOf(other.alias) || textOf(other.table_name)).toLowerCase();
  const equals = new Map(place.equals);
  for (const name of names) equals.set(name, new Set([...equals.get(name) ?? [], table]));
  return { ...place, equals };
}

function addMention(table: SqlNode, place: Place, mentions: Mention[]): void {
  const name = textOf(table.table_name);
  const signal = parseMentionName(name);
  if (signal === undefined) return;
  const alias = textOf(table.alias).toLowerCase();
  // Renamed columns, a sample of the table, and a name that could be a column's are too doubtful to look at.
  const isPlain = nodesIn(table.column_name_alias).length === 0 &&
    namesOf(table.column_name_alias).length === 0 &&
    !isNode(table.sample) && !columnNameSets[signal].has(alias);
  const { query } = place;
  mentions.push({
    name,
    signal,
    alias,
    conditions: isPlain ? place.conditions : [],
    isAlone: isPlain && place.isAlone,
    equals: isPlain ? place.equals : new Map(),
    ...(query === undefined ? {} : { query }),
  });
}

function namesOf(value: SqlValue | undefined): string[] {
  return Array.isArray(value) ? value.map((each) => String(each).toLowerCase()) : [];
}

/** The members of the ANDs at the top of a condition. */
export function conjuncts(condition: SqlValue | undefined): SqlNode[] {
  if (!isNode(condition)) return [];
  if (condition.class === "CONJUNCTION" && condition.type === "CONJUNCTION_AND") {
    return nodesIn(condition.children).flatMap(conjuncts);
  }
  return [condition];
}
