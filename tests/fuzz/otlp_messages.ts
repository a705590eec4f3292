/**
 * Seeded OTLP requests with every field of every message, as plain objects: 64-bit integers are bigints, bytes
 * Uint8Arrays, names lowerCamelCase. Encoded by protobufjs from otlp.proto, so that nothing of our own reader
 * is on the writing side.
 */
import protobuf from "protobufjs";
import { readFileSync } from "node:fs";
import { type Random, randomBelow, randomUnit } from "../../core/env/random.ts";
import type { Signal } from "../../core/model/columns.ts";

// deno-lint-ignore no-explicit-any -- messages are made by reflection
export type Message = Record<string, any>;

export const root = protobuf.parse(readFileSync(`${import.meta.dirname}/otlp.proto`, "utf8")).root;
root.resolveAll();

export function requestType(signal: Signal): protobuf.Type {
  const name = { logs: "Logs", spans: "Trace", metrics: "Metrics" }[signal];
  return root.lookupType(`otlp.Export${name}ServiceRequest`);
}

/** A random request. @param density the share of fields that are set, 0 to 1. */
export function generateRequest(signal: Signal, random: Random, density: number): Message {
  return generate(requestType(signal), random, density, 0);
}

export function encodeRequest(signal: Signal, message: Message): Uint8Array {
  return requestType(signal).encode(withLongs(message) as Message).finish();
}

/** The OTLP/JSON form: ids in hex, 64-bit integers as text, bytes as base64. */
export function toOtlpJson(type: protobuf.Type, message: Message, random: Random): Message {
  const json: Message = {};
  for (const [key, value] of Object.entries(message)) {
    const field = type.fields[key];
    const one = (item: unknown): unknown => {
      if (field.resolvedType instanceof protobuf.Type) {
        return toOtlpJson(field.resolvedType, item as Message, random);
      }
      // JSON.rawJSON writes a number that no double can hold.
      if (typeof item === "bigint") {
        return randomBelow(random, 2) === 0
          ? String(item)
          // deno-lint-ignore no-explicit-any -- newer than the type library
          : (JSON as any).rawJSON(String(item));
      }
      if (item instanceof Uint8Array) {
        return /^(trace|span|parentSpan)Id$/.test(key) ? item.toHex() : item.toBase64();
      }
      if (typeof item === "number" && (!Number.isFinite(item) || Object.is(item, -0))) {
        return Object.is(item, -0) ? "-0" : String(item);
      }
      return item;
    };
    json[key] = Array.isArray(value) ? value.map(one) : one(value);
  }
  return json;
}

const texts = [
  "",
  "a",
  "service.name",
  "checkout",
  "$x",
  "$double",
  "日本語",
  "\u{1f600} ok",
  '"quoted"\\\n',
  "\ufeffbom",
];
const doubles = [0, -0, 1, 0.1, -1.5e300, 5e-324, NaN, Infinity, -Infinity, 2 ** 53, 1e21, 123456789.125];
const words = [0n, 1n, 127n, 128n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 53n + 1n, 2n ** 63n - 1n];

function generate(type: protobuf.Type, random: Random, density: number, depth: number): Message {
  const message: Message = {};
  const chosen = new Map<protobuf.OneOf, string>();
  for (const oneof of type.oneofsArray) {
    if (oneof.fieldsArray.length > 1 && randomUnit(random) < 0.5 + density / 2) {
      chosen.set(oneof, pick(random, oneof.fieldsArray).name);
    }
  }
  for (const field of type.fieldsArray) {
    const oneof = field.partOf;
    if (oneof !== null && oneof.fieldsArray.length > 1) {
      if (chosen.get(oneof) !== field.name) continue;
    } else if (randomUnit(random) > density) continue;
    // Now and then more attributes than are compared pairwise, with keys that occur twice among them.
    const isMany = field.name === "attributes" && randomBelow(random, 16) === 0;
    const count = field.repeated ? 1 + randomBelow(random, isMany ? 40 : 4) : 1;
    const values = Array.from({ length: count }, () => generateValue(type, field, random, density, depth));
    message[field.name] = field.repeated ? values : values[0];
  }
  return message;
}

function generateValue(
  type: protobuf.Type,
  field: protobuf.Field,
  random: Random,
  density: number,
  depth: number,
): unknown {
  if (field.resolvedType instanceof protobuf.Type) {
    const isNested = type.name === "AnyValue";
    return generate(
      field.resolvedType,
      random,
      isNested && depth > 3 ? 0 : density,
      depth + (isNested ? 1 : 0),
    );
  }
  if (field.resolvedType instanceof protobuf.Enum) {
    return pick(random, Object.values(field.resolvedType.values));
  }
  switch (field.type) {
    case "string":
      return randomBelow(random, 3) > 0
        ? pick(random, texts)
        : "k".repeat(randomBelow(random, 200)) + randomBelow(random, 1000);
    case "bytes":
      return generateBytes(field.name, random);
    case "bool":
      return randomBelow(random, 2) === 1;
    case "double":
      return randomBelow(random, 2) === 0 ? pick(random, doubles) : (randomUnit(random) - 0.5) * 1e6;
    case "int32":
    case "sint32":
      return pick(random, [0, 1, -1, 5, 300, -(2 ** 31), 2 ** 31 - 1]);
    case "uint32":
    case "fixed32":
      return pick(random, [0, 1, 127, 128, 257, 2 ** 31, 2 ** 32 - 1]);
    case "int64":
    case "sfixed64": {
      const word = pick(random, words);
      return randomBelow(random, 2) === 0 ? word : -word - 1n;
    }
    default: // fixed64, uint64: mostly a believable time
      return randomBelow(random, 3) > 0
        ? 1_790_000_000_000_000_000n + BigInt(random.uint32())
        : pick(random, [...words, 2n ** 63n, 2n ** 64n - 1n]);
  }
}

function generateBytes(name: string, random: Random): Uint8Array {
  const length = name === "traceId" ? 16 : /Id$/.test(name) ? 8 : randomBelow(random, 40);
  return Uint8Array.from(
    { length: randomBelow(random, 8) === 0 ? randomBelow(random, 4) : length },
    () => randomBelow(random, 256),
  );
}

export function pick<T>(random: Random, values: readonly T[]): T {
  return values[randomBelow(random, values.length)];
}

/** protobufjs takes 64-bit integers as two words. */
function withLongs(value: unknown): unknown {
  if (typeof value === "bigint") {
    return {
      low: Number(BigInt.asIntN(32, value)),
      high: Number(BigInt.asIntN(32, value >> 32n)),
      unsigned: value >= 0n,
    };
  }
  if (Array.isArray(value)) return value.map(withLongs);
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withLongs(inner)]));
}
