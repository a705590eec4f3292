/**
 * Another encoding of the same protobuf message: fields shuffled (each field's own values keep their order),
 * singular messages cut in two, packed numbers unpacked, unknown fields and groups and wrong wire types added,
 * varints and lengths longer than they need be.
 */
import protobuf from "protobufjs";
import { type Random, randomBelow } from "../../core/env/random.ts";
import { WireWriter } from "../../core/otlp/wire_writer.ts";

interface Piece {
  readonly field: number;
  readonly bytes: Uint8Array;
}

export function rewrite(type: protobuf.Type, body: Uint8Array, random: Random): Uint8Array {
  const pieces: Piece[] = [];
  const reader = protobuf.Reader.create(body);
  while (reader.pos < reader.len) {
    const begin = reader.pos;
    const tag = reader.uint32();
    const field = type.fieldsById[tag >>> 3];
    if ((tag & 7) !== 2) {
      reader.skipType(tag & 7);
      pieces.push({ field: tag >>> 3, bytes: body.subarray(begin, reader.pos) });
      continue;
    }
    let payload = reader.bytes() as Uint8Array;
    if (field.resolvedType instanceof protobuf.Type) {
      payload = rewrite(field.resolvedType, payload, random);
      const cut = field.repeated ? 0 : fieldBoundary(payload, random);
      if (cut > 0) {
        pieces.push(delimited(field.id, payload.subarray(0, cut), random));
        payload = payload.subarray(cut);
      }
      pieces.push(delimited(field.id, payload, random));
    } else if (field.repeated && field.type !== "string" && randomBelow(random, 2) === 0) {
      pieces.push(...unpacked(field, payload));
    } else pieces.push(delimited(field.id, payload, random));
  }
  if (randomBelow(random, 3) === 0) pieces.push(unknownPiece(random));
  return concatenate(shuffled(pieces, random).map(({ bytes }) => bytes));
}

/** Orders fields anew, but for the values of one field among themselves. */
function shuffled(pieces: Piece[], random: Random): Piece[] {
  const slots = pieces.map(({ field }) => ({ field, key: random.uint32() })).sort((a, b) => a.key - b.key);
  const queues = Map.groupBy(pieces, ({ field }) => field);
  return slots.map(({ field }) => queues.get(field)!.shift()!);
}

/** A place between two fields of a message; 0 mostly. */
function fieldBoundary(payload: Uint8Array, random: Random): number {
  if (randomBelow(random, 3) > 0) return 0;
  const reader = protobuf.Reader.create(payload);
  const boundaries = [0];
  while (reader.pos < reader.len) {
    reader.skipType(reader.uint32() & 7);
    boundaries.push(reader.pos);
  }
  return boundaries[randomBelow(random, boundaries.length)];
}

function delimited(field: number, payload: Uint8Array, random: Random): Piece {
  const writer = new WireWriter();
  writer.tag(field, 2);
  if (randomBelow(random, 8) === 0 && payload.length < 0x80) {
    writer.raw(Uint8Array.of(payload.length | 0x80, 0x80, 0x00)); // a length in more bytes than it needs
  } else writer.varint(payload.length);
  writer.raw(payload);
  return { field, bytes: writer.bytes.slice(0, writer.length) };
}

function unpacked(field: protobuf.Field, payload: Uint8Array): Piece[] {
  const pieces: Piece[] = [];
  const reader = protobuf.Reader.create(payload);
  const wireType = field.type === "uint64" ? 0 : 1;
  while (reader.pos < reader.len) {
    const begin = reader.pos;
    reader.skipType(wireType);
    const writer = new WireWriter();
    writer.tag(field.id, wireType);
    writer.raw(payload.subarray(begin, reader.pos));
    pieces.push({ field: field.id, bytes: writer.bytes.slice(0, writer.length) });
  }
  return pieces;
}

/** A field that no message has, a group, or a known number with a wire type that it never has. */
function unknownPiece(random: Random): Piece {
  const writer = new WireWriter();
  const field = 1000 + randomBelow(random, 1000);
  switch (randomBelow(random, 5)) {
    case 0:
      writer.tag(field, 0);
      writer.varint64(-1n);
      break;
    case 1:
      writer.tag(field, 1);
      writer.fixed64(1n);
      break;
    case 2:
      writer.tag(field, 2);
      writer.varint(3);
      writer.raw(Uint8Array.of(1, 2, 3));
      break;
    case 3:
      writer.tag(field, 3);
      writer.tag(field + 1, 3);
      writer.tag(1, 0);
      writer.varint(7);
      writer.tag(field + 1, 4);
      writer.tag(field, 4);
      break;
    default:
      writer.tag(1, 5); // field 1 is nowhere a 32-bit value
      writer.fixed32(99);
  }
  return { field, bytes: writer.bytes.slice(0, writer.length) };
}

function concatenate(parts: Uint8Array[]): Uint8Array {
  const writer = new WireWriter();
  for (const part of parts) writer.raw(part);
  return writer.bytes.slice(0, writer.length);
}
