import { expect, test } from "bun:test";
import { seededRandom } from "../../core/env/random.ts";
import { isoTimestamp } from "../../core/model/row.ts";
import type { JsonRow } from "../../core/search/page.ts";
import { traceOf } from "../../core/search/trace.ts";
import { coloured, plain } from "./style.ts";
import { barOf, durationText, renderWaterfall, type TraceDocument } from "./waterfall.ts";
import { textWidth } from "./width.ts";

const startNs = 1_767_322_800_000_000_000n;

function span(
  id: string,
  parent: string,
  service: string,
  name: string,
  fromUs: number,
  us: number,
): JsonRow {
  return {
    span_id: id,
    parent_span_id: parent,
    service_name: service,
    name,
    start_timestamp: isoTimestamp(startNs + BigInt(fromUs) * 1_000n),
    duration_ns: String(us * 1_000),
    status_code: 0,
    status_message: "",
    events: [],
  };
}

/** The document that the API makes of spans. */
function documentOf(rows: readonly JsonRow[], logs?: readonly JsonRow[]): TraceDocument {
  const { spans, startNs, endNs } = traceOf(rows);
  return {
    trace_id: "4bf92f3577b34da6a3ce929d0e0e4736",
    start: isoTimestamp(startNs),
    duration_ns: String(endNs - startNs),
    services: [...new Set(rows.map((row) => String(row.service_name)))],
    errors: rows.filter((row) => row.status_code === 2).length,
    spans: spans.map(({ row, depth, isOrphan }) => ({ ...row, depth, orphan: isOrphan })),
    logs,
  };
}

const shop = [
  span("a", "", "frontend", "POST /checkout", 0, 100_000),
  span("b", "a", "checkout", "place order", 10_000, 80_000),
  span("c", "b", "cart", "get cart", 12_000, 3_000),
  { ...span("d", "b", "payment", "charge", 20_000, 60_000), status_code: 2, status_message: "card declined" },
  span("e", "a", "frontend", "render", 92_000, 8_000),
];

test("a trace is drawn as a tree with bars to scale, errors marked", () => {
  expect(renderWaterfall(documentOf(shop), { width: 80, events: false }, plain)).toBe(
    `trace 4bf92f3577b34da6a3ce929d0e0e4736
2026-01-02 03:00:00.000 · 100 ms · 5 spans · 4 services · 1 error

                             0                 50.0 ms          100 ms
frontend  POST /checkout     █████████████████████████████████████████   100 ms
checkout  ├─place order          █████████████████████████████████      80.0 ms
cart      │ ├─get cart            █                                     3.00 ms
payment   │ └─✗ charge               █████████████████████████          60.0 ms
          │     card declined
frontend  └─render                                                ▐███  8.00 ms
`,
  );
});

test.each([48, 80, 100, 160, 300])("no line is wider than a terminal of %d columns", (width) => {
  const wide = [
    span("a", "", "支付服务的名字很长很长很长", "付款 👩‍👩‍👧 ".repeat(20), 0, 1_000),
    {
      ...span("b", "a", "x".repeat(80), "y".repeat(200), 1, 5),
      status_code: 2,
      status_message: "z".repeat(500),
    },
  ];
  const event = {
    name: "exception",
    timestamp: isoTimestamp(startNs),
    attributes: { stack: "at x\n".repeat(100) },
  };
  const rows = wide.map((row) => ({ ...row, events: [event] }));
  const log = {
    span_id: "b",
    severity_number: 17,
    timestamp: isoTimestamp(startNs),
    body: "本文".repeat(300),
  };
  const text = renderWaterfall(
    documentOf(rows, [log, { ...log, span_id: "none" }]),
    { width, events: true },
    plain,
  );
  for (const line of text.split("\n").slice(2)) expect(textWidth(line)).toBeLessThanOrEqual(width);
  expect(text).toContain("logs of the trace that name none of these spans");
});

test("colours change nothing but the colours", () => {
  const options = { width: 100, events: true };
  const painted = renderWaterfall(documentOf(shop), options, coloured);
  expect(painted).toContain("\x1b[");
  expect(Bun.stripANSI(painted)).toBe(renderWaterfall(documentOf(shop), options, plain));
});

