/**
 * How a route is described, beside the code that answers it. docs/api.md and the OpenAPI document (openapi.ts) are
 * written from these, and whoever asks a path by another method is told which there are (methods.ts).
 */
import type { ErrorCode } from "../../core/error.ts";
import type { ParameterTable } from "./parameters.ts";
import type { JsonSchema, SchemaValue } from "./schema.ts";

export type Method = "GET" | "POST";

export interface RouteDoc {
  readonly group: RouteGroup;
  readonly methods: readonly Method[];
  /** `{name}` stands for a part of the path; `pathParameters` says what it may be. */
  readonly path: string;
  readonly pathParameters?: Readonly<Record<string, PathParameter>>;
  readonly summary: string;
  /** Of the query string; of a POST the members of its JSON body, unless `takes` says otherwise. */
  readonly parameters: ParameterTable;
  /** Where a POST takes its parameters, when not from a JSON body. */
  readonly takes?: "query";
  /** What a POST takes that is not made of parameters. */
  readonly body?: BodyDoc;
  /** Whether it is asked for a tenant, by the header `X-Scope-OrgID`. */
  readonly ofTenant: boolean;
  /** Schema of the answer by its media type, the default one first. */
  readonly answers: Readonly<Record<string, JsonSchema>>;
  /** Names of headers of the answer, of `answerHeaders`. */
  readonly headers?: readonly AnswerHeader[];
  /** What it refuses with beside `everyRefusal`. */
  readonly refusals: readonly ErrorCode[];
  /** Of an answer that is no refusal and has another status than 200: how the node is not ready, say. */
  readonly otherStatuses?: Readonly<Record<number, string>>;
  /** Shape of the answer, for a person. */
  readonly answer: string;
  readonly notes?: string;
  readonly example: string;
}

export interface PathParameter {
  readonly doc: string;
  readonly schema: JsonSchema;
  readonly example: string;
}

export interface BodyDoc {
  readonly type: string;
  readonly schema: JsonSchema;
  readonly doc: string;
  readonly example?: SchemaValue;
}

/** Chapters of the reference, in their order. */
export const routeGroups = {
  data: "Asking for records",
  node: "How the node is",
  admin: "Administration",
} as const;
export type RouteGroup = keyof typeof routeGroups;

export const answerHeaders = {
  "X-OpenWit-Partial": "Why the answer is not all there is; absent when it is.",
  "X-OpenWit-Rows": "Rows of the answer.",
  "X-OpenWit-Next": "The cursor of the next page; absent on the last one.",
  "Content-Disposition": "A name for the file.",
} as const;
export type AnswerHeader = keyof typeof answerHeaders;

/** A request of a form that no route takes, a foreign page or name, and a bug of ours. */
export const everyRefusal: readonly ErrorCode[] = ["invalid_argument", "forbidden", "internal"];

/** What a node that is starting or stopping, or whose disk fails, refuses with. */
export const nodeRefusals: readonly ErrorCode[] = ["unavailable", "io", "disk_full"];

/** What a statement may be refused with, whatever it is made from. */
export const statementRefusals: readonly ErrorCode[] = [
  ...nodeRefusals,
  "too_large",
  "unsupported",
  "overloaded",
  "deadline_exceeded",
  "corrupt",
];
