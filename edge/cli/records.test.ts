import { expect, test } from "bun:test";
import type { JsonRow } from "../../core/search/page.ts";
import { contextGroups, findersOf, type RecordLook, RecordPrinter } from "./records.ts";
import { coloured, plain } from "./style.ts";
import { textWidth } from "./width.ts";

const look: RecordLook = {
  style: plain,
  shortTimes: true,
  gutter: false,
  attributes: false,
  width: 80,
  finders: [],
};

function log(second: number, body: string, more: Partial<Record<string, unknown>> = {}): JsonRow {
  return {
    timestamp: `2026-01-02T03:00:${String(second).padStart(2, "0")}.120000000Z`,
    severity_number: 17,
    severity_text: "Error",
    service_name: "checkout",
    resource_attributes: "{}",
    body,
    attributes: {},
    ...more,
  } as JsonRow;
}

test("a day is told once, a record is a line, and its other lines stay in their column", () => {
  const printer = new RecordPrinter(look);
  const rows = [
    log(1, "refused"),
    log(2, "one\ntwo"),
    log(3, "late", { timestamp: "2026-01-03T00:00:00.000000000Z" }),
  ];
  expect(rows.map((row) => printer.lines(row)).join("")).toBe(
    `── 2026-01-02 UTC ──
03:00:01.120  ERROR  checkout  refused
03:00:02.120  ERROR  checkout  one
                               two
── 2026-01-03 UTC ──
00:00:00.000  ERROR  checkout  late
`,
  );
});

test("long texts are broken between words within the terminal's width", () => {
  const text = new RecordPrinter(look).lines(
    log(1, "the quick brown 狐狸 jumps over the lazy dog ".repeat(6)),
  );
  for (const line of text.split("\n")) expect(textWidth(line)).toBeLessThanOrEqual(80);
  for (const line of text.trimEnd().split("\n").slice(2)) expect(line).toMatch(/^ {31}\S/);
  expect(text.replaceAll(/\s+/g, " ")).toContain("jumps over the lazy dog the quick");
});

test("where nobody looks at a terminal each line has its whole time, and texts are not broken", () => {
  const text = new RecordPrinter({ ...look, shortTimes: false }).lines(log(1, "x ".repeat(200)));
  expect(text).toStartWith("2026-01-02T03:00:01.120000000Z  ERROR  checkout  x x");
  expect(text.trimEnd().split("\n").length).toBe(1);
});

test("what was searched for is marked, and what must not be there is not", () => {
  const style = { ...plain, isOn: true, found: (text: string) => `[${text}]` };
  const shown = (query: string, body: string) =>
    new RecordPrinter({ ...look, style, finders: findersOf(query), width: 200 }).lines(log(1, body)).split(
      "checkout  ",
    )[1];
  expect(shown("refused", "Refused, not unrefused, refused")).toBe("[Refused], not unrefused, [refused]\n");
  expect(shown('"connection refused"', "connection: REFUSED")).toBe("[connection: REFUSED]\n");
  expect(shown("conn* OR ction -timeout service:x", "connection timeout")).toBe("[conn]ection timeout\n");
  expect(shown("straße", "In der STRASSE, in der Straße")).toBe("In der STRASSE, in der [Straße]\n");
  expect(shown("a.b", "axb a.b")).toBe("axb [a.b]\n");
});

test("attributes and ids stand under a record, as many on a line as there is room for", () => {
  const row = log(1, "x", { attributes: { "http.route": "/cart", big: "y".repeat(30) }, trace_id: "4bf9" });
  const text = new RecordPrinter({ ...look, attributes: true }).lines(row);
  expect(text.split("\n").slice(2)).toEqual([
    `${" ".repeat(31)}http.route=/cart`,
    `${" ".repeat(31)}big=${"y".repeat(30)}  trace_id=4bf9`,
    "",
  ]);
});

test("a record cannot steer the terminal, by its text, its service or its level", () => {
  const evil = "\x1b[2J\x1b]0;title\x07";
  const text = new RecordPrinter({ ...look, attributes: true }).lines(
    log(1, evil, {
      service_name: evil,
      severity_number: 0,
      severity_text: evil,
      attributes: { [evil]: evil },
    }),
  );
  // deno-lint-ignore no-control-regex -- these are what is looked for
  expect(text).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f]/);
});

test("colours change nothing but the colours", () => {
  const rows = [log(1, "refused"), log(2, "fine", { severity_number: 9 })];
  const lines = (style: typeof plain) => {
    const printer = new RecordPrinter({ ...look, style, finders: findersOf("refused"), gutter: true });
    return rows.map((row, at) => printer.lines(row, at === 1)).join("");
  };
  expect(Bun.stripANSI(lines(coloured))).toBe(lines(plain));
});

test("surroundings of one process that touch are one group, each line once and in the order of time", () => {
  const [a, b, c, d, e] = [1, 2, 3, 4, 5].map((second) => log(second, `line ${second}`));
  const other = log(3, "elsewhere", { resource_attributes: '{"pod":"2"}' });
  const groups = contextGroups([
    { ...d, before: [c], after: [e] },
    { ...b, before: [a], after: [c] },
    { ...other, before: [], after: [] },
  ]);
  expect(groups.map((group) => group.map(({ row, isHit }) => `${isHit ? "*" : ""}${row.body}`))).toEqual([
    ["line 1", "*line 2", "line 3", "*line 4", "line 5"],
    ["*elsewhere"],
  ]);
});
