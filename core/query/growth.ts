/**
 * Refuses statements that are short and become huge: before they run, when names and types double with each level of
 * a WITH, or while they run, when each row becomes megabytes (extent.ts). Neither can be interrupted.
 *
 * Looked at is the tree with the parameters' values in it. What it cannot tell (how many rows there are, how long the
 * stored texts) is bounded while the statement runs: by time-out, memory limit, spill and the watch of resident memory.
 */
import {
  callExtent,
  elementBytes,
  type Extent,
  gatheredOf,
  gathering,
  limited,
  numberExtent,
  refused,
  textExtent,
} from "./extent.ts";
import {
  larger,
  lengthened,
  lookUp,
  merged,
  nothing,
  type Relation,
  renamed,
  repeated,
  type Scope,
  sumOf,
  tableRelation,
  widest,
} from "./relation.ts";
import {
  columnNames,
  isNode,
  nodesIn,
  type SqlNode,
  type SqlTree,
  type SqlValue,
  textOf,
  writeTree,
} from "./tree.ts";

/** Bounds of a whole statement, with what it names in WITH counted each time that it is used. */
export const growthLimits = {
  /** Constants aside; 20,000 comparisons joined by OR took ten seconds to plan, 3,000 a third of one. */
  nodes: 10_000,
  /** Columns of one query. */
  columns: 2_000,
  /** Tables that are read; a query without one counts as one. */
  tables: 256,
  /** Subqueries within subqueries of expressions: each level doubles the time that the engine plans. */
  depth: 10,
  /** Calls of a lambda's body a row. */
  calls: 65_536,
  /** Rows of a sample, which is kept in memory. */
  sampleRows: 100_000n,
} as const;

/** @throws OpenWitError `forbidden` */
export function boundGrowth(tree: SqlTree): void {
  const growth = new Growth();
  for (const statement of tree.statements) growth.statement(statement, { relations: [], ctes: new Map() });
}

class Growth {
  #nodes = 0;
  /** Tables that subqueries in the expressions of the present query read. */
  #read = 0;

  statement(node: SqlNode, scope: Scope): Relation {
    return isNode(node.node) ? this.query(node.node, scope) : nothing;
  }

  query(node: SqlNode, outer: Scope): Relation {
    const ctes = this.#withQueries(node, outer);
    const scope: Scope = { relations: [], ctes, outer, depth: outer.depth };
    switch (node.type) {
      case "SET_OPERATION_NODE":
        return this.#united([node.left, node.right].map((each) => this.#side(each, scope)), node);
      case "RECURSIVE_CTE_NODE":
        return this.#recursive(node, scope);
      default:
        return this.#select(node, scope);
    }
  }

