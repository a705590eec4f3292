/**
 * The archive of version 1 as it was written once: readable for ever, and what is framed today is the same. Then what
 * no archive may do to its reader, by changing this one.
 */
import { describe, expect, test } from "bun:test";
import {
  encodeArchiveEnd,
  encodeArchiveManifest,
  endEntry,
  manifestEntry,
  parseArchiveManifest,
} from "../../core/archive/format.ts";
import { ArchiveReader } from "../../core/archive/reader.ts";
import { encodeTarHeader, tarBlockBytes, tarPaddingBytes } from "../../core/archive/tar.ts";
import { randomBelow, seededRandom } from "../../core/env/random.ts";
import { OpenWitError } from "../../core/error.ts";
import { parseFooter } from "../../core/segment/footer.ts";
import { footerLength, parseParquetFooter } from "../../core/segment/reader.ts";
import { crc32c } from "../../core/wal/crc32c.ts";

const golden = new Uint8Array(await Bun.file(new URL("archive-v1.tar", import.meta.url)).arrayBuffer());
const madeAtSeconds = 1_795_464_000;

test("it is read as it was written", async () => {
  const { manifest, files } = await read(golden);
  expect(manifest).toMatchObject({
    createdAt: "2026-11-23T20:00:00.000Z",
    createdBy: "openwit 0.1.0",
    filter: { signal: "logs", sinceNs: 0n },
  });
  const segments = manifest.segments.map(({ tenant, rows, late, origin }) => [tenant, rows, late, origin?.lsnFrom]);
  expect(segments.sort()).toEqual([
    ["default", 1, false, 1],
    ["default", 1, true, undefined],
    ["shop-7", 1, false, 2],
  ]);
  for (const [index, bytes] of files.entries()) {
    const length = footerLength(bytes.subarray(-8), bytes.length);
    const footer = parseFooter(
      parseParquetFooter(bytes.subarray(bytes.length - 8 - length, bytes.length - 8)).keyValues,
    );
    const { id, tenant, lsnFrom, origin } = manifest.segments[index];
    expect({ ...footer }).toMatchObject({ id, tenant, lsnFrom, nodeId: manifest.nodeId, ...(origin && { origin }) });
  }
});

test("the same content is framed in the same bytes", async () => {
  const { manifest, files } = await read(golden);
  expect(Buffer.compare(framed(manifest, files), golden)).toBe(0);
});

