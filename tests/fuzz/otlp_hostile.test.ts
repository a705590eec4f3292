/**
 * Bodies that no honest sender makes: never anything but rows or an OpenWitError, never a hang, memory within
 * bounds, and the chunk as it was after every error.
 */
import { expect, test } from "bun:test";
import { OpenWitError } from "../../core/error.ts";
import { randomBelow, seededRandom } from "../../core/env/random.ts";
import { Chunk } from "../../core/model/chunk.ts";
import { type Signal, signals } from "../../core/model/columns.ts";
import type { Vector } from "../../core/model/vector.ts";
import { decodeRequest } from "../../core/otlp/decode.ts";
import { jsonToProtobuf } from "../../core/otlp/json.ts";
import { WireWriter } from "../../core/otlp/wire_writer.ts";
import { rowsOf } from "./otlp_expected.ts";
import { encodeRequest, generateRequest, requestType, toOtlpJson } from "./otlp_messages.ts";

const receivedAt = 1_800_000_000_000_000_000n;

for (const signal of signals) {
  test(`${signal}: a body cut at any byte is refused whole or read whole`, () => {
    for (let seed = 1; seed <= 6; seed++) {
      const { chunk, body } = prepared(signal, seed);
      for (let length = 0; length < Math.min(body.length, 6_000); length++) {
        attempt(signal, body.subarray(0, length), chunk);
      }
    }
  });

  test(`${signal}: mutated bodies never do harm`, () => {
    for (let seed = 1; seed <= 30; seed++) {
      const { chunk, body } = prepared(signal, seed);
      const random = seededRandom(seed);
      for (let round = 0; round < 60; round++) {
        const mutated = body.slice();
        for (let changes = 1 + randomBelow(random, 8); changes > 0; changes--) {
          mutated[randomBelow(random, mutated.length)] = randomBelow(random, 256);
        }
        attempt(signal, mutated, chunk);
      }
    }
  });

  test(`${signal}: noise never does harm`, () => {
    const random = seededRandom(7);
    const { chunk } = prepared(signal, 1);
    for (let round = 0; round < 2_000; round++) {
      const noise = Uint8Array.from({ length: randomBelow(random, 60) }, () => randomBelow(random, 256));
      attempt(signal, noise, chunk);
      attempt(signal, nested([0x0a, 0x12, 0x12], noise), chunk);
    }
  });

  test(`${signal}: mutated JSON never does harm`, () => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = seededRandom(seed);
      const message = generateRequest(signal, random, 0.4);
      const body = new TextEncoder().encode(JSON.stringify(toOtlpJson(requestType(signal), message, random)));
      const chunk = new Chunk(signal);
      for (let round = 0; round < 40; round++) {
        const mutated = body.slice(
          0,
          randomBelow(random, 4) === 0 ? randomBelow(random, body.length) : undefined,
        );
        for (let changes = 1 + randomBelow(random, 3); changes > 0 && mutated.length > 0; changes--) {
          mutated[randomBelow(random, mutated.length)] = '{}[]",:0123456789eE-truefalsn\\u'.charCodeAt(
            randomBelow(random, 31),
          );
        }
        attemptJson(signal, mutated, chunk);
      }
    }
  });
}

test("an empty body is a request without rows", () => {
  for (const signal of signals) {
    expect(decodeRequest(signal, new Uint8Array(0), new Chunk(signal), receivedAt).rows).toBe(0);
    expect(jsonToProtobuf(signal, new TextEncoder().encode("{}"))).toHaveLength(0);
  }
});

test("a malformed body is refused with the byte and what was expected there", () => {
  expect(() => decodeRequest("logs", Uint8Array.of(0x0a, 0x05, 0x12), new Chunk("logs"), receivedAt))
    .toThrow("at byte 2 of 3: expected 5 bytes where the message has 1 left");
});

test("lengths up to 2^64 are refused, and nothing is allocated for them", () => {
  for (
    const length of [[0x7f], [0xff, 0xff, 0xff, 0xff, 0x0f], [
      0xff,
      0xff,
      0xff,
      0xff,
      0xff,
      0xff,
      0xff,
      0xff,
      0xff,
      0x01,
    ]]
  ) {
    for (const tags of [[0x0a], [0x0a, 0x0a], [0x0a, 0x12], [0x0a, 0x12, 0x12], [0x0a, 0x12, 0x12, 0x32]]) {
      const body = nested(tags.slice(0, -1), Uint8Array.of(tags.at(-1)!, ...length));
      expect(() => decodeRequest("logs", body, new Chunk("logs"), receivedAt)).toThrow(OpenWitError);
    }
  }
});

