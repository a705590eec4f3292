/** docs/api.md is written from the routes' own tables: each route there is served, and each that is served is there. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { dataDocs } from "../../edge/api/reference.ts";
import { type ApiFixture, openApi } from "./api_fixture.ts";

let api: ApiFixture;
beforeAll(async () => {
  api = await openApi();
});
afterAll(() => api[Symbol.asyncDispose]());

test("the reference names every route that answers from data, and no other", () => {
  const documented = dataDocs.flatMap(({ methods, path }) =>
    methods.flatMap((method) =>
      path.includes("{signal}")
        ? ["logs", "spans", "metrics"].map((signal) => `${method} ${path.replace("{signal}", signal)}`)
        : [`${method} ${path}`]
    )
  );
  const served = api.app.routes.map(({ method, path }) =>
    `${method} ${path.replace(/:(\w+)(\{[^}]*\})?/, "{$1}")}`
  );
  expect(documented.sort()).toEqual([...new Set(served)].sort());
});

test("a parameter's default is one that the route takes", async () => {
  for (const { methods, path, parameters } of dataDocs) {
    if (!methods.includes("GET") || path.endsWith("/tail")) continue;
    const filled = Object.entries(parameters).flatMap(([name, { default: value }]) =>
      value === undefined ? [] : [[name, value]]
    );
    const url = path.replace("{signal}", "logs").replace("{name}", "body").replace("{id}", "a".repeat(32));
    const { status } = await api.get(`${url}?${new URLSearchParams(filled)}`);
    expect([url, status]).toEqual([url, path.includes("{id}") ? 404 : 200]);
  }
});

test("the examples work", async () => {
  for (const { example } of dataDocs) {
    const [, path] = /127\.0\.0\.1:6318([^' ]*)/.exec(example)!;
    const data = /-d '([^']*)'/.exec(example)?.[1];
    const response = await api.app.request(path, {
      ...(data === undefined
        ? {}
        : { method: "POST", headers: { "Content-Type": "application/json" }, body: data }),
    });
    expect([example, response.status]).toEqual([example, path.includes("/traces/") ? 404 : 200]);
    await response.body?.cancel();
  }
});
