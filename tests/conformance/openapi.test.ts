/**
 * The OpenAPI document says what the HTTP port has, and no more: every route of a node's app is in it, every operation
 * of it is a route, and what it refers to is there. tests/e2e/openapi.e2e.ts holds the answers to it.
 */
import { expect, test } from "bun:test";
import { apiApp } from "../../edge/api/app.ts";
import { openApiDocument } from "../../edge/api/openapi.ts";
import { routeDocs } from "../../edge/api/reference.ts";
import { loadConfig } from "../../edge/config/settings.ts";
import { NodeLog } from "../../edge/log/log.ts";
import { Node } from "../../edge/server/node.ts";
import { findPython } from "../e2e/python.ts";

/** Not started: its routes are there all the same. */
const config = await loadConfig({ flags: {}, environment: {} });
const app = apiApp(new Node(config, new NodeLog(config.logging)));

// deno-lint-ignore no-explicit-any -- walked as any JSON is
const document = openApiDocument(routeDocs) as any;

test("every route of the app is in the document, and every operation of the document is a route", () => {
  const served = app.routes.filter(({ method }) => method !== "ALL").map(({ method, path }) =>
    `${method} ${path.replaceAll(/:(\w+)(\{[^}]*\})?/g, "{$1}")}`
  );
  const documented = Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.keys(operations as object).flatMap((method) =>
      expand(path).map((each) => `${method.toUpperCase()} ${each}`)
    )
  );
  expect(documented.sort()).toEqual([...new Set(served)].sort());
});

/** One route stands for each signal. */
function expand(path: string): string[] {
  return path.includes("{signal}")
    ? ["logs", "spans", "metrics"].map((signal) => path.replace("{signal}", signal))
    : [path];
}

test("operations have names of their own, parameters for their paths, and schemas that are there", () => {
  const names = new Set<string>();
  for (const [path, operations] of Object.entries(document.paths)) {
    // deno-lint-ignore no-explicit-any -- as above
    for (const operation of Object.values(operations as any) as any[]) {
      expect(names).not.toContain(operation.operationId);
      names.add(operation.operationId);
      const inPath = (operation.parameters ?? []).filter((each: { in: string }) => each.in === "path");
      expect(inPath.map(({ name }: { name: string }) => `{${name}}`)).toEqual(path.match(/\{\w+\}/g) ?? []);
      expect(Object.keys(operation.responses)).toEqual(expect.arrayContaining(["200", "400", "403", "500"]));
    }
  }
  for (const [, name] of JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)) {
    expect(Object.keys(document.components.schemas)).toContain(name);
  }
});

test("a path that is asked by another method says which it takes, and one that is not there says so", async () => {
  for (
    const [method, path, allow] of [
      ["DELETE", "/api/v1/query", "POST"],
      ["GET", "/api/v1/admin/flush", "POST"],
      ["PUT", "/api/v1/logs/search", "GET, HEAD, POST"],
      ["OPTIONS", "/api/v1/fields/http.route/values", "GET, HEAD, POST"],
      ["POST", "/metrics", "GET, HEAD"],
    ]
  ) {
    const answer = await app.request(path, { method });
    expect([path, answer.status, answer.headers.get("Allow")]).toEqual([path, 405, allow]);
    expect((await answer.json()).error).toMatchObject({ code: "method_not_allowed", retryable: false });
  }
  for (const path of ["/api/v1/events/search", "/api/v1/admin", "/nothing"]) {
    expect([path, (await app.request(path)).status]).toEqual([path, 404]);
  }
});

test("routes that take no parameter refuse one; those of supervisors do not look", async () => {
  for (const path of ["/api/v1/status", "/api/v1/openapi.json", "/api/v1/admin/drain"]) {
    const answer = await app.request(`${path}?nonsense=1`);
    expect([path, answer.status]).toEqual([path, 400]);
  }
  expect((await app.request("/health?probe=1")).status).toBe(200);
});

test("a node that is not ready refuses what needs its data, retryable", async () => {
  for (const { methods, path, refusals } of routeDocs) {
    if (!methods.includes("GET") || !refusals.includes("unavailable") || path === "/api/v1/status") continue;
    const url = path.replace("{signal}", "logs").replace("{name}", "body").replace("{id}", "a".repeat(32));
    const answer = await app.request(url);
    expect([url, answer.status, answer.headers.get("Retry-After")]).toEqual([url, 503, "1"]);
    await answer.body?.cancel();
  }
});

test("the document is valid OpenAPI 3.1 to a validator of others", async () => {
  const python = findPython("openapi_spec_validator");
  if (python === undefined) return console.log("skipped: openapi_spec_validator is not installed");
  const validator = Bun.spawn([
    python,
    "-c",
    "import json, sys\nfrom openapi_spec_validator import OpenAPIV31SpecValidator as V\n" +
    "print([e.message for e in V(json.load(sys.stdin)).iter_errors()])",
  ], { stdin: new TextEncoder().encode(JSON.stringify(document)), stdout: "pipe" });
  expect((await new Response(validator.stdout).text()).trim()).toBe("[]");
}, 60_000); // a Python that loads much, beside whatever else runs