test("a record whose body is nested too deeply is refused, and those beside it are kept", () => {
  const chunk = new Chunk("logs");
  const records = concatenate([
    nested([0x12], logRecord("before")),
    nested([0x12], nested([0x2a], deepValue(65))),
    nested([0x12], nested([0x2a], deepValue(64))),
    nested([0x12], nested([0x32, 0x12], deepValue(10_000))),
    nested([0x12], logRecord("after")),
  ]);
  const report = decodeRequest("logs", nested([0x0a, 0x12], records), chunk, receivedAt);
  expect(report).toMatchObject({ rows: 3, rejected: 2 });
  expect(report.message).toContain("2 records refused");
  expect(rowsOf(chunk).map(({ body }) => body)).toEqual(["before", "[".repeat(64) + "]".repeat(64), "after"]);
});

test("a resource that is nested too deeply refuses its records, and no others", () => {
  const chunk = new Chunk("logs");
  const resource = nested([0x0a, 0x0a, 0x12], deepValue(70));
  const scope = nested([0x12, 0x12], logRecord("x"));
  const body = concatenate([nested([0x0a], concatenate([scope, resource])), nested([0x0a], scope)]);
  expect(decodeRequest("logs", body, chunk, receivedAt)).toMatchObject({ rows: 1, rejected: 1 });
});

test("JSON that is nested without end is refused as malformed", () => {
  const bomb = new TextEncoder().encode("[".repeat(5_000_000));
  expect(() => jsonToProtobuf("logs", bomb)).toThrow("nested deeper");
});

test("a small body that unfolds to millions of rows is refused before it fills the memory", () => {
  const records = new Uint8Array(4_000_000);
  for (let at = 0; at < records.length; at += 2) records[at] = 0x12; // an empty record each
  const chunk = new Chunk("logs");
  expect(() => decodeRequest("logs", nested([0x0a, 0x12], records), chunk, receivedAt)).toThrow(
    "too many records",
  );
  expect(chunk.rows).toBe(0);
});

test("events, links, attributes and quantiles that unfold without bound are refused too", () => {
  const tagged = (tag: number, count: number) => {
    const bytes = new Uint8Array(count * 2);
    for (let at = 0; at < bytes.length; at += 2) bytes[at] = tag;
    return bytes;
  };
  const cases: [Signal, number[], Uint8Array][] = [
    ["logs", [0x0a, 0x12, 0x12], tagged(0x32, 100_000)],
    ["logs", [0x0a, 0x0a], tagged(0x0a, 100_000)],
    ["logs", [0x0a, 0x0a], tagged(0x1a, 1_000_000)],
    ["logs", [0x0a, 0x12, 0x0a], tagged(0x1a, 100_000)],
    ["metrics", [0x0a, 0x12, 0x12], concatenate([nested([0x2a], new Uint8Array(0)), tagged(0x62, 100_000)])],
    ["spans", [0x0a, 0x12, 0x12], tagged(0x5a, 3_000_000)],
    ["spans", [0x0a, 0x12, 0x12], tagged(0x6a, 3_000_000)],
    ["metrics", [0x0a, 0x12, 0x12, 0x5a, 0x0a], tagged(0x32, 3_000_000)],
  ];
  for (const [signal, tags, payload] of cases) {
    const chunk = new Chunk(signal);
    expect(() => decodeRequest(signal, nested(tags, payload), chunk, receivedAt)).toThrow(OpenWitError);
    expect(chunk.rows).toBe(0);
  }
});

