/** Every route of the HTTP port, in the order of docs/api.md. */
import { adminDocs } from "./admin/admin.ts";
import { fieldsDocs } from "./fields.ts";
import { healthDocs } from "./health.ts";
import { hitsDocs } from "./hits.ts";
import { openApiDocs } from "./openapi.ts";
import { queryDocs } from "./query.ts";
import type { RouteDoc } from "./route.ts";
import { searchDocs } from "./search.ts";
import { statusDocs } from "./status.ts";
import { tailDocs } from "./tail.ts";
import { traceDocs } from "./trace.ts";

/** Routes that answer from data: a folder at rest has them too, but for those that follow it. */
export const dataDocs: readonly RouteDoc[] = [
  ...searchDocs,
  ...hitsDocs,
  ...tailDocs,
  ...traceDocs,
  ...fieldsDocs,
  ...queryDocs,
];

export const routeDocs: readonly RouteDoc[] = [
  ...dataDocs,
  ...healthDocs,
  ...statusDocs,
  ...openApiDocs,
  ...adminDocs,
];