describe("a reader", () => {
  test("notices any byte that is another, or at least takes nothing else for the content", async () => {
    const random = seededRandom(7);
    const { manifest } = await read(golden);
    for (let round = 0; round < 3_000; round++) {
      const bytes = golden.slice();
      const at = randomBelow(random, bytes.length);
      bytes[at] ^= 1 + randomBelow(random, 255);
      const found = await outcome(bytes);
      expect([at, found === "read" || codes.has(found)]).toEqual([at, true]);
      // JSON's white space at the very end means nothing.
      if (found === "read") expect((await read(bytes)).manifest).toEqual(manifest);
    }
  }, 60_000);

  test("notices an end at any byte", async () => {
    for (let end = 0; end < golden.length - 1; end += 1 + end % 7) {
      expect([end, await outcome(golden.subarray(0, end))]).toEqual([end, "corrupt"]);
    }
  }, 60_000);

  test("survives bytes moved, doubled and torn out of their place", async () => {
    const random = seededRandom(11);
    for (let round = 0; round < 500; round++) {
      const [a, b] = [randomBelow(random, golden.length), randomBelow(random, golden.length)];
      const count = 1 + randomBelow(random, 2_000);
      const bytes = Buffer.concat([golden.subarray(0, a), golden.subarray(b, b + count), golden.subarray(a)]);
      const found = await outcome(bytes);
      // Zeros among the zeros behind the end change nothing.
      const isSame = found === "read" && bytes.subarray(0, golden.length).equals(golden);
      expect([round, found, isSame || codes.has(found)]).toEqual([round, found, true]);
    }
  }, 60_000);

  test("takes no file that is not where its manifest has it, whatever its name", async () => {
    const names = ["../../etc/cron.d/x", "/etc/passwd", "parquet/../../x", "", "manifest.json\0x", "a".repeat(100)];
    for (const name of names) {
      const bytes = golden.slice();
      const at = secondHeader(bytes);
      bytes.set(encodeTarHeader({ name, bytes: 10 }, 0), at);
      expect([name, await outcome(bytes)]).toEqual([name, "corrupt"]);
    }
  });

  test("believes no size before its bytes have come", async () => {
    for (const size of [65 * 1024 * 1024, 8 ** 11 - 1]) {
      const bytes = golden.slice();
      bytes.set(encodeTarHeader({ name: manifestEntry, bytes: size }, 0), 0);
      expect(await outcome(bytes)).toBe("corrupt");
    }
    const within = golden.slice();
    within.set(encodeTarHeader({ name: manifestEntry, bytes: 60 * 1024 * 1024 }, 0), 0);
    expect(await outcome(within)).toBe("corrupt");
  });

  test("refuses links, folders and other dialects of tar", async () => {
    for (const type of ["1", "2", "5", "x", "g", "L", "\0"]) {
      const bytes = golden.slice();
      const header = encodeTarHeader({ name: manifestEntry, bytes: 1 }, 0);
      header[156] = type.charCodeAt(0);
      header.fill(32, 148, 156);
      const sum = header.reduce((total, byte) => total + byte, 0);
      header.set(new TextEncoder().encode(`${sum.toString(8).padStart(6, "0")}\0 `), 148);
      bytes.set(header, 0);
      expect([type, await outcome(bytes)]).toEqual([type, "corrupt"]);
    }
  });

  test("refuses a newer version politely, and a manifest whose fields are not what they say", async () => {
    const changes: [string, string, string][] = [
      ['"version": 1', '"version": 2', "unsupported"],
      ['"schema_version": 1', '"schema_version": 9', "unsupported"],
      ['"path": "parquet/', '"path": "parq/../', "malformed"],
      ['"tenant": "default"', '"tenant": "../../.."', "malformed"],
      ['"signal": "logs",\n   "path"', '"signal": "lugs",\n   "path"', "malformed"],
      ['"rows": 1', '"rows": -1', "malformed"],
      ['"level": 0', '"level": 1', "malformed"],
      ['"hour": 498740', '"hour": 498741', "malformed"],
      ['"min_time_ns": "', '"min_time_ns": "99999999999999999999', "malformed"],
    ];
    const { manifest, files } = await read(golden);
    const text = new TextDecoder().decode(encodeArchiveManifest(manifest));
    for (const [from, to, code] of changes) {
      expect(text).toContain(from);
      const bytes = new TextEncoder().encode(text.replaceAll(from, to));
      expect([to, await outcome(framed(manifest, files, bytes))]).toEqual([to, code]);
    }
    const twice = encodeArchiveManifest({ ...manifest, segments: [...manifest.segments, manifest.segments[0]] });
    expect(() => parseArchiveManifest(twice)).toThrow("names a segment twice");
  });

  test("says what the writer said when it could not go on", async () => {
    const error = new TextEncoder().encode(JSON.stringify({ code: "io", message: "the disk is gone", hint: "look" }));
    const at = secondHeader(golden);
    const bytes = Buffer.concat([golden.subarray(0, at), ...entry("error.json", error)]);
    expect(read(bytes)).rejects.toThrow("the disk is gone");
  });
});

const codes = new Set(["corrupt", "malformed", "unsupported"]);

/** "read", or the code of the error; anything else that is thrown fails the test. */
async function outcome(bytes: Uint8Array): Promise<string> {
  try {
    await read(bytes);
    return "read";
  } catch (error) {
    if (error instanceof OpenWitError) return error.code;
    throw error;
  }
}

async function read(bytes: Uint8Array) {
  const reader = await ArchiveReader.open(pieces(bytes));
  const files: Uint8Array[] = [];
  for await (const { bytes: parts } of reader.segments()) {
    const pieces: Uint8Array[] = [];
    for await (const part of parts) pieces.push(part.slice());
    files.push(Buffer.concat(pieces));
  }
  return { manifest: reader.manifest, files };
}

async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 1_000) yield await Promise.resolve(bytes.subarray(at, at + 1_000));
}

function framed(
  manifest: ReturnType<typeof parseArchiveManifest>,
  files: readonly Uint8Array[],
  manifestBytes = encodeArchiveManifest(manifest),
): Uint8Array {
  const end = encodeArchiveEnd({
    segments: manifest.segments.length,
    rows: manifest.segments.reduce((sum, { rows }) => sum + rows, 0),
    bytes: manifest.segments.reduce((sum, { bytes }) => sum + bytes, 0),
    manifestChecksum: crc32c(manifestBytes),
  });
  return Buffer.concat([
    ...entry(manifestEntry, manifestBytes),
    ...files.flatMap((bytes, index) => entry(manifest.segments[index].path, bytes)),
    ...entry(endEntry, end),
    new Uint8Array(2 * tarBlockBytes),
  ]);
}

function entry(name: string, bytes: Uint8Array): Uint8Array[] {
  return [encodeTarHeader({ name, bytes: bytes.length }, madeAtSeconds), bytes, new Uint8Array(tarPaddingBytes(bytes.length))];
}

/** Where the first segment's header begins. */
function secondHeader(bytes: Uint8Array): number {
  const size = parseInt(new TextDecoder().decode(bytes.subarray(124, 135)), 8);
  return tarBlockBytes + size + tarPaddingBytes(size);
}