test("events and logs stand under their span, with their time since the trace began", () => {
  const event = {
    name: "retry",
    timestamp: isoTimestamp(startNs + 30_000_000n),
    attributes: { attempt: "2" },
  };
  const rows = shop.map((row) => row.span_id === "d" ? { ...row, events: [event] } : row);
  const log = {
    span_id: "c",
    severity_number: 13,
    timestamp: isoTimestamp(startNs + 12_500_000n),
    body: "cart is old",
  };
  const lines = renderWaterfall(documentOf(rows, [log]), { width: 80, events: true }, plain).split("\n");
  const below = (name: string, by: number) => lines[lines.findIndex((line) => line.includes(name)) + by];
  expect(below("get cart", 1)).toMatch(/│ │ +WARN {2}\+12\.5 ms +cart is old$/);
  expect(below("✗ charge", 2)).toMatch(/◆ retry \+30\.0 ms +attempt=2$/);
});

test("a trace of spans that have no duration, or of logs alone, is drawn too", () => {
  const flat = documentOf([span("a", "", "s", "one", 0, 0), span("b", "a", "s", "two", 0, 0)]);
  expect(renderWaterfall(flat, { width: 80, events: false }, plain)).toContain("└─two");
  const logs = [{ severity_number: 9, timestamp: isoTimestamp(startNs), body: "alone" }];
  const text = renderWaterfall({ trace_id: "x", spans: [], logs }, { width: 80, events: false }, plain);
  expect(text).toContain("INFO  alone");
});

test("the tree holds every span once, whatever their parents are (seeds 1 to 300)", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = seededRandom(seed);
    const count = 1 + random.uint32() % 12;
    // Ids that come twice, parents that are missing, themselves, or each other's children.
    const rows = Array.from(
      { length: count },
      () =>
        span(
          `s${random.uint32() % count}`,
          ["", "gone", `s${random.uint32() % count}`][random.uint32() % 3],
          "x",
          "n",
          random.uint32() % 50,
          5,
        ),
    );
    const { spans } = traceOf(rows);
    expect([seed, new Set(spans.map(({ row }) => row)).size, spans.length]).toEqual([seed, count, count]);
    for (const [at, { depth }] of spans.entries()) {
      expect([seed, depth <= (at === 0 ? 0 : spans[at - 1].depth + 1)]).toEqual([seed, true]);
    }
    renderWaterfall(documentOf(rows), { width: 60, events: true }, plain);
  }
});

test("a chain of ten thousand spans neither overflows nor takes long", () => {
  const rows = Array.from(
    { length: 10_000 },
    (_, at) => span(`s${at}`, at === 0 ? "" : `s${at - 1}`, "x", "n", at, 10),
  );
  const started = performance.now();
  const text = renderWaterfall(documentOf(rows), { width: 80, events: false }, plain);
  expect(performance.now() - started).toBeLessThan(5_000);
  for (const line of text.split("\n")) expect(textWidth(line)).toBeLessThanOrEqual(80);
  expect(text).toContain("…9999 n");
});

test("a bar is at least half a cell, and never leaves the room", () => {
  const scale = { startNs: 0n, totalNs: 1_000, cells: 10 };
  expect(barOf(0, 1_000, scale)).toEqual({ offset: 0, text: "█".repeat(10) });
  expect(barOf(0, 0, scale)).toEqual({ offset: 0, text: "▌" });
  expect(barOf(1_000, 0, scale)).toEqual({ offset: 9, text: "▐" });
  expect(barOf(50, 100, scale)).toEqual({ offset: 0, text: "▐▌" });
  expect(barOf(0, 0, { ...scale, totalNs: 0 })).toEqual({ offset: 0, text: "▌" });
});

test("durations have three digits and the unit that fits", () => {
  expect([0, 999, 1_500, 830_400, 12_440_000, 214_000_000, 1_250_000_000, 123e9, 7_260e9].map(durationText))
    .toEqual(
      ["0 ns", "999 ns", "1.50 µs", "830 µs", "12.4 ms", "214 ms", "1.25 s", "2 min 3 s", "2 h 1 min"],
    );
});
