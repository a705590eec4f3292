import { Buffer } from "node:buffer";
import { describe, expect, test } from "bun:test";
import { Reader } from "protobufjs";
import type { Signal } from "../../core/model/columns.ts";
import { hourMs, incidentOf, incidentsBetween } from "./incidents.ts";
import { Shop, type ShopOptions } from "./shop.ts";

const allSignals: Signal[] = ["logs", "spans", "metrics"];
const noon = Date.UTC(2026, 4, 1, 12);

function generate(options: Partial<ShopOptions>, fromMs: number, toMs: number) {
  const shop = new Shop({ seed: 42, rate: 400, signals: allSignals, ...options });
  return [...shop.generate(fromMs, toMs)];
}

describe("repeatability", () => {
  test("the same seed and interval give the same bytes", () => {
    const first = generate({}, noon, noon + 4_000), second = generate({}, noon, noon + 4_000);
    expect(second).toEqual(first);
    expect(first.length).toBeGreaterThan(2);
  });

  test("another seed tells another story", () => {
    expect(generate({ seed: 43 }, noon, noon + 2_000)).not.toEqual(generate({}, noon, noon + 2_000));
  });

  test("an interval may be cut anywhere without changing what is in it", () => {
    const whole = records(generate({}, noon, noon + 4_000));
    const shop = new Shop({ seed: 42, rate: 400, signals: allSignals });
    const parts = [0, 1, 2, 3].flatMap((
      at,
    ) => [...shop.generate(noon + at * 1_000, noon + (at + 1) * 1_000)]);
    expect(records(parts).spans).toEqual(whole.spans);
    expect(records(parts).logs).toEqual(whole.logs);
  });
});

describe("plausibility", () => {
  const incident = incidentOf(42, noon / hourMs);
  const { spans, logs, points } = records(generate({}, incident.fromMs, incident.fromMs + 20_000));
  const byId = new Map(spans.map((span) => [span.traceId + span.spanId, span]));

  test("a parent exists and lasts at least as long as its children", () => {
    expect(spans.length).toBeGreaterThan(1_000);
    for (const span of spans.filter(({ parentId }) => parentId !== "")) {
      const parent = byId.get(span.traceId + span.parentId)!;
      expect(parent).toBeDefined();
      expect(parent.start <= span.start && span.start <= span.end && span.end <= parent.end).toBe(true);
    }
  });

  test("no two spans have the same id", () => expect(byId.size).toBe(spans.length));

  test("a log record belongs to a span and lies within its time", () => {
    expect(logs.length).toBeGreaterThan(500);
    for (const log of logs) {
      const span = byId.get(log.traceId + log.spanId)!;
      expect(span.start <= log.time && log.time <= span.end).toBe(true);
    }
  });

  test("a link leads to a span of another trace", () => {
    const linked = spans.filter(({ links }) => links.length > 0);
    expect(linked.length).toBeGreaterThan(0);
    for (const { traceId, links } of linked) {
      expect(byId.has(links[0])).toBe(true);
      expect(links[0].startsWith(traceId)).toBe(false);
    }
  });

  test("every kind of metric is there", () => {
    expect([...new Set(points.map(({ kind }) => kind))].sort((a, b) => a - b)).toEqual([5, 7, 9, 10, 11]);
    expect(points.some(({ exemplars }) => exemplars > 0)).toBe(true);
  });

  test("severities are mixed and an incident shows as errors", () => {
    const at = incidentsBetween(42, noon, noon + 24 * hourMs).find(({ kind }) => kind === "errors")!;
    const bad = (fromMs: number) =>
      records(generate({ signals: ["spans"] }, fromMs, fromMs + 20_000)).spans.filter(({ isError }) =>
        isError
      ).length;
    expect(bad(at.fromMs)).toBeGreaterThan(3 * bad(at.fromMs - 60_000));
    expect(new Set(logs.map(({ severity }) => severity)).size).toBeGreaterThan(2);
  });
});

