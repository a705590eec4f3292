/**
 * Gives the memory of large buffers back at once. Left to the collector it is counted late and freed later: at 60,000 log
 * records a second what requests and flushes drop is a hundred MiB a second (docs/decisions/017-memory-given-back.md).
 */

/** All views of the buffer are empty from then on: nobody may be reading it. */
export function freeBuffer({ buffer }: ArrayBufferView): void {
  if (buffer instanceof ArrayBuffer) buffer.transfer(0);
}

/** The same of an array that has its buffer to itself; one that is part of a larger buffer stays. */
export function freeWhole(array: ArrayBufferView): void {
  if (array.byteLength === array.buffer.byteLength) freeBuffer(array);
}