test("keys that look like renamed duplicates keep their names", () => {
  const keys = ["openwit.duplicate.1.a", "a", "openwit.duplicate.2.a", "a", "a"];
  for (const count of [5, 25]) {
    const padded = [...keys, ...Array.from({ length: count - 5 }, (_, i) => `k${i}`)];
    const entries = padded.map((key) => nested([0x32, 0x0a], new TextEncoder().encode(key)));
    const chunk = new Chunk("logs");
    decodeRequest("logs", nested([0x0a, 0x12, 0x12], concatenate(entries)), chunk, receivedAt);
    const names = (rowsOf(chunk)[0].attributes as [string, null][]).map(([key]) => key);
    expect(names.slice(0, 5)).toEqual([
      "openwit.duplicate.1.a",
      "openwit.duplicate.3.a",
      "openwit.duplicate.2.a",
      "openwit.duplicate.4.a",
      "a",
    ]);
    expect(new Set(names).size).toBe(count);
  }
});

test("messages in very many pieces take linear time", () => {
  const piece = nested([0x2a], nested([0x2a], new Uint8Array(0)));
  const pieces = concatenate(Array.from({ length: 200_000 }, () => piece));
  const chunk = new Chunk("logs");
  decodeRequest("logs", nested([0x0a, 0x12, 0x12], pieces), chunk, receivedAt);
  expect(rowsOf(chunk)[0].body).toBe("[]");
});

test("invalid UTF-8 becomes U+FFFD wherever text stands, and is counted", () => {
  const bad = Uint8Array.of(0x61, 0xff, 0x62);
  const entry = concatenate([nested([0x0a], bad), nested([0x12, 0x0a], bad)]);
  const chunk = new Chunk("logs");
  const record = concatenate([nested([0x2a, 0x0a], bad), nested([0x32], entry), nested([0x1a], bad)]);
  const body = nested([0x0a], concatenate([nested([0x0a, 0x0a], entry), nested([0x12, 0x12], record)]));
  const report = decodeRequest("logs", body, chunk, receivedAt);
  expect(report.repairedTexts).toBe(6);
  expect(rowsOf(chunk)[0]).toMatchObject({
    body: "a\ufffdb",
    severity_text: "a\ufffdb",
    attributes: [["a\ufffdb", "a\ufffdb"]],
    resource_attributes: '{"a\ufffdb":"a\ufffdb"}',
  });
});

test("a character that is cut between two values is repaired in both", () => {
  const chunk = new Chunk("logs");
  const halves = [Uint8Array.of(0x61, 0xc3), Uint8Array.of(0xa9, 0x62)];
  const records = concatenate(halves.map((half) => nested([0x12, 0x2a, 0x0a], half)));
  expect(decodeRequest("logs", nested([0x0a, 0x12], records), chunk, receivedAt).repairedTexts).toBe(2);
  expect(rowsOf(chunk).map(({ body }) => body)).toEqual(["a\ufffd", "\ufffdb"]);
});

test("keys that are one key only after repair are still no duplicate in the map", () => {
  const chunk = new Chunk("logs");
  const entries = [0xfe, 0xff].map((byte) => nested([0x32, 0x0a], Uint8Array.of(byte)));
  decodeRequest("logs", nested([0x0a, 0x12, 0x12], concatenate(entries)), chunk, receivedAt);
  expect(rowsOf(chunk)[0].attributes).toEqual([["openwit.duplicate.1.\ufffd", null], ["\ufffd", null]]);
});

test("OTLP/JSON understands enumeration names, snake_case, and integers beyond 2^53 unquoted", () => {
  const json =
    `{"resource_spans":[{"scopeSpans":[{"spans":[{"kind":"SPAN_KIND_SERVER","unknown":[1],"name":null,
    "startTimeUnixNano":1790000000123456789,"attributes":[{"key":"n","value":{"intValue":-9223372036854775808}}],
    "traceId":"ABCDEF00000000000000000000000001"}]}]}]}`;
  const chunk = new Chunk("spans");
  decodeRequest("spans", jsonToProtobuf("spans", new TextEncoder().encode(json)), chunk, receivedAt);
  expect(rowsOf(chunk)[0]).toMatchObject({
    kind: 2,
    name: "",
    start_timestamp: 1_790_000_000_123_456_789n,
    attributes: [["n", "-9223372036854775808"]],
    trace_id: "abcdef00000000000000000000000001",
  });
});

test("OTLP/JSON of a wrong type is refused with its path", () => {
  const json = '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"traceId":"xyz"}]}]}]}';
  expect(() => jsonToProtobuf("logs", new TextEncoder().encode(json)))
    .toThrow(
      'resourceLogs[0].scopeLogs[0].logRecords[0].traceId is "xyz", expected an id in hexadecimal digits',
    );
});