describe("shape", () => {
  test("log records have about 480 bytes and 8 attributes", () => {
    const { logs } = records(generate({ signals: ["logs"] }, noon, noon + 10_000));
    const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    expect(Math.abs(mean(logs.map(({ bytes }) => bytes)) - 480)).toBeLessThan(30);
    expect(Math.abs(mean(logs.map(({ attributes }) => attributes)) - 8)).toBeLessThan(0.5);
  });

  test("the rate is met for each choice of signals, and batches hold about as many as asked", () => {
    for (const signals of [["logs"], ["spans"], ["metrics"], allSignals] as Signal[][]) {
      const batches = generate({ signals, rate: 2_000, isSteady: true }, noon, noon + 10_000);
      const total = batches.reduce((sum, { records }) => sum + records, 0);
      expect(Math.abs(total - 20_000)).toBeLessThan(1_000);
      for (const batch of batches) expect(batch.records).toBeLessThan(1_100);
    }
  });

  test("a batch says how many records it has", () => {
    for (const batch of generate({}, noon, noon + 3_000)) {
      const { spans, logs, points } = records([batch]);
      expect(spans.length + logs.length + points.length).toBe(batch.records);
    }
  });
});

interface Message {
  readonly [field: number]: (Uint8Array | bigint)[];
}

/** Any message as lists of values by field number: read by protobufjs, so by another's understanding of the wire. */
function parse(bytes: Uint8Array): Message {
  const reader = Reader.create(bytes), message: Record<number, (Uint8Array | bigint)[]> = {};
  while (reader.pos < reader.len) {
    const tag = reader.uint32(), field = tag >>> 3;
    const list = message[field] ??= [];
    if ((tag & 7) === 0) list.push(BigInt(reader.uint64().toString()));
    else if ((tag & 7) === 1) list.push(BigInt(reader.fixed64().toString()));
    else if ((tag & 7) === 2) list.push(reader.bytes());
    else if ((tag & 7) === 5) list.push(BigInt(reader.fixed32()));
    else throw new Error(`wire type ${tag & 7}`);
  }
  return message;
}

const messages = (message: Message, field: number) =>
  (message[field] ?? []).map((each) => parse(each as Uint8Array));
const hex = (message: Message, field: number) =>
  Buffer.from(message[field]?.[0] as Uint8Array ?? []).toString("hex");

function records(batches: Iterable<{ signal: Signal; body: Uint8Array }>) {
  const spans = [], logs = [], points = [];
  for (const { signal, body } of batches) {
    const entries = messages(parse(body), 1).flatMap((resource) => messages(resource, 2)).flatMap((scope) =>
      (scope[2] ?? []) as Uint8Array[]
    );
    for (const bytes of entries) {
      const message = parse(bytes);
      if (signal === "logs") {
        logs.push({
          bytes: bytes.length,
          time: message[1][0],
          severity: message[2][0],
          attributes: message[6].length,
          traceId: hex(message, 9),
          spanId: hex(message, 10),
        });
      } else if (signal === "spans") {
        spans.push({
          traceId: hex(message, 1),
          spanId: hex(message, 2),
          parentId: hex(message, 4),
          start: message[7][0],
          end: message[8][0],
          links: messages(message, 13).map((link) => hex(link, 1) + hex(link, 2)),
          isError: messages(message, 15)[0]?.[3]?.[0] === 2n,
        });
      } else {
        const kind = [5, 7, 9, 10, 11].find((field) => message[field] !== undefined)!;
        for (const point of messages(messages(message, kind)[0], 1)) {
          points.push({ kind, exemplars: kind === 9 ? point[8]?.length ?? 0 : 0 });
        }
      }
    }
  }
  const key = (record: object) =>
    JSON.stringify(record, (_, value) => typeof value === "bigint" ? `${value}` : value);
  const sorted = <Item extends object>(items: Item[]) => items.sort((a, b) => key(a) < key(b) ? -1 : 1);
  return { spans: sorted(spans), logs: sorted(logs), points };
}
