/**
 * Parameters of a route: a table that says what each is, from which requests are parsed and docs/api.md is written.
 *
 * A GET takes them from the query string, a POST from a JSON object of the same names. An unknown name, one given
 * twice that is single, or a value of another form is refused by name before anything is opened.
 */
import type { Context } from "hono";
import { systemClock } from "../../core/env/clock.ts";
import { OpenWitError } from "../../core/error.ts";
import { parseFieldValue, type RecordFilter } from "../../core/search/filter.ts";
import { parseSeverity } from "../../core/search/severity.ts";
import { parseTenant } from "../../core/tenant.ts";
import { parseInstant } from "../config/instant.ts";
import { nearestWord, parseDuration } from "../config/parse.ts";
import type { JsonSchema } from "./schema.ts";

export interface ParameterSpec {
  readonly type: "text" | "number" | "time" | "duration" | "boolean" | "list" | readonly string[];
  readonly doc: string;
  readonly default?: string;
  /** A value to try it with, where it has no default. */
  readonly example?: string | readonly string[];
  /** Bounds of a number, where there are some. */
  readonly least?: number;
  readonly most?: number;
  /** Refused when it is absent. */
  readonly isRequired?: boolean;
}

export type ParameterTable = Readonly<Record<string, ParameterSpec>>;

/** Which records: the same in every route that looks for some. */
export const filterParameters = {
  query: {
    type: "text",
    example: "time*",
    doc:
      'Text to look for, in the language of `match`: `connection refused`, `"a phrase"`, `time*`, `OR`, `-not`, `service:checkout`.',
  },
  grep: {
    type: "text",
    doc: "Text that the body (of a span or point the name) contains exactly as it is, inside of words too.",
  },
  service: { type: "list", example: ["cart"], doc: "Only these services." },
  severity: {
    type: "text",
    example: "info",
    doc: "Logs of at least this level (`warn`) or number (`13`); `=warn` for exactly it.",
  },
  field: {
    type: "list",
    example: ["service.name=cart"],
    doc: "`KEY=VALUE`: a column or an attribute has this value; all of them must.",
  },
} as const satisfies ParameterTable;

export const timeParameters = {
  since: { type: "time", doc: "Only records at or after: a time, or a duration back such as `15m`." },
  until: { type: "time", example: "now", doc: "Only records before." },
} as const satisfies ParameterTable;

/** The values of a request, by a table. */
export class Parameters<Table extends ParameterTable> {
  constructor(
    readonly table: Table,
    readonly values: ReadonlyMap<string, readonly string[]>,
    readonly nowNs: bigint,
  ) {}

  text(name: keyof Table & string): string | undefined {
    return this.values.get(name)?.[0] ?? this.table[name].default;
  }

  list(name: keyof Table & string): readonly string[] {
    return this.values.get(name) ?? [];
  }

  isOn(name: keyof Table & string): boolean {
    const text = this.text(name) ?? "false";
    if (text === "true" || text === "1" || text === "") return true;
    if (text === "false" || text === "0") return false;
    throw wrong(name, text, "true or false");
  }

  /** A whole number; its parameter has a default. */
  count(name: keyof Table & string, least: number, most: number): number {
    const text = this.text(name)!;
    const value = Number(text);
    if (/^\d{1,9}$/.test(text) && value >= least && value <= most) return value;
    throw wrong(name, text, `a whole number from ${least} to ${most}`);
  }

  timeNs(name: keyof Table & string): bigint | undefined {
    const text = this.text(name);
    return text === undefined ? undefined : parseInstant(text, name, this.nowNs);
  }

  durationNs(name: keyof Table & string): bigint | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const ns = BigInt(Math.round(parseDuration(text, name) * 1_000_000));
    if (ns <= 0n) throw wrong(name, text, "a duration longer than nothing");
    return ns;
  }

  choice<Word extends string>(name: keyof Table & string, words: readonly Word[]): Word {
    const text = this.text(name)!;
    const word = words.find((each) => each === text.toLowerCase());
    if (word !== undefined) return word;
    const near = nearestWord(text, words);
    throw wrong(name, text, words.join(" or "), near === undefined ? undefined : `did you mean ${near}?`);
  }
}

/** The values of a request that has them in its query string, whatever its method. @throws OpenWitError `invalid_argument` */
export function readQuery<Table extends ParameterTable>(context: Context, table: Table): Parameters<Table> {
  return checked(table, new Map(Object.entries(context.req.queries())));
}

/** @throws OpenWitError `invalid_argument`, `unsupported_media_type` */
export async function readParameters<Table extends ParameterTable>(
  context: Context,
  table: Table,
): Promise<Parameters<Table>> {
  const query = Object.entries(context.req.queries());
  const values = new Map<string, readonly string[]>(query);
  if (context.req.method === "POST") {
    for (const [name, value] of Object.entries(asRecord(await jsonOf(context)))) {
      if (values.has(name)) throw wrong(name, String(value), "given once");
      if (!Object.hasOwn(table, name)) throw unknownName("parameter", name, Object.keys(table));
      if (value !== null && value !== undefined) values.set(name, textsOf(name, value));
    }
  }
  return checked(table, values);
}

