import { expect, test } from "bun:test";
import { murmur3 } from "./series.ts";

test("the hash is MurmurHash3_x86_32, by its published values", () => {
  const published: [string, number, number][] = [
    ["", 0, 0],
    ["", 1, 0x514e28b7],
    ["hello", 0, 0x248bfa47],
    ["hello, world", 0, 0x149bbb7f],
    ["The quick brown fox jumps over the lazy dog", 0x9747b28c, 0x2fa826cd],
  ];
  for (const [text, seed, hash] of published) {
    const bytes = new TextEncoder().encode(text);
    expect([text, murmur3(bytes, 0, bytes.length, seed | 0) >>> 0]).toEqual([text, hash]);
  }
});
