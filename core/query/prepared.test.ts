import { expect, test } from "bun:test";
import type { Prepared } from "./prepare.ts";
import { PreparedStatements, statementKey } from "./prepared.ts";

const request = { sql: "SELECT 1", tenant: "a", limit: 10 };
const some = (name: string) => ({ name }) as unknown as Prepared;

test("a statement is the same only for the same tenant, text, parameters and limit", () => {
  const requests = [
    request,
    { ...request, sql: "SELECT 2" },
    { ...request, tenant: "b" },
    { ...request, limit: 11 },
    { ...request, params: [1] },
    { ...request, params: ["1"] },
    { ...request, params: [1n, 2] },
    { ...request, params: [12] },
    { ...request, params: { 0: 1 } },
    { ...request, params: [true] },
    { ...request, params: ["true"] },
    { ...request, params: [null] },
    { ...request, params: ["null"] },
    { ...request, params: ["1,2"] },
    { ...request, params: ["1", "2"] },
  ];
  expect(new Set(requests.map(statementKey)).size).toBe(requests.length);
  expect(statementKey({ ...request, params: [1] })).toBe(statementKey({ ...request, params: [1] }));
});

test("what was least lately used goes first, and long ones are not kept", () => {
  const statements = new PreparedStatements();
  for (let number = 0; number < 100; number++) {
    statements.keep(`${number}`, some(`${number}`), 2_000);
    statements.get("0");
  }
  expect(statements.size).toBeLessThan(60);
  expect(statements.get("0")).toEqual(some("0"));
  expect(statements.get("1")).toBeUndefined();
  expect(statements.get("99")).toEqual(some("99"));
  statements.keep("long", some("long"), 10_000);
  expect(statements.get("long")).toBeUndefined();
  for (let number = 0; number < 1_000; number++) statements.keep("again", some("again"), 2_000);
  expect(statements.get("0")).toEqual(some("0"));
});
