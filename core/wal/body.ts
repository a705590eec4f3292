/** Compression of the bodies that the WAL stores: as they came, or zstd where they came without any. */
import { promisify } from "node:util";
import { gunzip, gunzipSync, type ZlibOptions, zstdDecompressSync } from "node:zlib";
import { OpenWitError } from "../error.ts";
import { isFrameOf } from "../ingest/zstd.ts";
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
export function decodeBody(record: StoredBody): Uint8Array {
  const { body, compression } = record;
  if (compression === "identity") return checked(record, body);
  const decompress = compression === "gzip" ? gunzipSync : zstdDecompressSync;
  let decoded: Uint8Array;
  try {
    decoded = decompress(body, optionsOf(record));
  } catch (cause) {
    throw corrupt(record, cause);
  }
  return checked(record, decoded);
}

/**
 * Begins to decompress a body in the runtime's threads, when it is large enough to be worth the detour.
 * @returns what waits for it, to be called once; throws as `decodeBody` does
 */
export function decodeBodyAhead(record: StoredBody): () => Uint8Array | Promise<Uint8Array> {
  const begun = record.decodedBytes < decompressAheadBytesMin ? undefined : decompressAhead(record);
  if (begun === undefined) return () => decodeBody(record);
  const done = begun.catch((cause) => corrupt(record, cause));
  return async () => {
    const decoded = await done;
    if (decoded instanceof OpenWitError) throw decoded;
    return checked(record, decoded);
  };
}

/** `undefined` for what is better done at once. */
function decompressAhead(record: StoredBody): Promise<Uint8Array> | undefined {
  const { body, compression, decodedBytes } = record;
  if (compression === "identity") return undefined;
  if (compression === "gzip") return gunzipAhead(body, optionsOf(record));
  // Bun's own is the fastest and knows no limit: only where the headers prove how much comes out.
  return isFrameOf(body, decodedBytes) ? Bun.zstdDecompress(body) : undefined;
}

const gunzipAhead = promisify(gunzip) as (body: Uint8Array, options: ZlibOptions) => Promise<Uint8Array>;

export type StoredBody = Pick<WalRecord, "lsn" | "compression" | "decodedBytes" | "body">;

/** Below this it is done at once: what the hop to another thread costs is more than it frees. */
const decompressAheadBytesMin = 64 * 1024;

/** One buffer of the right size: by default the output is gathered from parts of 16 KiB. */
function optionsOf({ decodedBytes }: StoredBody): { maxOutputLength: number; chunkSize: number } {
  // Neither may be 0: an empty body is decompressed into at most one byte and found out afterwards.
  return { maxOutputLength: Math.max(decodedBytes, 1), chunkSize: Math.max(decodedBytes, 64) };
}

function checked({ lsn, decodedBytes }: StoredBody, decoded: Uint8Array): Uint8Array {
  if (decoded.length === decodedBytes) return decoded;
  throw new OpenWitError(
    "corrupt",
    `the body of WAL record ${lsn} has ${decoded.length} bytes, its header says ${decodedBytes}`,
  );
}

function corrupt({ lsn, compression }: StoredBody, cause: unknown): OpenWitError {
  return new OpenWitError("corrupt", `the ${compression} body of WAL record ${lsn} cannot be decompressed`, {
    cause,
  });
}
