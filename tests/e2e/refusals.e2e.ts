/** Bad input to a running box: each is refused precisely, and the good requests beside it are untouched. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { Box } from "./box.ts";

const box = new Box();
beforeAll(async () => {
  await box.start();
}, 60_000);
afterAll(() => box[Symbol.asyncDispose]());

test("statements that reach beyond the tables are refused by name", async () => {
  for (
    const [sql, word] of [
      ["SELECT * FROM read_csv('/etc/passwd')", "read_csv"],
      ["SELECT * FROM read_text('/etc/passwd')", "read_text"],
      ["SELECT * FROM '/etc/passwd'", "/etc/passwd"],
      ["COPY logs TO '/tmp/x'", "COPY"],
      ["ATTACH '/tmp/x.db'", "ATTACH"],
      ["SELECT getenv('HOME')", "getenv"],
      ["INSTALL httpfs", "INSTALL"],
      ["SET threads = 8", "SET"],
      ["SELECT 1; SELECT 2", "one"],
      ["DROP TABLE logs", "DROP"],
      ["SELECT * FROM duckdb_settings()", "duckdb_settings"],
      ["SELECT * FROM glob('/*')", "glob"],
    ]
  ) {
    const response = await query({ sql });
    const { error } = await response.json();
    expect([sql, response.status >= 400 && response.status < 500]).toEqual([sql, true]);
    expect(error.message + (error.hint ?? "")).toContain(word);
    expect(error.retryable).toBe(false);
  }
});

test("malformed bodies are refused while good requests beside them are kept", async () => {
  const bad = Array.from({ length: 200 }, (_, index) =>
    fetch(`${box.endpoints.otlp_http}/v1/logs`, {
      method: "POST",
      headers: { "Content-Type": "application/x-protobuf" },
      body: new Uint8Array([0x0a, 0xff, 0xff, index & 0x7f, 1, 2, 3]),
    }).then((response) => response.status));
  const good = Array.from({ length: 50 }, (_, index) =>
    fetch(`${box.endpoints.otlp_http}/v1/logs`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({
        resourceLogs: [{ scopeLogs: [{ logRecords: [{ body: { stringValue: `good ${index}` } }] }] }],
      }),
    }).then((response) => response.status));
  expect(new Set(await Promise.all(bad))).toEqual(new Set([400]));
  expect(new Set(await Promise.all(good))).toEqual(new Set([200]));
  expect(await box.value("SELECT count(*) FROM logs")).toBe("50");
});

test("a foreign Host or Origin is refused at every port", async () => {
  for (const url of [box.endpoints.http, box.endpoints.otlp_http]) {
    const path = url === box.endpoints.http ? "/api/v1/query" : "/v1/logs";
    for (const headers of [{ Host: "evil.example" }, { Origin: "https://evil.example" }] as HeadersInit[]) {
      const response = await fetch(url + path, {
        method: "POST",
        headers: { "Content-Type": "application/json", ...headers as Record<string, string> },
        body: "{}",
      });
      expect([url, headers, response.status]).toEqual([url, headers, 403]);
      await response.body?.cancel();
    }
  }
});

test("a query body that is no JSON, or not of our form, is refused with what was expected", async () => {
  for (
    const [body, type, status] of [
      ["{", "application/json", 400],
      ["{}", "application/json", 400],
      ['{"sql": 5}', "application/json", 400],
      ['{"sql": "SELECT 1", "limit": -1}', "application/json", 400],
      ['{"sql": "SELECT 1", "tiemout_ms": 5}', "application/json", 400],
      ['{"sql": "SELECT 1"}', "text/plain", 415],
    ] as const
  ) {
    const response = await fetch(`${box.endpoints.http}/api/v1/query`, {
      method: "POST",
      headers: { "Content-Type": type },
      body,
    });
    expect([body, response.status]).toEqual([body, status]);
    expect((await response.json()).error.message).not.toBe("");
  }
});

test("a tenant sees its own rows alone", async () => {
  for (const tenant of ["alpha", "beta"]) {
    await fetch(`${box.endpoints.otlp_http}/v1/logs`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Scope-OrgID": tenant },
      body: JSON.stringify({
        resourceLogs: [{ scopeLogs: [{ logRecords: [{ body: { stringValue: `of ${tenant}` } }] }] }],
      }),
    });
  }
  expect(await box.rows("SELECT body FROM logs", { "X-Scope-OrgID": "alpha" })).toEqual([["of alpha"]]);
  expect(await box.rows("SELECT body FROM logs", { "X-Scope-OrgID": "beta" })).toEqual([["of beta"]]);
  const bad = await query({ sql: "SELECT 1" }, { "X-Scope-OrgID": "../etc" });
  expect(bad.status).toBe(400);
});

test("the original's search form answers", async () => {
  const response = await fetch(`${box.endpoints.http}/api/search`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ query: "SELECT 1 AS one", limit: 10, client_id: "default" }),
  });
  expect(response.status).toBe(200);
  expect((await response.json()).rows).toEqual([[1]]);
});

function query(body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${box.endpoints.http}/api/v1/query`, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers as Record<string, string> },
    body: JSON.stringify(body),
  });
}
