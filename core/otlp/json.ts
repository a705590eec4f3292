/**
 * OTLP/JSON to the protobuf bytes of the same request, so that there is one decoder.
 *
 * Spec: OTLP 1.11, "JSON Protobuf Encoding": ids in hexadecimal, 64-bit integers as text or number, enumerations
 * as integers, lowerCamelCase names, unknown fields ignored. Beyond it: enumeration names and snake_case field
 * names are understood, because data would be lost without a word if they were not; a null is a field not sent.
 *
 * Invariants: an integer arrives exactly also when it is a JSON number beyond 2^53; whatever is malformed throws
 * `malformed` with the path of the field; nesting is bounded before anything recurses.
 */
import { OpenWitError } from "../error.ts";
import type { Signal } from "../model/columns.ts";
import { enumNumbers, type Field, type MessageName, messages, type ScalarType } from "./json_schema.ts";
import { WireWriter } from "./wire_writer.ts";

/** Deeper than the values that decoding accepts, each of which takes four brackets in JSON. */
const bracketsMax = 512;

const requests: Readonly<Record<Signal, MessageName>> = {
  logs: "ExportLogsServiceRequest",
  spans: "ExportTraceServiceRequest",
  metrics: "ExportMetricsServiceRequest",
};

/**
 * @param body UTF-8 JSON text of an Export…ServiceRequest; invalid UTF-8 becomes U+FFFD.
 * @returns the same request as protobuf.
 * @throws OpenWitError `malformed`
 */
export function jsonToProtobuf(signal: Signal, body: Uint8Array): Uint8Array {
  refuseDepth(body);
  const request = parseExactly(new TextDecoder().decode(body));
  const writer = new JsonTranscoder();
  writer.message(requests[signal], request);
  return writer.wire.bytes.subarray(0, writer.wire.length);
}

