/** Which methods a path takes, for the answer to another one (RFC 9110, section 15.5.6). */
import type { Method, RouteDoc } from "./route.ts";

/** @returns the methods of a path, by its routes' descriptions; empty where there is no route */
export function methodTeller(docs: readonly RouteDoc[]): (path: string) => readonly Method[] {
  const routes = docs.map((doc) => ({ pattern: patternOf(doc), methods: doc.methods }));
  return (path) => [...new Set(routes.flatMap(({ pattern, methods }) => pattern.test(path) ? methods : []))];
}

function patternOf({ path, pathParameters = {} }: RouteDoc): RegExp {
  const parts = path.split(/\{(\w+)\}/).map((part, at) => {
    if (at % 2 === 0) return RegExp.escape(part);
    const words = pathParameters[part]?.schema.enum as readonly string[] | undefined;
    return words === undefined ? ".+" : `(?:${words.map((word) => RegExp.escape(word)).join("|")})`;
  });
  return new RegExp(`^${parts.join("")}$`);
}
