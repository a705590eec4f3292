/**
 * How large one value of an expression may become, as far as the tree tells: what functions make of what they are
 * given. The engine interrupts a statement only between vectors of 2,048 rows, and what it computes within one is
 * not counted against its memory limit, so a call that turns each row into megabytes must not start at all.
 *
 * Stored texts count as `textBytes`, whatever they are: the rules bound by how much a statement may multiply them.
 */
import { OpenWitError } from "../error.ts";
import { constantInteger, constantText, nodesIn, positionOf, type SqlNode, textOf } from "./tree.ts";

export interface Extent {
  /** Bytes of a value. */
  readonly bytes: number;
  /** Nodes in the tree of its type; a struct of structs doubles them with each level. */
  readonly types: number;
  /** Of a type of fixed width, so that it cannot become longer. */
  readonly isNumber?: boolean;
  /** The same for all rows, so that the engine computes it once. */
  readonly isConstant?: boolean;
  /** Made of many rows: once by itself, or standing again in each of many rows, where a copy would be made a row. */
  readonly gathered?: "once" | "repeated";
}

export const numberExtent: Extent = { bytes: 16, types: 1, isNumber: true };
export const textExtent: Extent = { bytes: 512, types: 1 };

/** What the engine's memory limit bounds, being one value of its group. */
const gatheredBytes = 8 * 1024;

/** Most bytes that a statement may make of one value. With 2,048 of them in a vector that is 64 MiB. */
export const valueBytesMax = 32 * 1024;

/** The same for what is computed once. */
export const constantBytesMax = 1024 * 1024;

/** Most nodes in the type of a value. */
export const typesMax = 1_000;

/** Least bytes that an element of a list takes. */
export const elementBytes = 16;

const set = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/));

/** Functions whose value is small whatever they are given. */
const small = set(`
  !~~ !~~* % & * ** + - / // <-> <=> <@ @> ^ ^@ ~ ~~ ~~* ~~~ !~~~ @ !__postfix && << >> <
  abs acos acosh add asin asinh atan atan2 atanh bit_count bit_length bit_position cbrt ceil ceiling cos cosh cot
  degrees divide even exp factorial fdiv floor fmod gamma gcd greatest_common_divisor isfinite isinf isnan lcm
  least_common_multiple lgamma ln log log10 log2 mod multiply nextafter pi pow power radians random round round_even
  roundbankers sign signbit sin sinh sqrt subtract tan tanh trunc get_bit
  ascii char_length character_length chr contains damerau_levenshtein editdist3 ends_with formatreadabledecimalsize
  formatreadablesize format_bytes hamming hash instr jaccard jaro_similarity jaro_winkler_similarity
  length length_grapheme len levenshtein md5 md5_number md5_number_lower md5_number_upper mismatches octet_length ord
  parse_formatted_bytes pg_size_pretty position prefix regexp_full_match regexp_matches sha1 sha256 starts_with
  strlen strpos suffix unicode ilike_escape like_escape not_ilike_escape not_like_escape
  age century date_add date_diff date_part date_sub date_trunc datediff datepart datesub datetrunc day dayname
  dayofmonth dayofweek dayofyear days_in_month decade epoch epoch_ms epoch_ns epoch_us era hour isodow isoyear julian
  last_day make_date make_time make_timestamp make_timestamp_ms make_timestamp_ns make_timestamptz microsecond
  millennium millisecond minute month monthname nanosecond normalized_interval quarter second strptime time_bucket
  timezone timezone_hour timezone_minute to_centuries to_days to_decades to_hours to_microseconds to_millennia
  to_milliseconds to_minutes to_months to_quarters to_seconds to_timestamp to_weeks to_years try_strptime week weekday
  weekofyear year yearweek now today ago transaction_timestamp get_current_timestamp get_current_time
  current_localtime current_localtimestamp current_date current_timestamp current_time localtime localtimestamp
  array_contains array_has array_has_all array_has_any array_indexof array_length array_position array_unique
  array_cosine_distance array_cosine_similarity array_distance array_dot_product array_inner_product
  array_negative_dot_product array_negative_inner_product
  cardinality list_approx_count_distinct list_avg list_bit_and list_bit_or list_bit_xor list_bool_and list_bool_or
  list_contains list_cosine_distance list_cosine_similarity list_count list_distance list_dot_product list_entropy
  list_has list_has_all list_has_any list_indexof list_inner_product list_kurtosis list_kurtosis_pop list_mad
  list_median list_negative_dot_product list_negative_inner_product list_position list_product list_sem list_skewness
  list_stddev_pop list_stddev_samp list_sum list_unique list_var_pop list_var_samp map_contains map_contains_entry
  map_contains_value struct_contains struct_has struct_indexof struct_position json_array_length json_contains
  json_exists json_type json_valid is_histogram_other_bin error
  approx_count_distinct avg bit_and bit_or bit_xor bool_and bool_or corr count count_if count_star countif covar_pop
  covar_samp entropy favg fsum geomean geometric_mean grouping grouping_id kahan_sum kurtosis kurtosis_pop
  product regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy
  sem skewness stddev stddev_pop stddev_samp sum sum_no_overflow sumkahan var_pop var_samp variance wavg weighted_avg
  cume_dist dense_rank ntile percent_rank rank rank_dense row_number
`);

