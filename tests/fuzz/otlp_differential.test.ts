/** Our reader against protobufjs: the rows of generated requests, field by field, in every form of the wire. */
import { expect, test } from "bun:test";
import protobuf from "protobufjs";
import { type Random, randomBelow, seededRandom } from "../../core/env/random.ts";
import { Chunk } from "../../core/model/chunk.ts";
import { type Signal, signals } from "../../core/model/columns.ts";
import { decodeRequest } from "../../core/otlp/decode.ts";
import { jsonToProtobuf } from "../../core/otlp/json.ts";
import { messages } from "../../core/otlp/json_schema.ts";
import { expectedRows, rowsOf } from "./otlp_expected.ts";
import { encodeRequest, generateRequest, requestType, root, toOtlpJson } from "./otlp_messages.ts";
import { rewrite } from "./otlp_rewrite.ts";

const receivedAt = 1_800_000_000_123_456_789n;
const seeds = 150;

for (const signal of signals) {
  test(`${signal}: every generated field arrives in its column`, () => {
    eachMessage(signal, (seed, _random, message) => {
      expectRows(signal, seed, message, encodeRequest(signal, message));
    });
  });

  test(`${signal}: fields in any order, in pieces, unpacked, and among unknown ones, are the same rows`, () => {
    eachMessage(signal, (seed, random, message) => {
      expectRows(signal, seed, message, rewrite(requestType(signal), encodeRequest(signal, message), random));
    });
  });

  test(`${signal}: OTLP/JSON is the same rows`, () => {
    eachMessage(signal, (seed, random, message) => {
      const json = JSON.stringify(toOtlpJson(requestType(signal), message, random));
      expectRows(signal, seed, message, jsonToProtobuf(signal, new TextEncoder().encode(json)));
    });
  });

  test(`${signal}: requests fill a chunk one after another`, () => {
    const chunk = new Chunk(signal);
    const rows: unknown[] = [];
    for (let seed = 1; seed <= 20; seed++) {
      const message = generateRequest(signal, seededRandom(seed), 0.7);
      decodeRequest(signal, encodeRequest(signal, message), chunk, receivedAt);
      rows.push(...expectedRows(signal, message, receivedAt));
    }
    expect(rowsOf(chunk)).toEqual(rows as never);
  });
}

test("the JSON schema has every field of the proto, with its number and type", () => {
  for (const [name, fields] of messages) {
    const type = root.lookupType(name);
    const numbers = new Set([...fields.values()].map(({ number }) => number));
    expect([name, [...numbers].sort((a, b) => a - b)]).toEqual([
      name,
      type.fieldsArray.map(({ id }) => id).sort((a, b) => a - b),
    ]);
    for (const field of type.fieldsArray) {
      const ours = fields.get(field.name)!;
      const isId = /^(trace|span|parentSpan)Id$/.test(field.name);
      const isEnum = field.resolvedType instanceof protobuf.Enum;
      expect({ name: field.name, ...ours }).toEqual({
        name: field.name,
        number: field.id,
        repeated: field.repeated,
        type: (isId ? "id" : isEnum ? "enum" : field.resolvedType?.name ?? field.type) as never,
      });
    }
  }
});

function eachMessage(
  signal: Signal,
  check: (seed: number, random: Random, message: ReturnType<typeof generateRequest>) => void,
): void {
  for (let seed = 1; seed <= seeds; seed++) {
    const random = seededRandom(seed);
    check(seed, random, generateRequest(signal, random, [0.3, 0.6, 0.8, 1][randomBelow(random, 4)]));
  }
}

function expectRows(
  signal: Signal,
  seed: number,
  message: ReturnType<typeof generateRequest>,
  body: Uint8Array,
): void {
  const chunk = new Chunk(signal);
  const report = decodeRequest(signal, body, chunk, receivedAt);
  const expected = expectedRows(signal, message, receivedAt);
  expect({ seed, rows: rowsOf(chunk) }).toEqual({ seed, rows: expected });
  expect(report).toMatchObject({ rows: expected.length, rejected: 0, message: "", repairedTexts: 0 });
}
