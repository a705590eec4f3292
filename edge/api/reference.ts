/** Every route that people and tools ask, in the order of docs/api.md. */
import { fieldsDocs } from "./fields.ts";
import { hitsDocs } from "./hits.ts";
import { queryDocs } from "./query.ts";
import type { RouteDoc } from "./route.ts";
import { searchDocs } from "./search.ts";
import { tailDocs } from "./tail.ts";
import { traceDocs } from "./trace.ts";

export const routeDocs: readonly RouteDoc[] = [
  ...searchDocs,
  ...hitsDocs,
  ...tailDocs,
  ...traceDocs,
  ...fieldsDocs,
  ...queryDocs,
];
