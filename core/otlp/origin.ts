/**
 * Resource and InstrumentationScope to the origin columns, which have one value for a whole run of rows.
 *
 * Attributes become the typed JSON of model/value.ts with keys sorted (by UTF-16 code units), so that one
 * resource has one text however its attributes were ordered. Duplicate keys are renamed as in attributes.ts.
 */
import { isUtf8 } from "node:buffer";
import type { Chunk } from "../model/chunk.ts";
import { columnIndex } from "../model/columns.ts";
import type { DictionaryVector, FixedVector } from "../model/vector.ts";
import type { AnyValueReader } from "./any_value.ts";
import { TextWriter } from "./text_writer.ts";
import { attributesMax, elementWeight, refuseAttributes, type Weight } from "./weight.ts";
import type { Wire } from "./wire.ts";

const textDecoder = new TextDecoder("utf-8", { ignoreBOM: true });
const textEncoder = new TextEncoder();

export class OriginReader {
  readonly #wire: Wire;
  readonly #values: AnyValueReader;
  readonly #serviceName: DictionaryVector;
  readonly #scopeName: DictionaryVector;
  readonly #scopeVersion: DictionaryVector;
  readonly #resourceAttributes: DictionaryVector;
  readonly #scopeAttributes: DictionaryVector;
  readonly #resourceDropped: FixedVector;
  readonly #scopeDropped: FixedVector;
  readonly #resourceSchemaUrl: DictionaryVector;
  readonly #scopeSchemaUrl: DictionaryVector;
  readonly #entityRefs: DictionaryVector;

  /** The current resource and scope, as dictionary codes and counts. */
  #resource = { serviceName: 0, attributes: 0, dropped: 0, schemaUrl: 0, entityRefs: 0 };
  #scope = { name: 0, version: 0, attributes: 0, dropped: 0, schemaUrl: 0 };
  /** A value of the resource or the scope is deeper than the limit, which refuses its records. */
  resourceTooDeep = false;
  scopeTooDeep = false;
  /** Keys that were not valid UTF-8. */
  repairs = 0;

  constructor(chunk: Chunk, values: AnyValueReader, readonly weight: Weight) {
    const dictionary = (name: string) => chunk.vectors[columnIndex(chunk.signal, name)] as DictionaryVector;
    const fixed = (name: string) => chunk.vectors[columnIndex(chunk.signal, name)] as FixedVector;
    this.#wire = values.wire;
    this.#values = values;
    this.#serviceName = dictionary("service_name");
    this.#scopeName = dictionary("scope_name");
    this.#scopeVersion = dictionary("scope_version");
    this.#resourceAttributes = dictionary("resource_attributes");
    this.#scopeAttributes = dictionary("scope_attributes");
    this.#resourceDropped = fixed("resource_dropped_attributes_count");
    this.#scopeDropped = fixed("scope_dropped_attributes_count");
    this.#resourceSchemaUrl = dictionary("resource_schema_url");
    this.#scopeSchemaUrl = dictionary("scope_schema_url");
    this.#entityRefs = dictionary("resource_entity_refs");
  }

  /** Bytes of the current texts, over which a series is hashed: dictionary and code, three times. */
  get identity(): readonly (readonly [DictionaryVector, number])[] {
    return [
      [this.#resourceAttributes, this.#resource.attributes],
      [this.#scopeName, this.#scope.name],
      [this.#scopeVersion, this.#scope.version],
    ];
  }

  /** Pushes the current origin for `count` rows. */
  push(count: number): void {
    const resource = this.#resource, scope = this.#scope;
    this.#serviceName.pushCodes(resource.serviceName, count);
    this.#scopeName.pushCodes(scope.name, count);
    this.#scopeVersion.pushCodes(scope.version, count);
    this.#resourceAttributes.pushCodes(resource.attributes, count);
    this.#scopeAttributes.pushCodes(scope.attributes, count);
    this.#resourceSchemaUrl.pushCodes(resource.schemaUrl, count);
    this.#scopeSchemaUrl.pushCodes(scope.schemaUrl, count);
    this.#entityRefs.pushCodes(resource.entityRefs, count);
    for (let i = 0; i < count; i++) {
      this.#resourceDropped.pushInt(resource.dropped);
      this.#scopeDropped.pushInt(scope.dropped);
    }
  }

  /** Reads a Resource; its schema URL stands beside it, in ResourceLogs and its like. */
  readResource(start: number, end: number, schemaFrom: number, schemaTo: number): void {
    const wire = this.#wire;
    this.#values.tooDeep = false;
    const entries: Entry[] = [];
    const references = new TextWriter();
    let dropped = 0;
    for (let at = start; at < end;) {
      const tag = wire.longTag(at, end);
      at = wire.at;
      if (tag === 0x0a) {
        at = wire.delimited(at, end);
        this.#addEntry(entries, wire.at, at);
      } else if (tag === 0x10) {
        dropped = wire.varint(at, end);
        at = wire.at;
      } else if (tag === 0x1a) {
        at = wire.delimited(at, end);
        this.weight.add(elementWeight);
        references.byte(references.length === 0 ? 0x5b : 0x2c);
        this.#writeEntityRef(references, wire.at, at);
      } else at = wire.skip(tag, at, end);
    }
    if (references.length > 0) references.byte(0x5d);
    const service = entries.findLast((entry) => entry.key === "service.name");
    this.#resource = {
      serviceName: this.#serviceCode(service),
      attributes: this.#attributesCode(this.#resourceAttributes, entries),
      dropped,
      schemaUrl: this.#resourceSchemaUrl.codeOf(wire.bytes, schemaFrom, schemaTo),
      entityRefs: this.#entityRefs.codeOf(references.bytes, 0, references.length),
    };
    this.resourceTooDeep = this.#values.tooDeep;
    wire.release();
  }

  /** Reads an InstrumentationScope; its schema URL stands beside it, in ScopeLogs and its like. */
  readScope(start: number, end: number, schemaFrom: number, schemaTo: number): void {
    const wire = this.#wire;
    this.#values.tooDeep = false;
    const entries: Entry[] = [];
    let dropped = 0, nameFrom = 0, nameTo = 0, versionFrom = 0, versionTo = 0;
    for (let at = start; at < end;) {
      const tag = wire.longTag(at, end);
      at = wire.at;
      if (tag === 0x0a) {
        nameTo = at = wire.delimited(at, end);
        nameFrom = wire.at;
      } else if (tag === 0x12) {
        versionTo = at = wire.delimited(at, end);
        versionFrom = wire.at;
      } else if (tag === 0x1a) {
        at = wire.delimited(at, end);
        this.#addEntry(entries, wire.at, at);
      } else if (tag === 0x20) {
        dropped = wire.varint(at, end);
        at = wire.at;
      } else at = wire.skip(tag, at, end);
    }
    this.#scope = {
      name: this.#scopeName.codeOf(wire.bytes, nameFrom, nameTo),
      version: this.#scopeVersion.codeOf(wire.bytes, versionFrom, versionTo),
      attributes: this.#attributesCode(this.#scopeAttributes, entries),
      dropped,
      schemaUrl: this.#scopeSchemaUrl.codeOf(wire.bytes, schemaFrom, schemaTo),
    };
    this.scopeTooDeep = this.#values.tooDeep;
    wire.release();
  }

  /** The code of the typed JSON text of repeated KeyValue; of empty text when there are none. */
  attributesCode(target: DictionaryVector, ranges: readonly (readonly [number, number])[]): number {
    if (ranges.length === 0) return target.codeOf(new Uint8Array(0), 0, 0);
    const entries: Entry[] = [];
    for (const [start, end] of ranges) this.#addEntry(entries, start, end);
    return this.#attributesCode(target, entries);
  }

  #addEntry(entries: Entry[], start: number, end: number): void {
    this.weight.add(1);
    if (entries.length === attributesMax) refuseAttributes();
    const { keyValue } = this.#values;
    keyValue.scan(start, end);
    const key = this.#wire.bytes.subarray(keyValue.keyFrom, keyValue.keyTo);
    if (!isUtf8(key)) this.repairs++;
    entries.push({ key: textDecoder.decode(key), start: keyValue.valueFrom, end: keyValue.valueTo });
  }

