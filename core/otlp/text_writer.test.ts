import { expect, test } from "bun:test";
import { seededRandom } from "../env/random.ts";
import { TextWriter } from "./text_writer.ts";

function written(write: (writer: TextWriter) => void): string {
  const writer = new TextWriter();
  write(writer);
  return new TextDecoder().decode(writer.bytes.subarray(0, writer.length));
}

test("integers of any size are written digit by digit as BigInt has them", () => {
  const random = seededRandom(1);
  for (let round = 0; round < 20_000; round++) {
    const width = BigInt(1 + random.uint32() % 64);
    const value = BigInt.asUintN(Number(width), BigInt(random.uint32()) << 32n | BigInt(random.uint32()));
    const low = Number(BigInt.asIntN(32, value)), high = Number(BigInt.asIntN(32, value >> 32n));
    expect(written((writer) => writer.uint64(low, high))).toBe(String(value));
    expect(written((writer) => writer.int64(low, high))).toBe(String(BigInt.asIntN(64, value)));
  }
});

test("integers at the edges of a power of ten are whole", () => {
  for (let power = 1n; power < 10n ** 19n; power *= 10n) {
    for (const value of [power - 1n, power, power + 1n]) {
      const low = Number(BigInt.asIntN(32, value)), high = Number(BigInt.asIntN(32, value >> 32n));
      expect(written((writer) => writer.uint64(low, high))).toBe(String(value));
    }
  }
});

test("doubles read back the same, and no integer looks like their JSON", () => {
  for (
    const value of [0, -0, 1, -1, 0.1, 1e21, 1e-7, 2 ** 53, -(2 ** 53), 123456789012345680, 5e-324, 1.5e300]
  ) {
    expect(Number(written((writer) => writer.double(value)))).toBe(value);
    expect(written((writer) => writer.jsonDouble(value))).toMatch(/[.e]/);
  }
  expect(written((writer) => writer.jsonDouble(-Infinity))).toBe('{"$double":"-Infinity"}');
});

test("doubles are written as the platform writes them, those with few decimals and all others", () => {
  const random = seededRandom(2);
  const double = new Float64Array(1), words = new Uint32Array(double.buffer);
  for (let round = 0; round < 200_000; round++) {
    const scale = 10 ** (random.uint32() % 9);
    words[0] = random.uint32();
    words[1] = random.uint32();
    const decimal = (random.uint32() % 2 ? 1 : -1) * random.uint32() * (random.uint32() % 4_000) / scale;
    for (const value of [decimal, double[0]]) {
      if (Number.isSafeInteger(value) || !Number.isFinite(value)) continue;
      const wanted = String(value);
      if (written((writer) => writer.double(value)) !== wanted) {
        expect(written((writer) => writer.double(value))).toBe(wanted);
      }
    }
  }
  for (
    const value of [
      0.001,
      0.000001,
      1e-7,
      0.1 + 0.2,
      1 / 3,
      999999999.999,
      99999999999999.9,
      1.005,
      4503599627370497.5,
    ]
  ) {
    expect(written((writer) => writer.double(value))).toBe(String(value));
    expect(written((writer) => writer.double(-value))).toBe(String(-value));
  }
});

test("base64 is padded, and is what the platform writes", () => {
  for (let length = 0; length < 20; length++) {
    const bytes = Uint8Array.from({ length }, (_, i) => i * 37);
    expect(written((writer) => writer.base64(bytes, 0, length))).toBe(bytes.toBase64());
  }
});
