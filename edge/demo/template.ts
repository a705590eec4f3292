/**
 * Text and attributes with holes, compiled once: the fixed bytes are laid out in advance, and a record only
 * copies them and fills the holes from a `Scene`.
 *
 * Of opentelemetry-proto 1.11: common.v1.AnyValue and KeyValue.
 */
import { Buffer } from "node:buffer";
import { ProtobufWriter, wireBytes } from "./encode.ts";
import { type Scene, type Slot, slotOf, slotScope } from "./scene.ts";

/** Text such as `order {order} placed by {user}`. */
export interface TextTemplate {
  /** One more than `slots`: what stands before, between and after the holes. */
  readonly literals: readonly Uint8Array[];
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
  return { literals, slots };
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

export function writeText(writer: ProtobufWriter, text: TextTemplate, scene: Scene): void {
  const { literals, slots } = text;
  if (literals[0].length > 0) writer.raw(literals[0]);
  for (let at = 0; at < slots.length; at++) {
    const start = scene.starts[slots[at]];
    writer.rawShort(scene.text, start, start + scene.lengths[slots[at]]);
    if (literals[at + 1].length > 0) writer.raw(literals[at + 1]);
  }
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
    writer.tag(field, wireBytes);
    const pair = writer.begin(1);
    writer.raw(attribute.head);
    const value = writer.begin(1);
    writeValue(writer, attribute, scene);
    writer.end(value, 1);
    writer.end(pair, 1);
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

function writeValue(writer: ProtobufWriter, attribute: VaryingAttribute, scene: Scene): void {
  switch (attribute.type) {
    case "text": {
      writer.tag(1, wireBytes);
      const text = writer.begin(1);
      writeText(writer, attribute.text, scene);
      return writer.end(text, 1);
    }
    case "int":
      return writer.varintField(3, scene.numbers[attribute.text.slots[0]]);
    case "double":
      return writer.doubleField(4, scene.numbers[attribute.text.slots[0]]);
    case "bool":
      return writer.boolField(2, scene.numbers[attribute.text.slots[0]] !== 0);
  }
}
