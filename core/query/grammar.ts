/**
 * The kinds of node in a SELECT's tree (DuckDB 1.5, `json_serialize_sql`), and the fields that each may have. What is
 * not listed here is refused by check.ts, so a kind is listed only after a look at what it can do.
 */

/** What a field of a node holds. `scalar` is text, a number or a truth value that needs no look. */
export type FieldKind =
  | "scalar"
  | "ignored"
  | "names"
  | "expression"
  | "expressions"
  | "expressionRows"
  | "modifier"
  | "modifiers"
  | "statement"
  | "query"
  | "table"
  | "ctes"
  | "nothing"
  | "constant"
  | "caseChecks"
  | "type"
  | "replacements"
  | "sample"
  | "numbers"
  | "pivots";
export type Fields = Readonly<Record<string, FieldKind>>;

export const common: Fields = { class: "scalar", type: "scalar", alias: "scalar", query_location: "scalar" };

export const expressions: Readonly<Record<string, Fields>> = {
  BETWEEN: { input: "expression", lower: "expression", upper: "expression" },
  CASE: { case_checks: "caseChecks", else_expr: "expression" },
  CAST: { child: "expression", cast_type: "type", try_cast: "scalar" },
  COLLATE: { child: "expression", collation: "scalar" },
  COLUMN_REF: { column_names: "names" },
  COMPARISON: { left: "expression", right: "expression" },
  CONJUNCTION: { children: "expressions" },
  CONSTANT: { value: "constant" },
  FUNCTION: {
    function_name: "scalar",
    schema: "scalar",
    catalog: "scalar",
    children: "expressions",
    filter: "expression",
    order_bys: "modifier",
    distinct: "scalar",
    is_operator: "scalar",
    export_state: "scalar",
  },
  LAMBDA: { lhs: "expression", expr: "expression", syntax_type: "scalar" },
  OPERATOR: { children: "expressions" },
  PARAMETER: { identifier: "scalar" },
  POSITIONAL_REFERENCE: { index: "scalar" },
  STAR: {
    relation_name: "scalar",
    exclude_list: "names",
    replace_list: "replacements",
    columns: "scalar",
    expr: "expression",
    qualified_exclude_list: "ignored",
    rename_list: "ignored",
  },
  SUBQUERY: {
    subquery_type: "scalar",
    subquery: "statement",
    child: "expression",
    comparison_type: "scalar",
  },
  WINDOW: {
    function_name: "scalar",
    schema: "scalar",
    catalog: "scalar",
    children: "expressions",
    partitions: "expressions",
    orders: "modifiers",
    start: "scalar",
    end: "scalar",
    start_expr: "expression",
    end_expr: "expression",
    offset_expr: "expression",
    default_expr: "expression",
    ignore_nulls: "scalar",
    filter_expr: "expression",
    exclude_clause: "scalar",
    distinct: "scalar",
    arg_orders: "modifiers",
  },
};

export const tables: Readonly<Record<string, Fields>> = {
  EMPTY: { sample: "sample" },
  BASE_TABLE: {
    sample: "sample",
    schema_name: "scalar",
    catalog_name: "scalar",
    table_name: "scalar",
    column_name_alias: "names",
    at_clause: "nothing",
  },
  SUBQUERY: { sample: "sample", subquery: "statement", column_name_alias: "names" },
  JOIN: {
    sample: "sample",
    left: "table",
    right: "table",
    condition: "expression",
    join_type: "scalar",
    ref_type: "scalar",
    using_columns: "names",
    delim_flipped: "scalar",
    duplicate_eliminated_columns: "nothing",
  },
  TABLE_FUNCTION: {
    sample: "sample",
    function: "ignored", // looked at in #table, for other functions are allowed here
    column_name_alias: "names",
    with_ordinality: "scalar",
  },
  EXPRESSION_LIST: {
    sample: "sample",
    expected_names: "names",
    expected_types: "nothing",
    values: "expressionRows",
  },
  SHOW_REF: {
    sample: "sample",
    table_name: "scalar",
    query: "query",
    show_type: "scalar",
    catalog_name: "scalar",
    schema_name: "scalar",
  },
  PIVOT: {
    sample: "sample",
    source: "table",
    aggregates: "expressions",
    unpivot_names: "names",
    pivots: "pivots",
    groups: "names",
    column_name_alias: "names",
    include_nulls: "scalar",
  },
};

export const queries: Readonly<Record<string, Fields>> = {
  SELECT_NODE: {
    modifiers: "modifiers",
    cte_map: "ctes",
    select_list: "expressions",
    from_table: "table",
    where_clause: "expression",
    group_expressions: "expressions",
    group_sets: "numbers",
    aggregate_handling: "scalar",
    having: "expression",
    sample: "sample",
    qualify: "expression",
  },
  SET_OPERATION_NODE: {
    modifiers: "modifiers",
    cte_map: "ctes",
    setop_type: "scalar",
    left: "query",
    right: "query",
    setop_all: "scalar",
  },
  RECURSIVE_CTE_NODE: {
    modifiers: "modifiers",
    cte_map: "ctes",
    cte_name: "scalar",
    union_all: "scalar",
    left: "query",
    right: "query",
    aliases: "names",
    key_targets: "nothing",
  },
};

export const modifiers: Readonly<Record<string, Fields>> = {
  ORDER_MODIFIER: { orders: "modifiers" },
  LIMIT_MODIFIER: { limit: "expression", offset: "expression" },
  LIMIT_PERCENT_MODIFIER: { limit: "expression", offset: "expression" },
  DISTINCT_MODIFIER: { distinct_on_targets: "expressions" },
  ASCENDING: { null_order: "scalar", expression: "expression" },
  DESCENDING: { null_order: "scalar", expression: "expression" },
  ORDER_DEFAULT: { null_order: "scalar", expression: "expression" },
};

export const otherFields: Readonly<Record<string, Fields>> = {
  statement: { node: "query", named_param_map: "ignored" },
  case: { when_expr: "expression", then_expr: "expression" },
  cte: { aliases: "names", query: "statement", materialized: "scalar", key_targets: "nothing" },
  pivot: {
    pivot_expressions: "expressions",
    unpivot_names: "names",
    entries: "ignored",
    pivot_enum: "scalar",
  },
  entry: { values: "ignored", star_expr: "expression", alias: "scalar" },
};
