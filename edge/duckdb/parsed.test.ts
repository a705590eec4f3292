import { expect, test } from "bun:test";
import { parsedStatements } from "./parsed.ts";

test("the statements that were asked lately are kept, and no endless ones", () => {
  const parsed = parsedStatements();
  parsed.keep("first", "1");
  for (let n = 0; n < 127; n++) parsed.keep(`other ${n}`, "{}");
  expect(parsed.get("first")).toBe("1"); // and so it is the youngest
  parsed.keep("one more", "2");
  expect(parsed.get("first")).toBe("1");
  expect(parsed.get("other 0")).toBeUndefined();
  const long = "x".repeat(5_000);
  parsed.keep(long, "3");
  expect(parsed.get(long)).toBeUndefined();
});
