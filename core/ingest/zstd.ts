/**
 * Reads the frame and block headers of a zstd stream (RFC 8878) without decompressing it: whether it is
 * whole, and how much can come out. Decoders of node:zlib take a truncated stream for an empty one, and take
 * no notice of bytes after the last frame.
 */

export interface ZstdFound {
  readonly frames: number;
  /** Sum of what the frames say that they hold; `undefined` when one does not say. */
  readonly contentBytes: number | undefined;
  /** What can come out at most, by the blocks. */
  readonly boundBytes: number;
  /** The largest window that a decoder must keep. */
  readonly windowBytes: number;
}

/** Whether a stream is one frame that says that it holds so many bytes: then a decoder without a bound is safe. */
export function isFrameOf(bytes: Uint8Array, contentBytes: number): boolean {
  const found = inspectZstd(bytes);
  return typeof found !== "string" && found.frames === 1 && found.contentBytes === contentBytes;
}

/** What is in a stream, or what is wrong with it. */
export function inspectZstd(bytes: Uint8Array): ZstdFound | string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let frames = 0, boundBytes = 0, windowBytes = 0, contentBytes: number | undefined = 0;
  let at = 0;
  if (bytes.length === 0) return "it is empty";
  while (at < bytes.length) {
    if (at + 8 > bytes.length) return "it ends within the header of a frame";
    const magic = view.getUint32(at, true);
    if ((magic & 0xffff_fff0) >>> 0 === 0x184d_2a50) {
      at += 8 + view.getUint32(at + 4, true); // a skippable frame
      if (at > bytes.length) return "it ends within a skippable frame";
      continue;
    }
    if (magic !== 0xfd2f_b528) return `there is no frame at byte ${at}`;
    const frame = readFrame(bytes, view, at + 4);
    if (typeof frame === "string") return frame;
    frames++;
    at = frame.end;
    boundBytes += frame.boundBytes;
    windowBytes = Math.max(windowBytes, frame.windowBytes);
    if (frame.contentBytes === undefined || contentBytes === undefined) contentBytes = undefined;
    else contentBytes += frame.contentBytes;
  }
  return frames === 0 ? "it has no frame" : { frames, contentBytes, boundBytes, windowBytes };
}

const blockBytesMax = 128 * 1024;

interface Frame {
  readonly end: number;
  readonly contentBytes: number | undefined;
  readonly boundBytes: number;
  readonly windowBytes: number;
}

function readFrame(bytes: Uint8Array, view: DataView, start: number): Frame | string {
  let at = start;
  const descriptor = bytes[at++];
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const hasChecksum = (descriptor & 0x04) !== 0;
  const sizeFlag = descriptor >> 6;
  const sizeLength = sizeFlag === 0 ? (isSingleSegment ? 1 : 0) : 1 << sizeFlag;
  const dictionaryLength = [0, 1, 2, 4][descriptor & 3];
  const headerEnd = at + (isSingleSegment ? 0 : 1) + dictionaryLength + sizeLength;
  if (headerEnd > bytes.length) return "it ends within the header of a frame";
  let windowBytes = 0;
  if (!isSingleSegment) {
    const window = bytes[at++];
    const base = 2 ** (10 + (window >> 3));
    windowBytes = base + base / 8 * (window & 7);
  }
  if (dictionaryLength > 0 && bytes.subarray(at, at + dictionaryLength).some((byte) => byte !== 0)) {
    return "it needs a dictionary";
  }
  at += dictionaryLength;
  let contentBytes: number | undefined;
  if (sizeLength === 1) contentBytes = bytes[at];
  else if (sizeLength === 2) contentBytes = view.getUint16(at, true) + 256;
  else if (sizeLength === 4) contentBytes = view.getUint32(at, true);
  else if (sizeLength === 8) contentBytes = Number(view.getBigUint64(at, true));
  at = headerEnd;
  if (isSingleSegment) windowBytes = contentBytes!;
  const blocks = readBlocks(bytes, at);
  if (typeof blocks === "string") return blocks;
  const end = blocks.end + (hasChecksum ? 4 : 0);
  if (end > bytes.length) return "it ends within a checksum";
  return { end, contentBytes, boundBytes: blocks.boundBytes, windowBytes };
}

function readBlocks(bytes: Uint8Array, start: number): { end: number; boundBytes: number } | string {
  let at = start, boundBytes = 0;
  for (;;) {
    if (at + 3 > bytes.length) return "it ends within a block";
    const header = bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16;
    const kind = header >> 1 & 3, size = header >> 3;
    if (kind === 3) return `there is no block at byte ${at}`;
    at += 3 + (kind === 1 ? 1 : size); // 0 raw, 1 one byte repeated, 2 compressed
    if (at > bytes.length) return "it ends within a block";
    boundBytes += kind === 2 ? blockBytesMax : size;
    if ((header & 1) !== 0) return { end: at, boundBytes };
  }
}