/** By how much a function may multiply what it is given. */
const factors: Readonly<Record<string, number>> = {
  bin: 8,
  to_binary: 8,
  hex: 2,
  to_hex: 2,
  to_base: 8,
  base64: 2,
  to_base64: 2,
  encode: 1,
  url_encode: 3,
  translate: 4,
  regexp_escape: 2,
  strip_accents: 2,
  nfc_normalize: 4,
  str_split: 16,
  string_split: 16,
  string_to_array: 16,
  split: 16,
  str_split_regex: 16,
  string_split_regex: 16,
  regexp_split_to_array: 16,
  regexp_split_to_table: 16,
  regexp_extract_all: 16,
  parse_path: 16,
  json: 2,
  to_json: 6,
  array_to_json: 6,
  row_to_json: 6,
  json_quote: 6,
  json_array: 6,
  json_object: 6,
  json_pretty: 64,
  json_structure: 2,
  json_keys: 16,
  json_extract: 2,
  from_json: 4,
  from_json_strict: 4,
  json_transform: 4,
  json_transform_strict: 4,
};

/** Functions whose value is one of their arguments, or a part of one. */
const choosing = set(`
  coalesce greatest least nullif ifnull if case any_value arbitrary first last min max min_by max_by arg_min arg_max
  argmin argmax arg_min_null arg_max_null arg_min_nulls_last arg_max_nulls_last mode median quantile quantile_disc
  lag lead first_value last_value nth_value fill alias try unnest list_extract array_extract list_element element_at
  list_first list_last list_any_value list_min list_max list_mode map_extract map_extract_value map_keys map_values
  struct_extract struct_extract_at json_extract_string json_extract_path json_extract_path_text json_value ->> ->
  union_extract array_value
`);

/** Aggregates that put the rows of a group into one value. */
export const gathering = set(`
  array_agg list string_agg listagg group_concat json_group_array json_group_object json_group_structure histogram
  histogram_exact bitstring_agg map_agg approx_top_k
`);

/** Functions whose time or memory is the product of their arguments' lengths: one of the two must be short. */
const comparing = set("levenshtein editdist3 damerau_levenshtein jaro_similarity jaro_winkler_similarity");

/** The extent of a call, of the extents of its arguments. @throws OpenWitError `forbidden` */
export function callExtent(node: SqlNode, args: readonly Extent[]): Extent {
  const name = textOf(node.function_name).toLowerCase();
  const children = nodesIn(node.children);
  const bytes = args.reduce((sum, each) => sum + each.bytes, 0);
  const types = args.reduce((sum, each) => sum + each.types - 1, 1);
  const isConstant = !changing.has(name) && args.every((each) => each.isConstant);
  const gathered = gatheredOf(args);
  const made = (count: number): Extent => limited(node, { bytes: count, types, isConstant, gathered }, name);
  const first = args[0]?.bytes ?? 0;
  if (comparing.has(name)) requireShort(node, name, children);
  if (gathering.has(name)) {
    return limited(node, { bytes: gatheredBytes, types: types + 2, gathered: "once" }, name);
  }
  if (small.has(name)) return { ...numberExtent, isConstant };
  switch (name) {
    case "repeat":
      return made(first * Number(requireConstant(node, name, children[1])));
    case "lpad":
    case "rpad":
      return made(4 * Number(requireConstant(node, name, children[1])));
    case "bitstring":
      return made(Number(requireConstant(node, name, children[1])));
    case "range":
    case "generate_series":
      return made(elementBytes * seriesLength(node, name, children));
    case "equi_width_bins":
      return made(elementBytes * Number(requireConstant(node, name, children[2])));
    case "format":
    case "printf":
      return made(formatBytes(node, name, children[0], args));
    case "strftime": // two letters of a format become up to two dozen
      return made(16 * Math.max(16, ...args.map((each) => each.bytes)));
    case "bar":
      return made(4_096);
    case "replace":
      return made(first * Math.max(1, (args[2]?.bytes ?? 0) / (constantText(children[1])?.length || 1)));
    case "regexp_replace":
      return made(regexpReplaceBytes(first, args[2]?.bytes ?? 0, children));
    case "array_to_string":
    case "array_to_string_comma_default":
    case "list_string_agg":
    case "list_aggregate":
    case "list_aggr":
    case "array_aggregate":
    case "array_aggr":
      return made(first + first / elementBytes * (args.at(-1)?.bytes ?? 0));
    case "concat_ws":
      return made(bytes + args.length * first);
  }
  if (choosing.has(name)) {
    return { bytes: Math.max(16, ...args.map((each) => each.bytes)), types, isConstant, gathered };
  }
  const factor = Object.hasOwn(factors, name) ? factors[name] : 1;
  // What puts values side by side makes a type of theirs.
  const parts = nesting.test(name) ? types + args.length : types;
  return limited(node, { bytes: bytes * factor + 32, types: parts, isConstant, gathered }, name);
}

