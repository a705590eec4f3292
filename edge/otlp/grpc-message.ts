/**
 * The length-prefixed message of a unary gRPC call, however its bytes are cut into DATA frames.
 *
 * Length-Prefixed-Message: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 * Invariant: holds no more than what has arrived, doubled; an announced length is not believed in advance.
 */
import { OpenWitError } from "../../core/error.ts";
import { freeWhole } from "../../core/model/free.ts";
import { ByteSink, tooLarge } from "../http/body.ts";
import type { BufferPool } from "../http/buffers.ts";

export interface GrpcMessage {
  readonly isCompressed: boolean;
  readonly bytes: Uint8Array;
}

const prefixBytes = 5;

/** Takes the chunks of one call in order, then gives the one message that they hold. */
export class MessageReader {
  readonly #bytesMax: number;
  readonly #prefix = new Uint8Array(prefixBytes);
  #prefixLength = 0;
  #messageLength = 0;
  #sink: ByteSink | undefined;
  /** The message, when it came whole in one chunk: no copy is made then. */
  #whole: Uint8Array | undefined;

  /** @param bytesMax most bytes of the message as it comes over the wire. */
  constructor(bytesMax: number, readonly pool?: BufferPool) {
    this.#bytesMax = bytesMax;
  }

  /**
   * @param chunk is the reader's from then on: what it was copied from is freed
   * @throws OpenWitError `malformed`, `too_large`, both as soon as it shows
   */
  push(chunk: Uint8Array): void {
    let at = 0;
    while (this.#prefixLength < prefixBytes) {
      if (at === chunk.length) return;
      this.#prefix[this.#prefixLength++] = chunk[at++];
      if (this.#prefixLength === prefixBytes) this.#readPrefix();
    }
    const rest = chunk.length - at;
    if (this.#received() + rest > this.#messageLength) {
      throw new OpenWitError("malformed", "more bytes follow the message of a unary call", {
        hint: "send one message a call",
      });
    }
    if (rest === 0) return;
    if (this.#sink === undefined && rest === this.#messageLength) {
      this.#whole = chunk.subarray(at);
      return;
    }
    this.#sink ??= new ByteSink(this.#messageLength, this.pool);
    this.#sink.push(at === 0 ? chunk : chunk.subarray(at));
    freeWhole(chunk);
  }

  /** The message, after the last chunk. @throws OpenWitError `malformed` when it is not whole */
  finish(): GrpcMessage {
    if (this.#prefixLength < prefixBytes) {
      throw new OpenWitError(
        "malformed",
        `the call ended after ${this.#prefixLength} bytes, without a message`,
      );
    }
    if (this.#received() < this.#messageLength) {
      throw new OpenWitError(
        "malformed",
        `the call ended after ${this.#received()} of the message's ${this.#messageLength} bytes`,
      );
    }
    return {
      isCompressed: this.#prefix[0] === 1,
      bytes: this.#whole ?? this.#sink?.bytes() ?? new Uint8Array(0),
    };
  }

  /** Gives the message's buffer back; its bytes are not to be read any more. */
  release(): void {
    this.#sink?.release();
    this.#sink = undefined;
    this.#whole = undefined;
  }

  /** What the message's prefix says of its length; 0 before it has come. */
  get announcedBytes(): number {
    return this.#messageLength;
  }

  #received(): number {
    return this.#whole?.length ?? this.#sink?.length ?? 0;
  }

  #readPrefix(): void {
    if (this.#prefix[0] > 1) {
      throw new OpenWitError("malformed", `a gRPC message begins with flag ${this.#prefix[0]}, not 0 or 1`);
    }
    this.#messageLength = new DataView(this.#prefix.buffer).getUint32(1);
    if (this.#messageLength > this.#bytesMax) throw tooLarge(this.#messageLength, this.#bytesMax);
  }
}

/** A message as one uncompressed frame. */
export function frameMessage(message: Uint8Array): Uint8Array {
  const frame = new Uint8Array(prefixBytes + message.length);
  new DataView(frame.buffer).setUint32(1, message.length);
  frame.set(message, prefixBytes);
  return frame;
}

/**
 * Milliseconds of a grpc-timeout header; `undefined` without one.
 * @throws OpenWitError `invalid_argument`
 */
export function parseGrpcTimeout(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const match = /^(\d{1,8})([HMSmun])$/.exec(text);
  if (match === null) {
    throw new OpenWitError(
      "invalid_argument",
      `grpc-timeout ${JSON.stringify(text.slice(0, 40))} is not valid`,
      {
        hint: "send up to 8 digits and one of H, M, S, m, u, n",
      },
    );
  }
  return Number(match[1]) * timeoutUnitsMs[match[2]];
}

const timeoutUnitsMs: Readonly<Record<string, number>> = { H: 3.6e6, M: 6e4, S: 1e3, m: 1, u: 1e-3, n: 1e-6 };

/** Text for the grpc-message trailer: printable ASCII, the rest percent-encoded as UTF-8. */
export function encodeGrpcMessage(text: string): string {
  let encoded = "";
  for (const byte of new TextEncoder().encode(text.slice(0, grpcMessageCharsMax))) {
    encoded += byte >= 0x20 && byte <= 0x7e && byte !== 0x25
      ? String.fromCharCode(byte)
      : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return encoded;
}

/** Clients bound the size of all headers at 8 KiB, and the message stands twice in them. */
const grpcMessageCharsMax = 800;
