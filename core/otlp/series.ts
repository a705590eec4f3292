/**
 * The identity of a metric's series, in 64 bits that are the same on every run and platform.
 *
 * Two lanes, with the seeds S0 = 0x9747b28c and S1 = 0x85ebca6b. With m(text, seed) = MurmurHash3_x86_32 of the
 * text's UTF-8 bytes, each lane i is, modulo 2^32:
 *   base  = m(metric_name, m(scope_version, m(scope_name, m(resource_attributes, Si))))
 *   entry = m(value, m(key, Si) ^ letter), for each attribute as it was sent, with the ASCII code of its type
 *           letter, and the empty text for an empty value
 *   lane  = fmix32(base + the sum of the entries)
 * The id is lane 0 and then lane 1, 8 lowercase hexadecimal digits each. A sum does not depend on order, so
 * neither does the id on the order of attributes; that of resource attributes is sorted in their text.
 */
import type { DictionaryVector, MapVector, Utf8Vector } from "../model/vector.ts";
import type { AttributeReader } from "./attributes.ts";
import type { OriginReader } from "./origin.ts";

export const seriesSeeds = [0x9747b28c | 0, 0x85ebca6b | 0] as const;

export class SeriesHasher {
  #origin0 = 0;
  #origin1 = 0;
  #metric0 = 0;
  #metric1 = 0;
  /** Hash of each key, by its code in the map's dictionary: two lanes, and whether it is known. */
  #keys = new Int32Array(3 * 64);

  constructor(readonly ids: Utf8Vector) {}

  /** Begins the metrics of a scope. */
  beginOrigin(origin: OriginReader): void {
    let [lane0, lane1]: readonly [number, number] = seriesSeeds;
    for (const [vector, code] of origin.identity) {
      lane0 = hashOfCode(vector, code, lane0);
      lane1 = hashOfCode(vector, code, lane1);
    }
    this.#origin0 = lane0;
    this.#origin1 = lane1;
  }

  /** Begins the points of a metric. */
  beginMetric(name: DictionaryVector, code: number): void {
    this.#metric0 = hashOfCode(name, code, this.#origin0);
    this.#metric1 = hashOfCode(name, code, this.#origin1);
  }

  /** Pushes the id of a point whose attributes have been read, but not ended. */
  push(attributes: AttributeReader): void {
    const { keys, values } = attributes.map;
    let lane0 = this.#metric0, lane1 = this.#metric1;
    const begin = keys.length - attributes.count;
    for (let at = begin; at < keys.length; at++) {
      const key = this.#key(attributes.map, keys.codes[at]);
      const letter = attributes.letterAt(at - begin);
      const from = values.offsets[at], to = values.offsets[at + 1];
      lane0 = lane0 + murmur3(values.bytes, from, to, this.#keys[key] ^ letter) | 0;
      lane1 = lane1 + murmur3(values.bytes, from, to, this.#keys[key + 1] ^ letter) | 0;
    }
    const to = this.ids.reserveBytes(16);
    writeHex(this.ids.bytes, to, mix(lane0));
    writeHex(this.ids.bytes, to + 8, mix(lane1));
    this.ids.endValue(to + 16);
  }

  /** Position of a key's hashes. */
  #key({ keys }: MapVector, code: number): number {
    const at = code * 3;
    if (at + 2 >= this.#keys.length) {
      const grown = new Int32Array(Math.max(this.#keys.length * 2, at + 3));
      grown.set(this.#keys);
      this.#keys = grown;
    }
    if (this.#keys[at + 2] === 0) {
      this.#keys[at] = hashOfCode(keys, code, seriesSeeds[0]);
      this.#keys[at + 1] = hashOfCode(keys, code, seriesSeeds[1]);
      this.#keys[at + 2] = 1;
    }
    return at;
  }
}

/** MurmurHash3_x86_32 of bytes[start, end), as a signed word. */
export function murmur3(bytes: Uint8Array, start: number, end: number, seed: number): number {
  let hash = seed;
  let at = start;
  for (; at + 4 <= end; at += 4) {
    const block = bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16 | bytes[at + 3] << 24;
    hash ^= scramble(block);
    hash = hash << 13 | hash >>> 19;
    hash = Math.imul(hash, 5) + 0xe6546b64 | 0;
  }
  if (at < end) {
    let block = bytes[at];
    if (at + 1 < end) block |= bytes[at + 1] << 8;
    if (at + 2 < end) block |= bytes[at + 2] << 16;
    hash ^= scramble(block);
  }
  return mix(hash ^ (end - start));
}

function scramble(block: number): number {
  block = Math.imul(block, 0xcc9e2d51);
  return Math.imul(block << 15 | block >>> 17, 0x1b873593);
}

function mix(hash: number): number {
  hash = Math.imul(hash ^ hash >>> 16, 0x85ebca6b);
  hash = Math.imul(hash ^ hash >>> 13, 0xc2b2ae35);
  return hash ^ hash >>> 16;
}

function hashOfCode({ values }: DictionaryVector, code: number, seed: number): number {
  return murmur3(values.bytes, values.offsets[code], values.offsets[code + 1], seed);
}

function writeHex(target: Uint8Array, at: number, word: number): void {
  for (let shift = 28; shift >= 0; shift -= 4) {
    const digit = word >>> shift & 15;
    target[at++] = digit < 10 ? 0x30 + digit : 0x57 + digit;
  }
}