  #side(value: SqlValue | undefined, scope: Scope): Relation {
    return isNode(value) ? this.query(value, scope) : nothing;
  }

  #withQueries(node: SqlNode, outer: Scope): ReadonlyMap<string, Relation> {
    const ctes = new Map(outer.ctes);
    for (const { key, value } of isNode(node.cte_map) ? nodesIn(node.cte_map.map) : []) {
      if (!isNode(value) || !isNode(value.query)) continue;
      const relation = this.statement(value.query, { ...outer, ctes });
      ctes.set(textOf(key).toLowerCase(), renamed(relation, value.aliases));
    }
    return ctes;
  }

  /** The second part is computed again and again on its own rows: what doubles them each time is refused. */
  #recursive(node: SqlNode, scope: Scope): Relation {
    const first = renamed(this.#side(node.left, scope), node.aliases);
    const name = textOf(node.cte_name).toLowerCase();
    const stepOf = (own: Relation): Relation =>
      this.#side(node.right, { ...scope, ctes: new Map(scope.ctes).set(name, own) });
    const step = stepOf(first);
    const more = [...stepOf(lengthened(first, growthProbe)).columns.values()];
    for (const [at, result] of [...step.columns.values()].entries()) {
      if ((more[at]?.bytes ?? 0) - result.bytes > 1.01 * growthProbe) {
        throw refused(
          node,
          `each round of the recursive query ${name} makes its values longer by as much`,
          hint,
        );
      }
    }
    return this.#united([lengthened(first, growthProbe), step], node);
  }

  #united([left, right]: readonly Relation[], node: SqlNode): Relation {
    const columns = new Map(left.columns);
    const values = [...right.columns.values()];
    for (const [at, name] of [...left.columns.keys()].entries()) {
      columns.set(name, larger(left.columns.get(name), values[at] ?? right.others));
    }
    return this.#bounded(
      { ...left, tables: left.tables + right.tables, columns, others: larger(left.others, right.others) },
      node,
    );
  }

  #select(node: SqlNode, outer: Scope): Relation {
    const from = isNode(node.from_table) ? this.#table(node.from_table, outer) : [];
    const columns = new Map<string, Extent>();
    // An item may name those before it by their aliases, which `columns` gathers.
    const scope: Scope = { ...outer, relations: [...from, { ...nothing, columns }] };
    const outerRead = this.#read;
    this.#read = 0;
    let width = 0;
    let others: Extent | undefined;
    for (const [at, item] of nodesIn(node.select_list).entries()) {
      if (item.class === "STAR" && item.columns !== true) {
        this.#expression(item, scope);
        width += sumOf(from, ({ width }) => width);
        for (const relation of from) {
          for (const [name, extent] of relation.columns) columns.set(name, larger(columns.get(name), extent));
          others = larger(others, relation.others);
        }
        continue;
      }
      const extent = this.#expression(item, scope);
      const isMany = this.#hasStar(item);
      width += isMany
        ? sumOf(from, ({ width }) => width)
        : item.function_name === "unnest"
        ? extent.types
        : 1;
      if (isMany || item.function_name === "unnest") others = larger(others, extent);
      columns.set(nameOf(item, at), larger(columns.get(nameOf(item, at)), extent));
    }
    const inner = { ...scope, relations: [...from, { ...nothing, columns, others }] }; // aliases may be used below
    for (const [name, value] of Object.entries(node)) {
      if (!["select_list", "from_table", "cte_map"].includes(name)) this.#inside(value, inner);
    }
    const tables = Math.max(1, sumOf(from, ({ tables }) => tables)) + this.#read;
    this.#read = outerRead;
    return this.#bounded({ width, tables, columns, others }, node);
  }

  /** The relations that a FROM gives. */
  #table(node: SqlNode, scope: Scope): readonly Relation[] {
    this.#count(node);
    this.#sample(node.sample);
    switch (node.type) {
      case "EMPTY":
        return [];
      case "BASE_TABLE":
        return [renamed(this.#named(node, scope), node.column_name_alias)];
      case "SUBQUERY":
        return [
          renamed(
            isNode(node.subquery) ? this.statement(node.subquery, scope) : nothing,
            node.column_name_alias,
          ),
        ];
      case "JOIN": {
        const left = isNode(node.left) ? this.#table(node.left, scope) : [];
        const lateral = { ...scope, outer: { ...scope, relations: left } };
        const right = isNode(node.right) ? this.#table(node.right, lateral) : [];
        // What stood once on one side now stands beside each row of the other.
        const both = [...left, ...right].map(repeated);
        this.#inside(node.condition, { ...scope, relations: both });
        return [this.#bounded(merged(both), node)];
      }
      case "TABLE_FUNCTION": {
        const call = isNode(node.function) ? node.function : {};
        const args = nodesIn(call.children).map((child) => this.#expression(child, scope));
        const isSeries = /^(range|generate_series)$/i.test(textOf(call.function_name));
        const bytes = Math.max(0, ...args.map((each) => each.bytes));
        const types = Math.max(1, ...args.map((each) => each.types));
        const element = isSeries ? numberExtent : { bytes: Math.max(bytes, textExtent.bytes), types };
        const width = /^json_/i.test(textOf(call.function_name)) ? 10 : types + 1;
        return [renamed({ width, tables: 1, columns: new Map(), others: element }, node.column_name_alias)];
      }
      default: {
        // VALUES, PIVOT, DESCRIBE and the like: whatever they hold, and columns of any name
        const source = isNode(node.source) ? this.#table(node.source, scope) : [];
        const query = isNode(node.query) ? [this.query(node.query, scope)] : [];
        const inner = { ...scope, relations: [...source, ...query] };
        let extent = textExtent;
        for (const row of Array.isArray(node.values) ? node.values : []) {
          for (const value of nodesIn(row)) extent = larger(extent, this.#expression(value, inner));
        }
        for (const value of nodesIn(node.aggregates)) extent = larger(extent, this.#expression(value, inner));
        this.#inside(node.pivots, inner);
        const width = sumOf(inner.relations, ({ width }) => width) + pivotWidth(node) +
          nodesIn(Array.isArray(node.values) ? node.values[0] : undefined).length;
        const gathered = inner.relations.reduce<Extent>((sum, each) => larger(sum, widest(each)), extent);
        const tables = sumOf(inner.relations, ({ tables }) => tables);
        const relation = { width, tables, columns: new Map<string, Extent>(), others: gathered };
        return [this.#bounded(renamed(relation, node.column_name_alias), node)];
      }
    }
  }

  #named(node: SqlNode, scope: Scope): Relation {
    const name = textOf(node.table_name).toLowerCase();
    const cte = textOf(node.schema_name) === "" ? scope.ctes.get(name) : undefined;
    if (cte !== undefined) return cte;
    return tableRelation(name);
  }

  /** Looks at the expressions in a value, for their own sake. */
  #inside(value: SqlValue | undefined, scope: Scope): void {
    if (Array.isArray(value)) value.forEach((each) => this.#inside(each, scope));
    else if (!isNode(value)) return;
    else if ("sample_size" in value) this.#sample(value);
    else if (typeof value.class === "string" && value.class !== "") this.#expression(value, scope);
    else this.#inside(Object.values(value), scope);
  }

  #sample(sample: SqlValue | undefined): void {
    if (!isNode(sample) || sample.is_percentage === true || !isNode(sample.sample_size)) return;
    const rows = Number(sample.sample_size.value);
    if (rows > Number(growthLimits.sampleRows)) {
      throw refused(sample, `a sample holds at most ${growthLimits.sampleRows} rows`, "sample a percentage");
    }
  }

  #expression(node: SqlNode, scope: Scope): Extent {
    if (node.class !== "CONSTANT") this.#count(node);
    switch (node.class) {
      case "CONSTANT":
        return constantExtent(node);
      case "PARAMETER":
        return textExtent;
      case "COLUMN_REF":
        return lookUp(columnNames(node), scope);
      case "STAR":
        this.#inside(node.expr, scope);
        this.#inside(node.replace_list, scope);
        return scope.relations.reduce<Extent>((sum, each) => larger(sum, widest(each)), numberExtent);
      case "SUBQUERY":
        return this.#subquery(node, scope);
      case "FUNCTION":
      case "WINDOW":
        return this.#call(node, scope);
      case "CAST": {
        const child = isNode(node.child) ? this.#expression(node.child, scope) : numberExtent;
        const type = isNode(node.cast_type) ? textOf(node.cast_type.id) : "";
        if (fixedTypes.test(type)) return { ...numberExtent, isConstant: child.isConstant };
        const bytes = type === "VARCHAR" || type === "BLOB" ? child.bytes * 4 + 32 : child.bytes + 32;
        return child.bytes <= textExtent.bytes ? child : limited(node, { ...child, bytes }, "a cast");
      }
      case "CASE":
      case "COLLATE":
        return this.#largest(node, scope);
      case "OPERATOR":
        return /^(OPERATOR_COALESCE|OPERATOR_NULLIF|ARRAY_|STRUCT_EXTRACT|OPERATOR_TRY|OPERATOR_UNPACK|GROUPING)/
            .test(textOf(node.type))
          ? this.#largest(node, scope)
          : (this.#largest(node, scope), numberExtent);
      default: {
        const isConstant = this.#largest(node, scope).isConstant;
        return { ...numberExtent, isConstant };
      }
    }
  }

  /** The greatest of what stands in a node. */
  #largest(node: SqlNode, scope: Scope): Extent {
    const found: Extent[] = [];
    const look = (value: SqlValue | undefined) => {
      if (Array.isArray(value)) value.forEach(look);
      else if (isNode(value) && typeof value.class === "string" && value.class !== "") {
        found.push(this.#expression(value, scope));
      } else if (isNode(value)) Object.values(value).forEach(look);
    };
    Object.entries(node).forEach(([name, value]) =>
      name === "type" || name === "class" ? undefined : look(value)
    );
    const isConstant = found.every((each) => each.isConstant);
    return { ...found.reduce(larger, { bytes: 16, types: 1 }), isConstant };
  }

  #call(node: SqlNode, scope: Scope): Extent {
    for (const [name, value] of Object.entries(node)) if (name !== "children") this.#inside(value, scope);
    const children = nodesIn(node.children);
    const lambda = children.find((child) => child.class === "LAMBDA" || isArrow(child));
    if (lambda !== undefined && lambda !== children[0]) return this.#lambda(node, children, lambda, scope);
    const extent = callExtent(node, children.map((child) => this.#expression(child, scope)));
    // A window gathers rows for each row.
    const isRepeated = node.class === "WINDOW" && gathering.has(textOf(node.function_name).toLowerCase());
    return isRepeated ? { ...extent, gathered: "repeated" } : extent;
  }

  /** A lambda's body is computed for each element: in the sum as long as the list, and what else it names for each. */
  #lambda(node: SqlNode, children: readonly SqlNode[], lambda: SqlNode, scope: Scope): Extent {
    const name = textOf(node.function_name).toLowerCase();
    const list = this.#expression(children[0], scope);
    const initial = children.slice(1).filter((child) => child !== lambda)
      .map((child) => this.#expression(child, scope)).reduce(larger, numberExtent);
    const elements = Math.max(1, list.bytes / elementBytes);
    const calls = (scope.calls ?? 1) * elements;
    if (calls > growthLimits.calls) {
      throw refused(
        node,
        `${name} would call its lambda ${Math.round(calls)} times a row`,
        "shorten the list",
      );
    }
    const body = isNode(lambda.expr) ? lambda.expr : nodesIn(lambda.children)[1];
    const names = parametersOf(isNode(lambda.lhs) ? lambda.lhs : nodesIn(lambda.children)[0]);
    const result = (bytes: readonly number[]): Extent => {
      const columns = new Map(names.map((each, at) => [each, { bytes: bytes[at] ?? 8, types: list.types }]));
      const own: Relation = { ...nothing, columns };
      return isNode(body)
        ? this.#expression(body, { ...scope, relations: [own], outer: scope, calls })
        : numberExtent;
    };
    const rest = result([0, 0]);
    const gathered = gatheredOf([list, rest]);
    const types = Math.max(list.types, rest.types) + 1;
    const isReducing = name.endsWith("reduce");
    const isFilter = /filter|where$/.test(name);
    if (isReducing) {
      const probe = result([1_000, 0]).bytes - rest.bytes;
      if (probe > 1_010) {
        throw refused(node, `${name} makes its value longer by as much with each element`, hint);
      }
    }
    const ofList = result(isReducing ? [0, list.bytes] : [list.bytes, 0]).bytes - rest.bytes;
    const bytes = isFilter
      ? list.bytes
      : initial.bytes + ofList + elements * Math.max(elementBytes, rest.bytes);
    return limited(node, { bytes, types, gathered, isConstant: list.isConstant && rest.isConstant }, name);
  }

  #subquery(node: SqlNode, scope: Scope): Extent {
    this.#inside(node.child, scope);
    const depth = (scope.depth ?? 0) + 1;
    if (depth > growthLimits.depth) {
      throw refused(
        node,
        `subqueries are nested deeper than ${growthLimits.depth} levels`,
        "join, or use WITH",
      );
    }
    const query: Scope = { relations: [], ctes: scope.ctes, outer: scope, depth };
    const relation = isNode(node.subquery) ? this.statement(node.subquery, query) : nothing;
    this.#read += relation.tables;
    if (node.subquery_type !== "SCALAR") return numberExtent;
    const extent = widest(relation);
    // Its one value stands in each row of the query around it.
    return scope.relations.some(({ tables }) => tables > 0) && extent.gathered
      ? { ...extent, gathered: "repeated" }
      : extent;
  }

  #hasStar(node: SqlValue): boolean {
    if (Array.isArray(node)) return node.some((each) => this.#hasStar(each));
    if (!isNode(node) || node.class === "SUBQUERY") return false;
    return node.class === "STAR" && node.columns === true ||
      Object.values(node).some((each) => this.#hasStar(each));
  }

  #count(node: SqlNode): void {
    if (++this.#nodes > growthLimits.nodes) {
      throw refused(
        node,
        `the statement has more than ${growthLimits.nodes} parts`,
        "use IN or a join for long lists",
      );
    }
  }

  #bounded(relation: Relation, node: SqlNode): Relation {
    if (relation.width > growthLimits.columns) {
      throw refused(node, `a query has more than ${growthLimits.columns} columns`, hint);
    }
    if (relation.tables > growthLimits.tables) {
      throw refused(
        node,
        `the statement reads more than ${growthLimits.tables} tables, queries of WITH counted at each use`,
        hint,
      );
    }
    return relation;
  }
}

const hint = "docs/query.md says how far a statement may grow";

/** By how much texts are taken to be longer, to see by how much that makes others longer. */
const growthProbe = 1_000;

function constantExtent(node: SqlNode): Extent {
  const value = isNode(node.value) ? node.value.value : undefined;
  if (typeof value === "string") return { bytes: value.length, types: 1, isConstant: true };
  if (typeof value !== "object" || value === null) return { ...numberExtent, isConstant: true };
  return { bytes: writeTree({ value }).length, types: 1, isConstant: true };
}

const fixedTypes =
  /^(BOOLEAN|U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|FLOAT|DOUBLE|DECIMAL|DATE|TIME.*|INTERVAL|UUID)$/;

function nameOf(item: SqlNode, at: number): string {
  const alias = textOf(item.alias);
  return (alias !== "" ? alias : columnNames(item).at(-1) ?? `#${at}`).toLowerCase();
}

/** `x -> …` parses like the operator that looks into JSON; a call can tell them apart, and so can its first argument. */
function isArrow(node: SqlNode): boolean {
  return node.class === "FUNCTION" && node.function_name === "->" &&
    nodesIn(node.children)[0]?.class === "COLUMN_REF";
}

function parametersOf(lhs: SqlNode | undefined): string[] {
  if (lhs === undefined) return [];
  const refs = lhs.class === "COLUMN_REF" ? [lhs] : nodesIn(lhs.children);
  return refs.map((each) => (columnNames(each).at(-1) ?? "").toLowerCase());
}

/** Columns that a PIVOT makes: one for each combination of values, for each aggregate. */
function pivotWidth(node: SqlNode): number {
  const pivots = nodesIn(node.pivots);
  if (pivots.length === 0) return 0;
  const product = pivots.reduce((sum, each) => sum * Math.max(1, nodesIn(each.entries).length), 1);
  return product * Math.max(1, nodesIn(node.aggregates).length);
}
