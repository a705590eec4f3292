import { expect, test } from "bun:test";
import { fitWidths, renderBlocks, renderTable, shortTime } from "./table.ts";
import { cutText, onOneLine, textWidth } from "./width.ts";

const columns = [
  { name: "at", type: "TIMESTAMP_NS" },
  { name: "service_name", type: "VARCHAR" },
  { name: "n", type: "BIGINT" },
  { name: "body", type: "VARCHAR" },
];
const rows = [
  [
    "2026-11-23T20:31:12.120000000Z",
    "checkout",
    "12",
    "payment of 支付失败 was refused\nby the bank ".repeat(4),
  ],
  ["2026-11-23T20:31:12.000000000Z", "cart", "7", null],
];

test.each([40, 60, 80, 160])(
  "no line is wider than a terminal of %d columns, wide letters included",
  (width) => {
    for (const line of renderTable(columns, rows, width).trimEnd().split("\n")) {
      expect(textWidth(line)).toBeLessThanOrEqual(width);
    }
  },
);

test("a table that fits is not cut, and numbers stand at the right", () => {
  expect(renderTable(columns, [["2026-11-23T20:31:12.120000000Z", "cart", "7", "ok"], rows[1]], 100)).toBe(
    `at                        service_name  n  body
────────────────────────  ────────────  ─  ────
2026-11-23T20:31:12.120Z  cart          7  ok
2026-11-23T20:31:12Z      cart          7  NULL
`,
  );
});

test("the widest columns give way first, and evenly, none below its least", () => {
  const least = [8, 8, 8, 8];
  expect(fitWidths([10, 20, 100, 101], least, 100)).toEqual([10, 20, 35, 35]);
  expect(fitWidths([10, 20, 100, 101], [8, 20, 50, 8], 100)).toEqual([10, 20, 50, 20]);
  expect(fitWidths([10, 20, 30], least, 60)).toEqual([10, 20, 30]);
  expect(fitWidths([50, 50, 3], least, 20)).toEqual([9, 8, 3]);
  expect(fitWidths([50, 50, 3], least, 18)).toBeUndefined();
});

test("times are cut after the millisecond and numbers never", () => {
  const table = renderTable(
    [{ name: "at", type: "TIMESTAMP_NS" }, { name: "n", type: "BIGINT" }, { name: "body", type: "VARCHAR" }],
    [["2026-11-23T20:31:12.123456789Z", "9223372036854775807", "x".repeat(100)]],
    60,
  );
  expect(table.split("\n")[2]).toBe("2026-11-23T20:31:12.123…  9223372036854775807  xxxxxxxxxxxx…");
});

test("rows of more columns than the terminal has room for come as blocks, long values in their column", () => {
  const wide = Array.from({ length: 12 }, (_, at) => ({ name: `column_${at}`, type: "VARCHAR" }));
  const row = wide.map(() => "a value");
  expect(renderTable(wide, [row], 80)).toStartWith("─ row 1 ──");
  expect(renderTable(wide, [row], 160)).toStartWith("column_0  column_1");
  expect(
    renderBlocks(columns, [["2026-11-23T20:31:12.000000000Z", "cart", "7", null], [
      null,
      null,
      "1",
      "a long text",
    ]], 24),
  ).toBe(
    `─ row 1 ────────────────
at            2026-11-2
              3T20:31:1
              2Z
service_name  cart
n             7
body          NULL
─ row 2 ────────────────
at            NULL
service_name  NULL
n             1
body          a long
              text
`,
  );
});

test("a text is cut between letters, never within one", () => {
  expect(cutText("支付失败", 8)).toBe("支付失败");
  expect(cutText("支付失败", 7)).toBe("支付失…");
  expect(cutText("支付失败", 6)).toBe("支付…");
  expect(cutText("e\u0301e\u0301e\u0301", 2)).toBe("e\u0301…");
  expect(textWidth(cutText("👩‍👩‍👧 family", 3))).toBeLessThanOrEqual(3);
});

test("a record cannot steer the terminal", () => {
  expect(onOneLine("a\x1b[31mred\x1b[0m\r\nb\tc\x07\u009b")).toBe("a·[31mred·[0m b c·");
});

test("times lose the zeros that say nothing", () => {
  expect(
    ["000000000", "120000000", "123456000", "123456789", "000001000"].map((fraction) =>
      shortTime(`2026-01-02T03:00:00.${fraction}Z`)
    ),
  ).toEqual([
    "2026-01-02T03:00:00Z",
    "2026-01-02T03:00:00.120Z",
    "2026-01-02T03:00:00.123456Z",
    "2026-01-02T03:00:00.123456789Z",
    "2026-01-02T03:00:00.000001Z",
  ]);
});