/** Whether one of these was gathered of many rows, and stands in each of many. */
export function gatheredOf(extents: readonly Extent[]): Extent["gathered"] {
  const all = extents.map((each) => each.gathered);
  return all.includes("repeated") ? "repeated" : all.includes("once") ? "once" : undefined;
}

const nesting = /^(row|struct_|list_value|list_pack|map|union_|list_zip|array_zip|unpivot_list)/;

/** Functions that give another value each time. */
const changing = set("random");

/** The same extent, when it is within bounds. @throws OpenWitError `forbidden` */
export function limited(node: SqlNode, extent: Extent, name: string): Extent {
  if (extent.types > typesMax) {
    throw refused(
      node,
      `${name || "an expression"} has a type of more than ${typesMax} parts`,
      "nest less deeply",
    );
  }
  if (extent.gathered === "repeated") {
    throw refused(
      node,
      `${name || "an expression"} would copy what was gathered of many rows into each of many`,
      "do it where the rows are gathered, or join with the parts of the list (unnest)",
    );
  }
  const bytesMax = extent.isConstant ? constantBytesMax : valueBytesMax;
  if (extent.bytes <= bytesMax) return extent;
  throw refused(
    node,
    `${name || "an expression"} may make ${
      Math.round(extent.bytes)
    } bytes of each value, more than ${bytesMax}`,
    "repeat, pad or join less; long series come from range or generate_series in FROM",
  );
}

export function refused(node: SqlNode, message: string, hint: string): OpenWitError {
  const position = positionOf(node);
  return new OpenWitError("forbidden", message, { hint, ...(position === undefined ? {} : { position }) });
}

function requireConstant(node: SqlNode, name: string, count: SqlNode | undefined): bigint {
  const value = constantInteger(count);
  if (value !== undefined) return value < 0n ? 0n : value;
  throw refused(node, `${name} needs a constant for how many`, "write the number itself");
}

function seriesLength(node: SqlNode, name: string, children: readonly SqlNode[]): number {
  const [first, second, third] = children.map((each) => constantInteger(each));
  const hint = "range and generate_series in FROM are not bounded so";
  if (children.length === 1 && first !== undefined) return Math.max(0, Number(first));
  const step = children.length === 3 ? third : 1n;
  if (first === undefined || second === undefined || step === undefined || step === 0n) {
    throw refused(node, `${name} needs constant bounds where it makes one value`, hint);
  }
  return Math.max(0, Number((second - first) / step) + 1);
}

function formatBytes(
  node: SqlNode,
  name: string,
  format: SqlNode | undefined,
  args: readonly Extent[],
): number {
  const text = constantText(format);
  if (text === undefined || /\d{5}|\*|\{[^}]*\{/.test(text)) {
    throw refused(node, `${name} needs a constant format with widths below 10000`, "write the format itself");
  }
  const places = text.match(/[{%]/g)?.length ?? 0;
  const widths = (text.match(/\d+/g) ?? []).reduce((sum, digits) => sum + Number(digits), 0);
  return text.length + places * Math.max(16, ...args.slice(1).map((each) => each.bytes)) + widths;
}

/** With the option g there may be a match at each character; without it the first alone is replaced. */
function regexpReplaceBytes(subject: number, replacement: number, children: readonly SqlNode[]): number {
  const text = constantText(children[2]);
  const references = text === undefined ? replacement / 2 : text.match(/\\\d/g)?.length ?? 0;
  const isOnce = children.length < 4 || constantText(children[3])?.includes("g") === false;
  return isOnce ? subject * (1 + references) + replacement : subject * (1 + replacement);
}

function requireShort(node: SqlNode, name: string, children: readonly SqlNode[]): void {
  if (children.some((each) => (constantText(each)?.length ?? Infinity) <= shortMax)) return;
  throw refused(
    node,
    `${name} needs a constant of at most ${shortMax} characters to compare with`,
    "its time grows with the product of both lengths",
  );
}

const shortMax = 128;
