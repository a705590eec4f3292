/**
 * How buffers of a chunk get their size. A buffer that is outgrown is garbage, and one that is too large is memory that the
 * runtime has filled with zeros: of chunks that hold 50 MiB both together were 100 MiB more.
 */

/** How much a vector holds, or is to have room for. */
export interface Room {
  readonly values: number;
  /** Of a text. */
  readonly bytes: number;
  readonly parts: readonly Room[];
}

/** The same by a factor, rounded up. */
export function scaleRoom({ values, bytes, parts }: Room, factor: number): Room {
  return {
    values: Math.ceil(values * factor),
    bytes: Math.ceil(bytes * factor),
    parts: parts.map((part) => scaleRoom(part, factor)),
  };
}

/**
 * The size of what takes the place of a buffer that is full: twice as much of a small one, and half as much again of a large
 * one.
 * @param capacity elements of the one that is full
 * @param needed elements that there must be room for
 */
export function grownCapacity(capacity: number, needed: number): number {
  return Math.max(needed, capacity < largeCapacity ? capacity * 2 : Math.ceil(capacity * 1.5));
}

/** Bytes of any content, which costs no page of memory before it is written; each has its buffer to itself, from its start. */
export function uninitializedBytes(length: number): Uint8Array<ArrayBuffer> {
  const { buffer } = Buffer.allocUnsafeSlow(length);
  return new Uint8Array(buffer as ArrayBuffer);
}

const largeCapacity = 64 * 1024;
