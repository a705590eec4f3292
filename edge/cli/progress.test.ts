import { expect, test } from "bun:test";
import { line } from "./progress.ts";

test("the bar says how far it is, what is left and where, and never wraps", () => {
  expect(line(0, 1_000, "wal", 0, 120)).toBe(`${"░".repeat(24)} 0%  0 B of 1000 B  wal`);
  expect(line(250, 1_000, "wal", 5_000, 120)).toBe(
    `${"█".repeat(6)}${"░".repeat(18)} 25%  250 B of 1000 B, 15 s left  wal`,
  );
  expect(line(10, 1_000, "x", 60_000, 120)).not.toContain("left"); // too early to tell
  expect(line(500, 1_000, "x", 400_000, 120)).toContain("6 min 40 s left");
  const long = line(500, 1_000, "parquet/tenant/2026/11/23/node/logs.parquet", 1_000, 80);
  expect(long.length).toBe(79);
  expect(long).toEndWith("logs.parquet");
  expect(line(0, 0, "", 0, 80)).toContain("100%");
});