function checked<Table extends ParameterTable>(
  table: Table,
  values: ReadonlyMap<string, readonly string[]>,
): Parameters<Table> {
  for (const [name, given] of values) {
    if (!Object.hasOwn(table, name)) throw unknownName("parameter", name, Object.keys(table));
    if (table[name].type !== "list" && given.length !== 1) throw wrong(name, given.join(", "), "given once");
  }
  return new Parameters(table, values, systemClock.nowNs());
}

/** What a query string may hold for a parameter. */
export function querySchemaOf(spec: ParameterSpec): JsonSchema {
  const { type, default: fallback } = spec;
  if (Array.isArray(type)) return { type: "string", enum: type, ...(fallback ? { default: fallback } : {}) };
  switch (type) {
    case "number":
      return {
        type: "integer",
        minimum: spec.least ?? 0,
        maximum: spec.most ?? 999_999_999,
        ...(fallback === undefined ? {} : { default: Number(fallback) }),
      };
    case "boolean":
      return { type: "string", enum: ["true", "false", "1", "0", ""], default: fallback ?? "false" };
    case "list":
      return { type: "array", items: { type: "string" } };
    default:
      return { type: "string", ...(fallback === undefined ? {} : { default: fallback }) };
  }
}

/** What a JSON body may hold: the same names; numbers and booleans as such or as text, `null` for what is not given. */
export function bodySchemaOf(table: ParameterTable): JsonSchema {
  const scalar = { type: ["string", "number", "boolean"] };
  const properties = Object.entries(table).map(([name, spec]) => {
    const inQuery = querySchemaOf(spec);
    const schema: JsonSchema = spec.type === "list"
      ? { anyOf: [scalar, { type: "array", items: scalar }, { type: "null" }] }
      : spec.type === "number"
      ? { anyOf: [inQuery, { type: "string", pattern: "^[0-9]{1,9}$" }, { type: "null" }] }
      : spec.type === "boolean"
      ? {
        anyOf: [{ type: "boolean" }, { enum: [...inQuery.enum as readonly string[], 0, 1] }, {
          type: "null",
        }],
      }
      : Array.isArray(spec.type)
      ? { enum: [...spec.type, null] }
      : { type: ["string", "number", "boolean", "null"] };
    return [name, { ...schema, description: spec.doc }];
  });
  const required = Object.entries(table).flatMap(([name, spec]) => spec.isRequired ? [name] : []);
  return {
    type: "object",
    properties: Object.fromEntries(properties),
    additionalProperties: false,
    ...(required.length === 0 ? {} : { required }),
  };
}

/** What `filterParameters` say. */
export function filterOf(parameters: Parameters<typeof filterParameters>): RecordFilter {
  const severity = parameters.text("severity");
  return {
    query: parameters.text("query"),
    grep: parameters.text("grep"),
    services: parameters.list("service"),
    severity: severity === undefined ? undefined : parseSeverity(severity, "severity"),
    fields: parameters.list("field").map((each) => parseFieldValue(each, "field")),
  };
}

/** The tenant that a request is for. @throws OpenWitError `invalid_argument` */
export function tenantOf(context: Context): string {
  return parseTenant(context.req.header("X-Scope-OrgID") ?? context.req.header("index-id"));
}

/** The JSON body of a request. A form of another site could send text/plain, so only JSON's own type is taken. */
export async function jsonOf(context: Context): Promise<unknown> {
  const type = (context.req.header("Content-Type") ?? "").split(";")[0].trim().toLowerCase();
  if (type !== "application/json") {
    throw new OpenWitError(
      "unsupported_media_type",
      `the body is ${type || "of no type"}, expected application/json`,
      { hint: "set Content-Type: application/json" },
    );
  }
  try {
    return await context.req.json();
  } catch (cause) {
    throw new OpenWitError("invalid_argument", `the body is not JSON: ${(cause as Error).message}`, {
      cause,
    });
  }
}

/** @throws OpenWitError `invalid_argument` */
export function asRecord(value: unknown): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw new OpenWitError("invalid_argument", "the body is not a JSON object");
}

/** The refusal of a name that is not known, with the nearest that is. */
export function unknownName(what: string, name: string, known: readonly string[]): OpenWitError {
  const near = nearestWord(name, known);
  return new OpenWitError("invalid_argument", `there is no ${what} ${JSON.stringify(name.slice(0, 100))}`, {
    hint: near === undefined ? `known are ${known.join(", ")}` : `did you mean ${near}?`,
  });
}

function textsOf(name: string, value: unknown): string[] {
  const values = Array.isArray(value) ? value : [value];
  if (values.every((each) => ["string", "number", "boolean"].includes(typeof each))) {
    return values.map(String);
  }
  throw new OpenWitError("invalid_argument", `${name} must be text, a number, or a list of texts`);
}

function wrong(name: string, text: string, expected: string, hint?: string): OpenWitError {
  return new OpenWitError(
    "invalid_argument",
    `${name} is ${JSON.stringify(text.slice(0, 100))}; expected ${expected}`,
    hint === undefined ? {} : { hint },
  );
}
