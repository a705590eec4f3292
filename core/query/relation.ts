/**
 * What the queries and tables of a statement give, as far as it matters for how it grows (growth.ts): how many columns
 * they have, how large each may be, how many tables are read for them.
 */
import { columnsOf, type ColumnType, type Signal, signals } from "../model/columns.ts";
import { type Extent, gatheredOf, numberExtent, textExtent } from "./extent.ts";
import { parseMentionName } from "./mentions.ts";
import type { SqlValue } from "./tree.ts";

/** What a query or a table gives. */
export interface Relation {
  readonly width: number;
  readonly tables: number;
  /** By lower-case name; the greatest where one comes again. */
  readonly columns: ReadonlyMap<string, Extent>;
  /** Of a column that `columns` does not name; absent when it names all. */
  readonly others?: Extent;
}

/** What an expression or a query sees. */
export interface Scope {
  readonly relations: readonly Relation[];
  readonly ctes: ReadonlyMap<string, Relation>;
  readonly outer?: Scope;
  /** How often a row this is computed: within lambdas more than once. */
  readonly calls?: number;
  /** In how many subqueries of expressions it stands. */
  readonly depth?: number;
}

export const nothing: Relation = { width: 0, tables: 0, columns: new Map() };
const systemTable: Relation = { width: 40, tables: 1, columns: new Map(), others: textExtent };

/** The tables, as their columns are stored. */
const stored = Object.fromEntries(signals.map((signal): [Signal, Relation] => [signal, {
  width: columnsOf[signal].length,
  tables: 1,
  columns: new Map(columnsOf[signal].map(({ name, type }) => [name, storedExtent(type)])),
}])) as Readonly<Record<Signal, Relation>>;

function storedExtent(type: ColumnType): Extent {
  switch (type.kind) {
    case "utf8":
    case "dictionary":
      return textExtent;
    case "map":
      return { ...textExtent, types: 3 };
    case "list":
      return { ...textExtent, types: 1 + storedExtent(type.element).types };
    case "struct":
      return {
        ...textExtent,
        types: type.fields.reduce((sum, each) => sum + storedExtent(each.type).types, 1),
      };
    default:
      return numberExtent;
  }
}

export function larger(left: Extent, right: Extent | undefined): Extent;
export function larger(left: Extent | undefined, right: Extent | undefined): Extent;
export function larger(left: Extent | undefined, right: Extent | undefined): Extent | undefined;
export function larger(left: Extent | undefined, right: Extent | undefined): Extent | undefined {
  if (left === undefined || right === undefined) return left ?? right;
  const gathered = gatheredOf([left, right]);
  return {
    bytes: Math.max(left.bytes, right.bytes),
    types: Math.max(left.types, right.types),
    ...(left.isNumber && right.isNumber ? { isNumber: true } : {}),
    ...(gathered === undefined ? {} : { gathered }),
  };
}

export function widest(relation: Relation): Extent {
  return [...relation.columns.values()].reduce(larger, relation.others ?? numberExtent);
}

export function repeated(relation: Relation): Relation {
  const again = (extent: Extent): Extent => extent.gathered ? { ...extent, gathered: "repeated" } : extent;
  return {
    ...relation,
    columns: new Map([...relation.columns].map(([name, extent]) => [name, again(extent)])),
    ...(relation.others === undefined ? {} : { others: again(relation.others) }),
  };
}

/** The same with longer values, where they can be. */
export function lengthened(relation: Relation, by: number): Relation {
  const longer = (extent: Extent): Extent =>
    extent.isNumber ? extent : { ...extent, bytes: extent.bytes + by };
  return {
    ...relation,
    columns: new Map([...relation.columns].map(([name, extent]) => [name, longer(extent)])),
    ...(relation.others === undefined ? {} : { others: longer(relation.others) }),
  };
}

export function merged(relations: readonly Relation[]): Relation {
  const columns = new Map<string, Extent>();
  for (const relation of relations) {
    for (const [name, extent] of relation.columns) columns.set(name, larger(columns.get(name), extent));
  }
  const others = relations.reduce<Extent | undefined>((sum, each) => larger(sum, each.others), undefined);
  return {
    width: sumOf(relations, ({ width }) => width),
    tables: sumOf(relations, ({ tables }) => tables),
    columns,
    ...(others === undefined ? {} : { others }),
  };
}

/** The same columns by other names, in their order; the old ones may hide behind them. */
export function renamed(relation: Relation, aliases: SqlValue | undefined): Relation {
  const names = Array.isArray(aliases) ? aliases.map((each) => String(each).toLowerCase()) : [];
  if (names.length === 0) return relation;
  const values = [...relation.columns.values()];
  const all = widest(relation);
  const columns = new Map(names.map((name, at) => [name, values.length === 0 ? all : values[at] ?? all]));
  for (const [name, extent] of relation.columns) if (!columns.has(name)) columns.set(name, extent);
  return { ...relation, columns };
}

export function lookUp(names: readonly string[], scope: Scope): Extent {
  const wanted = names.map((name) => name.toLowerCase());
  for (let at: Scope | undefined = scope; at !== undefined; at = at.outer) {
    let found: Extent | undefined;
    for (const relation of at.relations) {
      for (const name of wanted) found = larger(found, relation.columns.get(name));
    }
    for (const relation of found === undefined ? at.relations : []) found = larger(found, relation.others);
    if (found !== undefined) return found;
  }
  return textExtent;
}

export function sumOf<Item>(items: readonly Item[], of: (item: Item) => number): number {
  return items.reduce((sum, item) => sum + of(item), 0);
}

/** A table of a rewritten statement. */
export function tableRelation(name: string): Relation {
  const signal = parseMentionName(name);
  return signal === undefined ? systemTable : stored[signal];
}
