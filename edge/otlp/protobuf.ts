/** The few protobuf fields that the receivers write: https://protobuf.dev/programming-guides/encoding/ */

/** A varint field; nothing for 0, the default. */
export function varintField(field: number, value: number): number[] {
  return value === 0 ? [] : [...varint(field << 3), ...varint(value)];
}

/** A length-delimited field: text, or the bytes of a message (which are written also when empty). */
export function bytesField(field: number, value: string | readonly number[]): number[] {
  const bytes = typeof value === "string" ? [...textEncoder.encode(value)] : value;
  if (typeof value === "string" && bytes.length === 0) return [];
  return [...varint(field << 3 | 2), ...varint(bytes.length), ...bytes];
}

/** A non-negative integer up to 2^53. */
function varint(value: number): number[] {
  const bytes = [];
  for (; value >= 0x80; value = Math.floor(value / 0x80)) bytes.push(value % 0x80 | 0x80);
  bytes.push(value);
  return bytes;
}

const textEncoder = new TextEncoder();
