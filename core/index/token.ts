/**
 * What is looked up in an index: a token, which is a hash of what it stands for. There are tokens for words of a
 * text, for values of fields, and for parts of words.
 *
 * A hash begins from a seed that each index file chooses at random, so that nobody outside can choose values that
 * collide. It has 64 bits while an index is built; the file keeps as many as it needs (postings.ts).
 */

/** What a token stands for; part of what is hashed, so that a word and a value never meet. */
export const tokenKind = {
  word: 1,
  /** Four numbers of up to three digits joined by dots, which single words would not find. */
  quad: 2,
  /** The letters with which a word of letters and digits begins. */
  startRun: 3,
  /** Letters inside such a word: three at least. */
  innerRun: 4,
  /** A block has a word that the dictionary does not have: it was too long, or the dictionary full. */
  opaqueWord: 5,
  /** A field's value. */
  value: 6,
  /**
   * A key of a JSON column has a value that is no text, whole number or boolean; a column that is looked up in any
   * case has a text beyond ASCII.
   */
  opaqueValue: 7,
  /** A number is at least a threshold (fields.ts). */
  level: 8,
  /** A field's value in lower case. */
  folded: 9,
  /** One of the last two in a row of a service. */
  pair: 10,
} as const;
export type TokenKind = typeof tokenKind[keyof typeof tokenKind];

/** A hash under way: two lanes of FNV-1a, of different primes. */
export interface HashState {
  high: number;
  low: number;
}

export function beginHash(kind: TokenKind, seed: HashState): HashState {
  return step({ high: seed.high, low: seed.low }, kind);
}

/** Goes on with bytes `[from, end)`; changes and returns the state. */
export function hashBytes(state: HashState, bytes: Uint8Array, from: number, end: number): HashState {
  let { high, low } = state;
  for (let at = from; at < end; at++) {
    high = Math.imul(high ^ bytes[at], highPrime);
    low = Math.imul(low ^ bytes[at], lowPrime);
    low ^= low >>> 15;
  }
  state.high = high;
  state.low = low;
  return state;
}

export const highPrime = 0x0100_0193, lowPrime = 0x85eb_ca6b;

function step(state: HashState, byte: number): HashState {
  return hashBytes(state, Uint8Array.of(byte), 0, 1);
}

/** Spreads what the last bytes did over all bits of a lane. */
export function finishLane(lane: number): number {
  lane = Math.imul(lane ^ lane >>> 16, 0x85eb_ca6b);
  lane = Math.imul(lane ^ lane >>> 13, 0xc2b2_ae35);
  return lane ^ lane >>> 16;
}

/** Bits of the number by which tokens are sorted and found. */
export const keyBits = 40;

/** That number: the high lane, and eight bits of the low one. */
export function tokenKey(high: number, low: number): number {
  return (high >>> 0) * 256 + (low & 255);
}

/** A token that is looked up: in each file its hash is another one. */
export interface Token {
  readonly kind: TokenKind;
  readonly bytes: Uint8Array;
}

export function tokenOf(kind: TokenKind, text: string): Token {
  return { kind, bytes: encoder.encode(text) };
}

/** The key of a token in a file of this seed. */
export function keyOfToken({ kind, bytes }: Token, seed: HashState): number {
  let high = Math.imul(seed.high ^ kind, highPrime);
  let low = Math.imul(seed.low ^ kind, lowPrime);
  low ^= low >>> 15;
  for (let at = 0; at < bytes.length; at++) {
    high = Math.imul(high ^ bytes[at], highPrime);
    low = Math.imul(low ^ bytes[at], lowPrime);
    low ^= low >>> 15;
  }
  return tokenKey(finishLane(high), finishLane(low));
}

/** The text under which a field's value is hashed; a field's name has no zero byte. */
export function valueText(field: string, value: string): string {
  return `${field}\0${value}`;
}

/** What a pair has beside a service's name. */
export function levelText(column: string, least: number): string {
  return `${column}>=${least}`;
}

export function foldedText(column: string, value: string): string {
  return `${column}~${value}`;
}

/** The text under which a pair is hashed. */
export function pairText(service: string, other: string): string {
  return `${service}\0${other}`;
}

const encoder = new TextEncoder();
