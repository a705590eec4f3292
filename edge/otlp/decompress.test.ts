import { expect, test } from "bun:test";
import zlib from "node:zlib";
import { OpenWitError } from "../../core/error.ts";
import { InflightBudget } from "./budget.ts";
import { type Coding, decompress, parseCoding } from "./decompress.ts";
import { inspectZstd } from "../../core/ingest/zstd.ts";

const text = (length: number) =>
  Buffer.from("a line of telemetry, number one; ".repeat(length / 33 + 1)).subarray(0, length);

async function run(wire: Uint8Array, coding: Coding, bytesMax = 10_000_000, budgetMax = 100_000_000) {
  const budget = new InflightBudget(budgetMax);
  budget.open().grow(1); // somebody else is there, so that the budget holds
  using reservation = budget.open();
  const body = await decompress(wire, coding, bytesMax, reservation);
  expect(reservation.bytes).toBeGreaterThanOrEqual(coding === "identity" ? 0 : body.length);
  return body;
}

async function codeOf(run: Promise<unknown>): Promise<string> {
  const thrown = await run.then(() => "nothing", (error) => error);
  if (!(thrown instanceof OpenWitError)) throw new Error(`not refused: ${thrown}`);
  return thrown.code;
}

const compressors = {
  gzip: zlib.gzipSync,
  zstd: zlib.zstdCompressSync,
  deflate: zlib.deflateSync,
} as const;

for (const coding of ["gzip", "zstd", "deflate"] as const) {
  const compress = compressors[coding];

  for (const length of [0, 1, 1_000, 300_000, 3_000_000]) {
    test(`${length} bytes come back out of ${coding}`, async () => {
      expect(Buffer.from(await run(compress(text(length)), coding)).equals(text(length))).toBe(true);
    });
  }

  test(`${coding} of exactly the limit passes, and of one byte more is too large`, async () => {
    for (const length of [1_000, 400_000]) {
      expect((await run(compress(text(length)), coding, length)).length).toBe(length);
      expect(await codeOf(run(compress(text(length + 1)), coding, length))).toBe("too_large");
    }
  });

  test(`${coding} that ends early is malformed, wherever it was cut`, async () => {
    const wire = compress(text(1_000));
    for (let cut = 0; cut < wire.length; cut++) {
      expect(await codeOf(run(wire.subarray(0, cut), coding))).toBe("malformed");
    }
  });

  test(`what ${coding} wants beyond the budget is refused as overloaded, and given back`, async () => {
    expect(await codeOf(run(compress(text(2_000_000)), coding, 10_000_000, 1_000_000))).toBe("overloaded");
  });
}

test("all members of a gzip stream are read, and all frames of a zstd stream", async () => {
  for (const coding of ["gzip", "zstd"] as const) {
    const wire = Buffer.concat([compressors[coding](text(500)), compressors[coding](text(700))]);
    expect((await run(wire, coding)).length).toBe(1_200);
  }
});

test("bytes after the end are not passed over in silence", async () => {
  for (const coding of ["gzip", "zstd"] as const) {
    const wire = Buffer.concat([compressors[coding](text(500)), Buffer.from("xyz, and more")]);
    expect(await codeOf(run(wire, coding))).toBe("malformed");
  }
});

test("a gzip stream that lies about its size is malformed", async () => {
  for (const size of [0, 10, 999, 1_001, 0xffff_ffff]) {
    const wire = zlib.gzipSync(text(1_000));
    wire.writeUInt32LE(size, wire.length - 4);
    expect(await codeOf(run(wire, "gzip"))).toBe("malformed");
  }
});

test("zstd without a content size, as streams write it, is read and bounded", async () => {
  for (const length of [0, 1_000, 500_000]) {
    const parts: Buffer[] = [];
    const stream = zlib.createZstdCompress();
    stream.on("data", (part: Buffer) => parts.push(part));
    const ended = new Promise((resolve) => stream.on("end", resolve));
    stream.write(text(length).subarray(0, length / 2));
    stream.flush(() => stream.end(text(length).subarray(length / 2)));
    await ended;
    const wire = Buffer.concat(parts);
    const found = inspectZstd(wire);
    if (typeof found === "string") throw new Error(found);
    expect(found.contentBytes).toBeUndefined();
    expect(found.boundBytes).toBeGreaterThanOrEqual(length);
    expect((await run(wire, "zstd")).length).toBe(length);
    if (length > 0) expect(await codeOf(run(wire, "zstd", length - 1))).toBe("too_large");
  }
});

test("zstd that wants a window of gigabytes is refused before any memory is taken", async () => {
  // Magic, a header without content size, a window of 2^31, one empty last block.
  const wire = new Uint8Array([0x28, 0xb5, 0x2f, 0xfd, 0, 21 << 3, 1, 0, 0]);
  expect(await codeOf(run(wire, "zstd"))).toBe("malformed");
});

test("codings are known by their names in any case", () => {
  expect(["", undefined, "identity", "GZIP", "x-gzip", " zstd", "deflate"].map(parseCoding)).toEqual(
    ["identity", "identity", "identity", "gzip", "gzip", "zstd", "deflate"],
  );
  expect(["br", "gzip, gzip", "snappy", "none"].map(parseCoding)).toEqual(Array(4).fill(undefined));
});