  #attributesCode(target: DictionaryVector, entries: Entry[]): number {
    const { writer } = this.#values;
    renameDuplicates(entries);
    entries.sort((a, b) => a.key < b.key ? -1 : a.key > b.key ? 1 : 0);
    writer.length = 0;
    writer.byte(0x7b);
    for (let i = 0; i < entries.length; i++) {
      if (i > 0) writer.byte(0x2c);
      const key = textEncoder.encode(entries[i].key);
      writer.jsonString(key, 0, key.length, true);
      writer.byte(0x3a);
      this.#values.json(entries[i].start, entries[i].end, 0);
    }
    writer.byte(0x7d);
    return target.codeOf(writer.bytes, 0, writer.length);
  }

  /** The text of service.name, which is a string but for odd senders; nothing and empty text are unknown. */
  #serviceCode(service: Entry | undefined): number {
    const values = this.#values, { writer } = values;
    writer.length = 0;
    if (service !== undefined) values.text(service.start, service.end);
    if (writer.length === 0) writer.ascii("unknown_service");
    return this.#serviceName.codeOf(writer.bytes, 0, writer.length);
  }

  /** EntityRef: 1 schema_url, 2 type, 3 id_keys, 4 description_keys. */
  #writeEntityRef(writer: TextWriter, start: number, end: number): void {
    const wire = this.#wire;
    const single = [[0, 0], [0, 0]];
    const repeated: [number, number][][] = [[], []];
    for (let at = start; at < end;) {
      const tag = wire.longTag(at, end);
      at = wire.at;
      if (tag === 0x0a || tag === 0x12) {
        at = wire.delimited(at, end);
        single[(tag >> 3) - 1] = [wire.at, at];
      } else if (tag === 0x1a || tag === 0x22) {
        at = wire.delimited(at, end);
        repeated[(tag >> 3) - 3].push([wire.at, at]);
      } else at = wire.skip(tag, at, end);
    }
    writer.ascii('{"schema_url":');
    writer.jsonString(wire.bytes, single[0][0], single[0][1]);
    writer.ascii(',"type":');
    writer.jsonString(wire.bytes, single[1][0], single[1][1]);
    for (const [index, name] of ["id_keys", "description_keys"].entries()) {
      writer.ascii(`,"${name}":[`);
      repeated[index].forEach(([from, to], i) => {
        if (i > 0) writer.byte(0x2c);
        writer.jsonString(wire.bytes, from, to);
      });
      writer.byte(0x5d);
    }
    writer.byte(0x7d);
  }
}

/** A KeyValue: its key, and the range of its value. */
interface Entry {
  key: string;
  readonly start: number;
  readonly end: number;
}

function renameDuplicates(entries: Entry[]): void {
  const last = new Map<string, number>();
  entries.forEach((entry, i) => last.set(entry.key, i));
  if (last.size === entries.length) return;
  const counters = new Map<string, number>();
  entries.forEach((entry, i) => {
    if (last.get(entry.key) === i) return;
    let n = counters.get(entry.key) ?? 0;
    let renamed: string;
    do renamed = `openwit.duplicate.${++n}.${entry.key}`; while (last.has(renamed));
    counters.set(entry.key, n);
    last.set(renamed, i);
    entry.key = renamed;
  });
}
