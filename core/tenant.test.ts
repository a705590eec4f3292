import { expect, test } from "bun:test";
import { parseTenant, parseWritableTenant } from "./tenant.ts";

test("a tenant has a name that any file system takes; without one it is the default", () => {
  expect([undefined, null, "", "a", "shop-1_x", "9"].map(parseTenant)).toEqual([
    "default",
    "default",
    "default",
    "a",
    "shop-1_x",
    "9",
  ]);
  for (const wrong of ["_a", "__system", "_system2", "-a", "A", "a/b", "a.b", "ä", "..", "x".repeat(64)]) {
    expect(() => parseTenant(wrong)).toThrow("not a valid name");
  }
});

test("the node's own tenant is read like any other, and written by nobody else", () => {
  expect(parseTenant("_system")).toBe("_system");
  expect(() => parseWritableTenant("_system")).toThrow("nobody else writes there");
  expect(parseWritableTenant("shop")).toBe("shop");
});
