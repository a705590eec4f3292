/** The order of rows that a merge of logs or spans gives its file: by time, and failures behind all others. */

/**
 * Numbers of rows by their time; rows of one time stay in the order in which they come.
 *
 * A radix sort by 16 bits at a time, from the lowest: it is stable, and three passes tell the nanoseconds of an hour
 * apart.
 * @param words signed 64-bit times, two words each, low word first; they are overwritten
 */
export function timeOrder(words: Int32Array): Int32Array {
  const count = words.length / 2;
  let order = new Int32Array(count);
  for (let row = 0; row < count; row++) order[row] = row;
  if (isAscending(words)) return order;
  const digits = toDigits(words);
  let sorted = new Int32Array(count);
  const starts = new Int32Array(65_537);
  for (let digit = 0; digit < 4; digit++) {
    starts.fill(0);
    for (let row = 0; row < count; row++) starts[1 + digits[row * 4 + digit]]++;
    if (starts[1 + digits[digit]] === count) continue; // all rows have the same
    for (let value = 1; value < starts.length; value++) starts[value] += starts[value - 1];
    for (let at = 0; at < count; at++) {
      const row = order[at];
      sorted[starts[digits[row * 4 + digit]]++] = row;
    }
    [order, sorted] = [sorted, order];
  }
  return order;
}

/** The same rows, failures behind all others; each of both in the order that it has. @param isFailure 1 for a row that is one */
export function failuresLast(order: Int32Array, isFailure: Uint8Array): Int32Array {
  let others = 0;
  for (const row of order) others += 1 - isFailure[row];
  const apart = new Int32Array(order.length);
  let other = 0, failure = others;
  for (const row of order) apart[isFailure[row] === 1 ? failure++ : other++] = row;
  return apart;
}

function isAscending(words: Int32Array): boolean {
  for (let at = 2; at < words.length; at += 2) if (isLess(words, at, at - 2)) return false;
  return true;
}

function isLess(words: Int32Array, one: number, other: number): boolean {
  const high = words[one + 1], otherHigh = words[other + 1];
  return high < otherHigh || (high === otherHigh && words[one] >>> 0 < words[other] >>> 0);
}

/** The times as distances from the least, so that the high digits of one hour's are all the same. */
function toDigits(words: Int32Array): Uint16Array {
  let least = 0;
  for (let at = 2; at < words.length; at += 2) if (isLess(words, at, least)) least = at;
  const low = words[least], high = words[least + 1];
  for (let at = 0; at < words.length; at += 2) {
    const borrow = words[at] >>> 0 < low >>> 0 ? 1 : 0;
    words[at] = words[at] - low | 0;
    words[at + 1] = words[at + 1] - high - borrow | 0;
  }
  return new Uint16Array(words.buffer, words.byteOffset, words.length * 2);
}
