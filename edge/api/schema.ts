/** JSON Schema (draft 2020-12, as OpenAPI 3.1 takes it) of what routes take and answer: the few forms that they need. */

export type SchemaValue = string | number | boolean | null | readonly SchemaValue[] | JsonSchema;
export interface JsonSchema {
  readonly [keyword: string]: SchemaValue;
}

type Properties = Readonly<Record<string, JsonSchema>>;

export const text: JsonSchema = { type: "string" };
/** ISO 8601 in UTC, with up to nine decimals. */
export const instant: JsonSchema = { type: "string", format: "date-time" };
export const integer: JsonSchema = { type: "integer" };
export const number: JsonSchema = { type: "number" };
export const boolean: JsonSchema = { type: "boolean" };
/** Any JSON value. */
export const anything: JsonSchema = {};

export function described(schema: JsonSchema, description: string): JsonSchema {
  return { ...schema, description };
}

export function listOf(items: JsonSchema): JsonSchema {
  return { type: "array", items };
}

/** Values by names that are not known before. */
export function mapOf(additionalProperties: JsonSchema): JsonSchema {
  return { type: "object", additionalProperties };
}

export function oneOfWords(words: readonly string[]): JsonSchema {
  return { type: "string", enum: words };
}

export function nullable(schema: JsonSchema): JsonSchema {
  return typeof schema.type === "string" && schema.enum === undefined
    ? { ...schema, type: [schema.type, "null"] }
    : { anyOf: [schema, { type: "null" }] };
}

/** Exactly these names. @param optional those that may be absent */
export function objectOf(properties: Properties, optional: Properties = {}): JsonSchema {
  return {
    type: "object",
    properties: { ...properties, ...optional },
    required: Object.keys(properties),
    additionalProperties: false,
  };
}

/** A schema that several answers share, by its name in `sharedSchemas`. */
export function shared(name: keyof typeof sharedSchemas): JsonSchema {
  return { $ref: `#/components/schemas/${name}` };
}

/** A row of a table: its columns are in docs/schema.md. */
export const row: JsonSchema = mapOf(anything);

/** An answer from data: it ends with what it covers. */
export function covered(properties: Properties, optional: Properties = {}): JsonSchema {
  return objectOf(
    { ...properties, coverage: shared("Coverage"), partial: boolean, warnings: listOf(text) },
    optional,
  );
}

export const sharedSchemas = {
  Error: objectOf({
    error: objectOf({ code: text, message: text, retryable: boolean }, { hint: text, position: integer }),
  }),
  Coverage: objectOf({
    since: nullable(instant),
    until: nullable(instant),
    tiers: objectOf({ memory: objectOf({ rows: integer }), hot: objectOf({ segments: integer }) }),
    missing: listOf(objectOf({
      segment: text,
      signal: text,
      rows: integer,
      since: nullable(instant),
      until: nullable(instant),
      why: text,
    })),
    limited: { enum: ["rows", "bytes", false] },
  }),
  Totals: objectOf({ segments: integer, rows: integer, bytes: integer }),
} as const satisfies Properties;
