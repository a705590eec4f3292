/** How a route is described: docs/api.md is written from these, beside the code that answers them. */
import type { ParameterTable } from "./parameters.ts";

export interface RouteDoc {
  readonly methods: readonly ("GET" | "POST")[];
  readonly path: string;
  readonly summary: string;
  readonly parameters: ParameterTable;
  /** Shape of the answer. */
  readonly answer: string;
  readonly notes?: string;
  readonly example: string;
}