test("a series has one id however its attributes are ordered, and another for another value or type", () => {
  const id = (attributes: [string, unknown][]) => {
    const dataPoints = [{ attributes: attributes.map(([key, value]) => ({ key, value })) }];
    const request = {
      resourceMetrics: [{ scopeMetrics: [{ metrics: [{ name: "m", gauge: { dataPoints } }] }] }],
    };
    const chunk = new Chunk("metrics");
    decodeRequest("metrics", encodeRequest("metrics", request), chunk, receivedAt);
    return rowsOf(chunk)[0].series_id;
  };
  const a: [string, unknown] = ["a", { stringValue: "1" }],
    b: [string, unknown] = ["b", { stringValue: "2" }];
  expect(id([a, b])).toBe(id([b, a]));
  expect(
    new Set([
      id([a, b]),
      id([a]),
      id([]),
      id([["a", { intValue: 1n }]]),
      id([["a", { stringValue: "2" }], ["b", { stringValue: "1" }]]),
    ]).size,
  )
    .toBe(5);
});

function prepared(signal: Signal, seed: number): { chunk: Chunk; body: Uint8Array } {
  const chunk = new Chunk(signal);
  const body = encodeRequest(signal, generateRequest(signal, seededRandom(seed), 0.45));
  decodeRequest(
    signal,
    encodeRequest(signal, generateRequest(signal, seededRandom(seed + 1), 0.6)),
    chunk,
    receivedAt,
  );
  return { chunk, body };
}

/** Decodes, and checks the chunk against what it was. */
function attempt(signal: Signal, body: Uint8Array, chunk: Chunk): void {
  const rows = chunk.rows;
  const before = chunk.vectors.map(lengths);
  try {
    const report = decodeRequest(signal, body, chunk, receivedAt);
    for (const vector of chunk.vectors) expect(vector.length).toBe(rows + report.rows);
    rowsOf(chunk).slice(rows);
    chunk.truncate(rows);
  } catch (error) {
    if (!(error instanceof OpenWitError) || error.code === "internal") throw error;
    expect(chunk.rows).toBe(rows);
    expect(chunk.vectors.map(lengths)).toEqual(before);
  }
}

function attemptJson(signal: Signal, body: Uint8Array, chunk: Chunk): void {
  let protobuf: Uint8Array;
  try {
    protobuf = jsonToProtobuf(signal, body);
  } catch (error) {
    if (!(error instanceof OpenWitError) || error.code !== "malformed") throw error;
    return;
  }
  decodeRequest(signal, protobuf, chunk, receivedAt); // what we wrote ourselves decodes
  chunk.truncate(0);
}

/** Lengths of a vector and all within it, dictionary values included. */
function lengths(vector: Vector): unknown {
  switch (vector.kind) {
    case "dictionary":
      return [vector.length, vector.values.length];
    case "map":
      return [vector.length, lengths(vector.keys), lengths(vector.values)];
    case "list":
      return [vector.length, lengths(vector.child)];
    case "struct":
      return [vector.length, vector.children.map(lengths)];
    case "fixed":
    case "utf8":
      return [vector.length, vector.validity.nullCount];
  }
}

/** The payload inside length-delimited fields of these tags, the first outermost. */
function nested(tags: readonly number[], payload: Uint8Array): Uint8Array {
  return tags.toReversed().reduce((inner, tag) => {
    const writer = new WireWriter();
    writer.varint(tag);
    writer.varint(inner.length);
    writer.raw(inner);
    return writer.bytes.slice(0, writer.length);
  }, payload);
}

function logRecord(body: string): Uint8Array {
  return nested([0x2a, 0x0a], new TextEncoder().encode(body));
}

/** An AnyValue of this many arrays, one in another. */
function deepValue(depth: number): Uint8Array {
  let value: Uint8Array = nested([0x2a], new Uint8Array(0));
  for (let level = 1; level < depth; level++) value = nested([0x2a, 0x0a], value);
  return value;
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const writer = new WireWriter();
  for (const part of parts) writer.raw(part);
  return writer.bytes.slice(0, writer.length);
}
