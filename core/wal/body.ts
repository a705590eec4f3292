/** Compression of the bodies that the WAL stores: as they came, or zstd where they came without any. */
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { OpenWitError } from "../error.ts";
import type { WalRecord } from "./format.ts";

/** Below this a body is stored as it is: a frame's overhead eats the gain. */
export const compressBytesMin = 256;

/** From this size on compression leaves the main thread; below, the hop costs more than the work (13 µs each). */
export const compressAsyncBytesMin = 32 * 1024;

/**
 * The zstd form of a body when that is smaller, else the body itself. Level 1: half a gigabyte a second and more,
 * for flash that lives several times longer. A promise only for large bodies.
 */
export function compressBody(body: Uint8Array): Uint8Array | Promise<Uint8Array> {
  if (body.length < compressBytesMin) return body;
  const smaller = (compressed: Uint8Array) => compressed.length < body.length ? compressed : body;
  if (body.length < compressAsyncBytesMin) return smaller(Bun.zstdCompressSync(body, { level: 1 }));
  // A compressor that fails (out of memory) costs space, not the request.
  return Bun.zstdCompress(body, { level: 1 }).then(smaller, () => body);
}

/**
 * The body of a record, decompressed.
 * @throws OpenWitError `corrupt` when it is not what the record says, which the record's checksum had vouched for
 */
export function decodeBody(
  record: Pick<WalRecord, "lsn" | "compression" | "decodedBytes" | "body">,
): Uint8Array {
  const { body, compression, decodedBytes } = record;
  // maxOutputLength may not be 0; an empty body is decompressed into at most one byte and found out below.
  const options = { maxOutputLength: Math.max(decodedBytes, 1) };
  let decoded: Uint8Array;
  try {
    decoded = compression === "identity"
      ? body
      : compression === "gzip"
      ? gunzipSync(body, options)
      : zstdDecompressSync(body, options);
  } catch (cause) {
    throw new OpenWitError(
      "corrupt",
      `the ${compression} body of WAL record ${record.lsn} cannot be decompressed`,
      {
        cause,
      },
    );
  }
  if (decoded.length === decodedBytes) return decoded;
  throw new OpenWitError(
    "corrupt",
    `the body of WAL record ${record.lsn} has ${decoded.length} bytes, its header says ${decodedBytes}`,
  );
}