/** Integers beyond 2^53 as bigint, everything else as JSON.parse gives it. */
function parseExactly(text: string): unknown {
  try {
    // The reviver is called for every value and is slow, and almost no sender writes such numbers unquoted.
    if (!/[:[,]\s*-?\d{16}/.test(text)) return JSON.parse(text);
    const revive = (_key: string, value: unknown, context: { source?: string }): unknown =>
      typeof value === "number" && !Number.isSafeInteger(value) && /^-?\d+$/.test(context.source!)
        ? BigInt(context.source!)
        : value;
    return JSON.parse(text, revive as (key: string, value: unknown) => unknown);
  } catch (cause) {
    throw malformed(`it is not JSON: ${cause instanceof Error ? cause.message : cause}`, cause);
  }
}

/** Nesting is counted in the bytes: parsers recurse, or build the nest before anyone can look at it. */
function refuseDepth(body: Uint8Array): void {
  let depth = 0;
  let inText = false;
  for (let at = 0; at < body.length; at++) {
    const byte = body[at];
    if (inText) {
      if (byte === 0x5c) at++;
      else if (byte === 0x22) inText = false;
    } else if (byte === 0x22) inText = true;
    else if (byte === 0x5b || byte === 0x7b) {
      if (++depth > bracketsMax) {
        throw malformed(`it is nested deeper than ${bracketsMax} brackets at byte ${at}`);
      }
    } else if (byte === 0x5d || byte === 0x7d) depth--;
  }
}

class JsonTranscoder {
  readonly wire = new WireWriter();
  readonly #path: (string | number)[] = [];

  /** Writes the fields of a message. */
  message(name: MessageName, value: unknown): void {
    if (typeof value !== "object" || value === null || Array.isArray(value)) this.#fail("an object", value);
    const fields = messages.get(name)!;
    for (const key of Object.keys(value)) {
      const field = fields.get(key);
      const inner = (value as Record<string, unknown>)[key];
      if (field === undefined || inner === null) continue;
      this.#path.push(key);
      if (!field.repeated) this.#field(field, inner);
      else {
        if (!Array.isArray(inner)) this.#fail("an array", inner);
        for (let i = 0; i < inner.length; i++) {
          this.#path.push(i);
          this.#field(field, inner[i]);
          this.#path.pop();
        }
      }
      this.#path.pop();
    }
  }

  #field({ number, type }: Field, value: unknown): void {
    const { wire } = this;
    if (messages.has(type as MessageName)) {
      wire.tag(number, 2);
      const begin = wire.begin();
      // A null in an array is an empty message, as for a field: arrays keep their positions.
      if (value !== null) this.message(type as MessageName, value);
      return wire.end(begin);
    }
    switch (type as ScalarType) {
      case "string": {
        if (typeof value !== "string") this.#fail("text", value);
        wire.tag(number, 2);
        const begin = wire.begin();
        wire.text(value);
        return wire.end(begin);
      }
      case "bytes":
      case "id": {
        const bytes = type === "id" ? this.#hex(value) : this.#base64(value);
        wire.tag(number, 2);
        const begin = wire.begin();
        wire.raw(bytes);
        return wire.end(begin);
      }
      case "bool":
        if (typeof value !== "boolean") this.#fail("true or false", value);
        wire.tag(number, 0);
        return wire.varint(value ? 1 : 0);
      case "double":
        wire.tag(number, 1);
        return wire.double(this.#double(value));
      case "enum": {
        const named = typeof value === "string" ? enumNumbers.get(value) : undefined;
        wire.tag(number, 0);
        return wire.varint64(named === undefined ? this.#integer(value, "int32") : BigInt(named));
      }
      case "int32":
      case "int64":
      case "uint32":
      case "uint64":
        wire.tag(number, 0);
        return wire.varint64(this.#integer(value, type as keyof typeof ranges));
      case "sint32": {
        const integer = Number(this.#integer(value, "int32"));
        wire.tag(number, 0);
        return wire.varint(integer << 1 ^ integer >> 31);
      }
      case "fixed32":
        wire.tag(number, 5);
        return wire.fixed32(Number(this.#integer(value, "uint32")));
      case "fixed64":
        wire.tag(number, 1);
        return wire.fixed64(this.#integer(value, "uint64"));
      case "sfixed64":
        wire.tag(number, 1);
        return wire.fixed64(this.#integer(value, "int64"));
    }
  }

  #integer(value: unknown, range: keyof typeof ranges): bigint {
    const [least, greatest] = ranges[range];
    let integer: bigint | undefined;
    if (typeof value === "bigint") integer = value;
    else if (typeof value === "number" && Number.isInteger(value)) integer = BigInt(value);
    else if (typeof value === "string" && /^-?\d{1,20}$/.test(value)) integer = BigInt(value);
    else if (typeof value === "string" && value !== "" && Number.isSafeInteger(Number(value))) {
      integer = BigInt(Number(value)); // "1e3" and "1.0" are integers to protobuf's JSON
    }
    if (integer === undefined || integer < least || integer > greatest) {
      this.#fail(`an integer from ${least} to ${greatest}`, value);
    }
    return integer;
  }

  #double(value: unknown): number {
    if (typeof value === "number") return value;
    if (typeof value === "bigint") return Number(value);
    if (value === "NaN") return NaN;
    if (typeof value === "string" && value.trim() !== "" && !Number.isNaN(Number(value))) {
      return Number(value);
    }
    return this.#fail('a number, "NaN", "Infinity" or "-Infinity"', value);
  }

  #hex(value: unknown): Uint8Array {
    if (typeof value !== "string" || !/^([0-9a-fA-F]{2})*$/.test(value)) {
      this.#fail("an id in hexadecimal digits", value);
    }
    const bytes = new Uint8Array(value.length / 2);
    for (let i = 0; i < bytes.length; i++) bytes[i] = parseInt(value.slice(i * 2, i * 2 + 2), 16);
    return bytes;
  }

  #base64(value: unknown): Uint8Array {
    if (typeof value === "string" && /^[A-Za-z0-9+/_-]*={0,2}$/.test(value)) {
      const standard = value.replaceAll("-", "+").replaceAll("_", "/").replace(/=+$/, "");
      if (standard.length % 4 !== 1) {
        return Uint8Array.from(atob(standard), (character) => character.charCodeAt(0));
      }
    }
    return this.#fail("base64", value);
  }

  #fail(expected: string, found: unknown): never {
    const path = this.#path.map((part, i) =>
      typeof part === "number" ? `[${part}]` : i === 0 ? part : `.${part}`
    )
      .join("");
    const shown = typeof found === "bigint" ? String(found) : JSON.stringify(found) ?? String(found);
    throw malformed(`${path || "the request"} is ${shown.slice(0, 60)}, expected ${expected}`);
  }
}

const ranges = {
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  uint32: [0n, 2n ** 32n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
} as const;

function malformed(what: string, cause?: unknown): OpenWitError {
  return new OpenWitError("malformed", `cannot decode the OTLP/JSON request: ${what}`, {
    hint: "send an Export…ServiceRequest as the OTLP specification's JSON encoding has it",
    cause,
  });
}
