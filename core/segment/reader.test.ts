import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Disk } from "../env/disk.ts";
import { randomBelow, seededRandom } from "../env/random.ts";
import { OpenWitError } from "../error.ts";
import { footerLength, parseParquetFooter, readParquetFooter } from "./reader.ts";
import { readThriftStruct } from "./thrift.ts";

const whole = new Uint8Array(
  readFileSync(join(import.meta.dirname, "../../tests/golden/segment-v1-spans.parquet")),
);
const length = footerLength(whole, whole.length);
const footer = whole.slice(whole.length - 8 - length, whole.length - 8);

describe("a footer is read from a disk", () => {
  test("with its size, rows, columns and statistics", async () => {
    const file = await readParquetFooter(diskWith(whole), "a.parquet");
    expect(file.bytes).toBe(whole.length);
    expect(file.rows).toBe(40);
    expect(file.createdBy).toBe("openwit");
    const [group] = file.rowGroups;
    expect(group.rows).toBe(40);
    expect(group.compressedBytes).toBeLessThan(whole.length);
    const time = group.columns.find(({ path }) => path.join(".") === "start_timestamp")!;
    expect(time).toMatchObject({ values: 40, codec: "ZSTD" });
    expect(new DataView(time.min!.buffer).getBigInt64(0, true)).toBe(1_767_322_800_000_000_000n);
    expect(new DataView(time.max!.buffer).getBigInt64(0, true)).toBe(1_767_322_801_950_000_000n);
    const leaves = file.schema.filter(({ isGroup }) => !isGroup);
    expect(leaves.map(({ path }) => path)).toEqual(group.columns.map(({ path }) => [...path]));
    expect(file.schema.find(({ path }) => path.join(".") === "attributes.key_value.value")).toEqual({
      path: ["attributes", "key_value", "value"],
      fieldId: 41,
      isGroup: false,
      type: "BYTE_ARRAY",
      repetition: "optional",
    });
  });

  test("also when it is larger than the first read", async () => {
    const rowsField = [0x36, 0x02]; // field 3, an i64, of value 1
    const createdByField = [0x38, ...varint(100_000), ...new Uint8Array(100_000).fill(120)]; // 3 on: field 6, text
    const bytes = Uint8Array.of(...rowsField, ...createdByField, 0);
    const file = withEnd(concatenate([new TextEncoder().encode("PAR1"), bytes]), bytes.length);
    expect((await readParquetFooter(diskWith(file), "a.parquet")).createdBy.length).toBe(100_000);
  });
});

test.each<[string, Uint8Array, string]>([
  ["an empty file", new Uint8Array(0), "too short"],
  ["text", new TextEncoder().encode("hello, this is no parquet"), "does not end in PAR1"],
  ["a file cut short", whole.subarray(0, whole.length - 100), "does not end in PAR1"],
  [
    "a footer longer than the file",
    withEnd(whole.slice(0, 100), 1_000_000),
    "its footer claims 1000000 bytes",
  ],
  ["a footer of zeros", withEnd(new Uint8Array(100), 50), "no whole number"],
])("%s is refused with what is wrong", async (_, bytes, message) => {
  const error = await readParquetFooter(diskWith(bytes), "x.parquet").catch((thrown) => thrown);
  expect(error).toBeInstanceOf(OpenWitError);
  expect(error.code).toBe("malformed");
  expect(error.message).toContain("x.parquet: ");
  expect(error.message).toContain(message);
});

describe("hostile bytes are an error, never a crash or a hang", () => {
  const seed = 11;
  test("every prefix of a footer", () => {
    for (let end = 0; end < footer.length; end += 3) refusesOrReads(footer.subarray(0, end));
  });

  test(`footers with changed bytes (seed ${seed})`, () => {
    const random = seededRandom(seed);
    for (let round = 0; round < 3_000; round++) {
      const bytes = footer.slice();
      for (let change = randomBelow(random, 8); change >= 0; change--) {
        bytes[randomBelow(random, bytes.length)] = random.uint32();
      }
      refusesOrReads(bytes);
    }
  });

  test(`noise (seed ${seed})`, () => {
    const random = seededRandom(seed);
    for (let round = 0; round < 3_000; round++) {
      refusesOrReads(Uint8Array.from({ length: randomBelow(random, 200) }, () => random.uint32()));
    }
  });

  test("structs within structs, and lists within lists, without end", () => {
    expect(() => readThriftStruct(new Uint8Array(100_000).fill(0x1c))).toThrow("nest more than 32 deep");
    expect(() => readThriftStruct(Uint8Array.of(0x19, ...new Uint8Array(100_000).fill(0x19)))).toThrow(
      "deep",
    );
  });

  test("a list that claims two billion elements", () => {
    expect(() => readThriftStruct(Uint8Array.of(0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07, 1, 2, 3))).toThrow(
      "a list of 2147483647 elements has 3 bytes left",
    );
  });

  test("more values than memory should hold", () => {
    const count = 3_000_000;
    const emptyStructs = concatenate([
      Uint8Array.of(0x19, 0xfc, ...varint(count)),
      new Uint8Array(count + 1),
    ]);
    expect(() => readThriftStruct(emptyStructs)).toThrow("it has more than 1000000 values");
  });

  test("a text longer than what is left, and a number that does not end", () => {
    expect(() => readThriftStruct(Uint8Array.of(0x18, 0x20, 1, 2))).toThrow("goes beyond the end");
    expect(() => readThriftStruct(new Uint8Array(40).fill(0xff).fill(0x16, 0, 1))).toThrow(
      "more than 10 bytes",
    );
  });
});

function refusesOrReads(bytes: Uint8Array): void {
  try {
    parseParquetFooter(bytes);
  } catch (error) {
    if (!(error instanceof OpenWitError) || error.code !== "malformed") throw error;
  }
}

function withEnd(bytes: Uint8Array, footerBytes: number): Uint8Array {
  const end = new Uint8Array(8);
  new DataView(end.buffer).setUint32(0, footerBytes, true);
  end.set([0x50, 0x41, 0x52, 0x31], 4);
  return concatenate([bytes, end]);
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [value & 127 | 128, ...varint(value >>> 7)];
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

/** A disk with one file, which gives at most 1,000 bytes a read. */
function diskWith(bytes: Uint8Array): Disk {
  return {
    open: async () => ({
      size: async () => bytes.length,
      read: async (into: Uint8Array, offset: number) => {
        const part = bytes.subarray(offset, offset + Math.min(1_000, into.length));
        into.set(part);
        return part.length;
      },
      close: async () => {},
    }),
  } as unknown as Disk;
}
