/**
 * Reads a request's body into one buffer under a limit, whatever its length is said to be.
 *
 * Invariants: never holds more than the limit (plus one chunk); bytes that arrive in ever so small pieces
 * cost no more than the bytes, as they are copied into one growing buffer and no piece is kept.
 */
import { OpenWitError } from "../../core/error.ts";
import { type BufferPool, pooledBytes } from "./buffers.ts";

export interface BodyLimits {
  /** Most bytes that are kept. */
  readonly bytesMax: number;
  /** Time for the whole body, in milliseconds. */
  readonly timeoutMs: number;
}

/** Bytes in order, copied into one buffer that grows to at most what was announced or has arrived, doubled. */
export class ByteSink {
  length = 0;
  #buffer: Uint8Array;

  /**
   * @param expected how many bytes were announced; a hint that is not trusted.
   * @param pool where a buffer comes from when one of its size will do.
   */
  constructor(readonly expected: number = 0, readonly pool?: BufferPool) {
    const isLarge = pool !== undefined && expected > firstBytes && expected <= pooledBytes;
    this.#buffer = isLarge ? pool.take() : new Uint8Array(Math.min(expected, firstBytes));
  }

  push(chunk: Uint8Array): void {
    const end = this.length + chunk.length;
    if (end > this.#buffer.length) this.#grow(end);
    this.#buffer.set(chunk, this.length);
    this.length = end;
  }

  /** All bytes so far; valid until the next `push`. */
  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.length);
  }

  /** Gives the buffer back to the pool; `bytes` are not to be read any more. */
  release(): void {
    this.pool?.give(this.#buffer);
    this.#buffer = noBytes;
    this.length = 0;
  }

  #grow(end: number): void {
    const larger = Math.max(end, this.#buffer.length * growth, firstBytes);
    const grown = new Uint8Array(this.expected >= end ? Math.min(larger, this.expected) : larger);
    grown.set(this.bytes());
    this.pool?.give(this.#buffer);
    this.#buffer = grown;
  }
}

const noBytes = new Uint8Array(0);

/**
 * How much larger the next buffer is. Every outgrown one is garbage until it is collected, so few; what is
 * allocated and not written yet takes no memory.
 */
const growth = 4;

/** What an announced length is believed for before its bytes arrive; most bodies fit. */
const firstBytes = 64 * 1024;

/**
 * Reads the whole of a body.
 * @param announced the Content-Length, when there is one.
 * @param onBytes told of every chunk's length before it is kept; may throw to refuse it.
 * @throws OpenWitError `too_large`, `deadline_exceeded` (too slow), `cancelled` (the client went away)
 */
export async function readBody(
  stream: ReadableStream<Uint8Array> | null,
  limits: BodyLimits,
  announced: number | undefined,
  onBytes: (bytes: number) => void,
): Promise<Uint8Array> {
  if (stream === null) return new Uint8Array(0);
  if (announced !== undefined && announced > limits.bytesMax) throw tooLarge(announced, limits.bytesMax);
  const reader = stream.getReader();
  const deadline = newDeadline(limits.timeoutMs);
  let sink: ByteSink | undefined;
  let first: Uint8Array | undefined;
  let length = 0;
  try {
    for (;;) {
      const { done, value } = await Promise.race([read(reader), deadline.expired]);
      if (done) break;
      length += value.length;
      if (length > limits.bytesMax) throw tooLarge(undefined, limits.bytesMax);
      onBytes(value.length);
      if (first === undefined) {
        first = value; // most bodies come as one chunk, and then need no copy
        continue;
      }
      if (sink === undefined) {
        sink = new ByteSink(announced);
        sink.push(first);
      }
      sink.push(value);
    }
    return sink?.bytes() ?? first ?? new Uint8Array(0);
  } finally {
    deadline.clear();
    reader.releaseLock();
  }
}

export function tooLarge(found: number | undefined, bytesMax: number): OpenWitError {
  const what = found === undefined ? "is larger" : `has ${found} bytes, more`;
  return new OpenWitError("too_large", `the body ${what} than the limit of ${bytesMax} bytes`, {
    hint: "send smaller batches",
  });
}

type Read = { readonly done: true; readonly value?: undefined } | {
  readonly done: false;
  readonly value: Uint8Array;
};

async function read(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<Read> {
  try {
    return await reader.read() as Read;
  } catch (cause) {
    throw new OpenWitError("cancelled", "the connection ended within the body", { cause });
  }
}

function newDeadline(timeoutMs: number): { readonly expired: Promise<never>; clear(): void } {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => {}); // nobody may be waiting when it fires between two reads
  const timer = setTimeout(
    () =>
      reject(
        new OpenWitError("deadline_exceeded", `the body did not arrive within ${timeoutMs} ms`, {
          hint: "send smaller batches on a slow link",
          retryable: true, // the link may recover, and what a client is not told to retry it throws away
        }),
      ),
    timeoutMs,
  );
  return { expired: promise, clear: () => clearTimeout(timer) };
}
