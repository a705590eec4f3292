/**
 * Text and attributes with holes, compiled once: the fixed bytes are laid out in advance, and a record only
 * copies them and fills the holes from a `Scene`.
 *
 * Of opentelemetry-proto 1.11: common.v1.AnyValue and KeyValue.
 */
import { Buffer } from "node:buffer";
import { ProtobufWriter, varintBytes, wireBytes } from "./encode.ts";
import { type Scene, type Slot, slotOf, slotScope } from "./scene.ts";

/** Text such as `order {order} placed by {user}`. */
export interface TextTemplate {
  /** One more than `slots`: what stands before, between and after the holes. */
  readonly literals: readonly Uint8Array[];
  readonly literalBytes: number;
  readonly slots: readonly Slot[];
}

/**
 * A value of an attribute as flows write it: text with holes, a typed hole such as `{status:int}`
 * (int, double or bool), or a constant. A whole number is an int; an array holds strings or whole numbers.
 */
export type AttributeSpec = string | number | boolean | readonly string[] | readonly number[];

export type AttributesSpec = Readonly<Record<string, AttributeSpec>>;

/** Attributes of one record; write them with `writeAttributes`. */
export interface AttributesTemplate {
  /** The constant ones, encoded, tags included. */
  readonly fixed: Uint8Array;
  readonly varying: readonly VaryingAttribute[];
  readonly count: number;
  /** Holes that change from record to record. */
  readonly recordSlots: readonly Slot[];
}

interface VaryingAttribute {
  /** KeyValue up to the length of its value: tag and text of the key, tag of the value. */
  readonly head: Uint8Array;
  readonly type: "text" | "int" | "double" | "bool";
  readonly text: TextTemplate;
}

export function compileText(source: string): TextTemplate {
  const literals: Uint8Array[] = [];
  const slots: Slot[] = [];
  let at = 0;
  for (const hole of source.matchAll(/\{([a-z0-9_]+)\}/g)) {
    literals.push(Buffer.from(source.slice(at, hole.index)));
    slots.push(slotOf(hole[1]));
    at = hole.index + hole[0].length;
  }
  literals.push(Buffer.from(source.slice(at)));
  return { literals, slots, literalBytes: literals.reduce((sum, part) => sum + part.length, 0) };
}

/** @param field number of the repeated KeyValue in the message that will hold them. */
export function compileAttributes(field: number, spec: AttributesSpec): AttributesTemplate {
  const fixed = new ProtobufWriter();
  const varying: VaryingAttribute[] = [];
  for (const [key, value] of Object.entries(spec)) {
    if (typeof value === "string" && value.includes("{")) varying.push(compileVarying(key, value));
    else writeConstant(fixed, field, key, value);
  }
  return {
    fixed: fixed.take(),
    varying,
    count: Object.keys(spec).length,
    recordSlots: recordSlots(varying.flatMap(({ text }) => text.slots)),
  };
}

/** Those of the holes that are filled anew for each record. */
export function recordSlots(slots: readonly Slot[]): Slot[] {
  return [...new Set(slots)].filter((slot) => slotScope(slot) === "record");
}

export function textBytes(text: TextTemplate, scene: Scene): number {
  let sum = text.literalBytes;
  for (let at = 0; at < text.slots.length; at++) sum += scene.lengths[text.slots[at]];
  return sum;
}

export function writeText(writer: ProtobufWriter, text: TextTemplate, scene: Scene): void {
  const { literals, slots } = text;
  if (literals[0].length > 0) writer.raw(literals[0]);
  for (let at = 0; at < slots.length; at++) {
    const start = scene.starts[slots[at]];
    writer.rawShort(scene.text, start, start + scene.lengths[slots[at]]);
    if (literals[at + 1].length > 0) writer.raw(literals[at + 1]);
  }
}

/** Bytes that `writeAttributes` will write for a field number below 16. */
export function attributesBytes(attributes: AttributesTemplate, scene: Scene): number {
  let sum = attributes.fixed.length;
  const { varying } = attributes;
  for (let at = 0; at < varying.length; at++) {
    const pair = pairBytes(varying[at], valueBytes(varying[at], scene));
    sum += 1 + varintBytes(pair) + pair;
  }
  return sum;
}

export function writeAttributes(
  writer: ProtobufWriter,
  field: number,
  attributes: AttributesTemplate,
  scene: Scene,
): void {
  if (attributes.fixed.length > 0) writer.raw(attributes.fixed);
  const { varying } = attributes;
  for (let at = 0; at < varying.length; at++) {
    const attribute = varying[at];
    const value = valueBytes(attribute, scene);
    writer.tag(field, wireBytes);
    writer.varint(pairBytes(attribute, value));
    writer.raw(attribute.head);
    writer.varint(value);
    writeValue(writer, attribute, value, scene);
  }
}

/** A KeyValue with a constant value. */
export function writeConstant(
  writer: ProtobufWriter,
  field: number,
  key: string,
  value: AttributeSpec,
): void {
  const pair = writer.open(field);
  writer.stringField(1, key);
  const any = writer.open(2);
  writeConstantValue(writer, value);
  writer.close(any);
  writer.close(pair);
}

function writeConstantValue(writer: ProtobufWriter, value: AttributeSpec): void {
  if (typeof value === "string") writer.stringField(1, value);
  else if (typeof value === "boolean") writer.boolField(2, value);
  else if (typeof value === "number") {
    if (Number.isInteger(value)) writer.int64Field(3, value);
    else writer.doubleField(4, value);
  } else {
    const array = writer.open(5);
    for (const element of value) {
      const any = writer.open(1);
      writeConstantValue(writer, element);
      writer.close(any);
    }
    writer.close(array);
  }
}

function compileVarying(key: string, value: string): VaryingAttribute {
  const head = new ProtobufWriter(64);
  head.stringField(1, key);
  head.tag(2, wireBytes);
  const typed = /^\{([a-z0-9_]+):(int|double|bool)\}$/.exec(value);
  const type = (typed?.[2] ?? "text") as VaryingAttribute["type"];
  return { head: head.take(), type, text: compileText(typed === null ? value : `{${typed[1]}}`) };
}

function pairBytes(attribute: VaryingAttribute, value: number): number {
  return attribute.head.length + varintBytes(value) + value;
}

function valueBytes(attribute: VaryingAttribute, scene: Scene): number {
  switch (attribute.type) {
    case "text": {
      const count = textBytes(attribute.text, scene);
      return 1 + varintBytes(count) + count;
    }
    case "int":
      return 1 + varintBytes(scene.numbers[attribute.text.slots[0]]);
    case "double":
      return 9;
    case "bool":
      return 2;
  }
}

/** @param value what `valueBytes` said of it. */
function writeValue(writer: ProtobufWriter, attribute: VaryingAttribute, value: number, scene: Scene): void {
  switch (attribute.type) {
    case "text":
      writer.tag(1, wireBytes);
      writer.varint(value < 130 ? value - 2 : textBytes(attribute.text, scene)); // below 130 the length took a byte
      return writeText(writer, attribute.text, scene);
    case "int":
      return writer.varintField(3, scene.numbers[attribute.text.slots[0]]);
    case "double":
      return writer.doubleField(4, scene.numbers[attribute.text.slots[0]]);
    case "bool":
      return writer.boolField(2, scene.numbers[attribute.text.slots[0]] !== 0);
  }
}
