/**
 * Reads an archive from a stream, in order and in bounded memory, and checks all that can be checked without looking
 * into a segment: the structure of the tar, names and sizes against the archive's manifest, checksums, and the end.
 *
 * Invariants: (1) `segments` ends without an error only when the archive is whole: whoever has changed nothing until
 * then has been told of every damage. (2) At most the manifest and a piece of the stream are held.
 */
import { OpenWitError } from "../error.ts";
import { crc32c } from "../wal/crc32c.ts";
import {
  type ArchiveManifest,
  type ArchiveSegment,
  endEntry,
  errorEntry,
  hex,
  manifestBytesMax,
  manifestEntry,
  noteBytesMax,
  parseArchiveEnd,
  parseArchiveError,
  parseArchiveManifest,
} from "./format.ts";
import { decodeTarHeader, tarBlockBytes, type TarEntry, tarPaddingBytes } from "./tar.ts";

export interface ArchivedSegment {
  readonly segment: ArchiveSegment;
  /** To be read to its end; throws there when the bytes are not those that the manifest tells of. */
  readonly bytes: AsyncIterable<Uint8Array>;
}

export class ArchiveReader {
  private constructor(
    readonly manifest: ArchiveManifest,
    readonly manifestChecksum: number,
    readonly input: ByteInput,
  ) {}

  /** Reads up to the end of the manifest. @throws OpenWitError `malformed`, `unsupported`, `corrupt` */
  static async open(source: AsyncIterable<Uint8Array>): Promise<ArchiveReader> {
    const input = new ByteInput(source);
    const entry = await nextEntry(input, manifestEntry);
    const bytes = await wholeEntry(input, entry, manifestBytesMax);
    return new ArchiveReader(parseArchiveManifest(bytes), crc32c(bytes), input);
  }

  /** Each segment in turn, and then the end. @throws OpenWitError `malformed`, `corrupt`; what the writer said */
  async *segments(): AsyncGenerator<ArchivedSegment> {
    const { segments } = this.manifest;
    for (const segment of segments) {
      const { bytes } = await nextEntry(this.input, segment.path);
      if (bytes !== segment.bytes) {
        throw damaged(`${segment.path} has ${bytes} bytes, its manifest says ${segment.bytes}`);
      }
      let isRead = false;
      const checked = this.#checked(segment);
      yield {
        segment,
        bytes: (async function* () {
          yield* checked;
          isRead = true;
        })(),
      };
      if (!isRead) throw new OpenWitError("internal", `${segment.path} was not read to its end`);
    }
    await this.#readEnd();
  }

  async *#checked({ path, bytes, checksum }: ArchiveSegment): AsyncGenerator<Uint8Array> {
    let found = 0;
    for await (const part of this.input.parts(bytes)) {
      found = crc32c(part, found);
      yield part;
    }
    await skipPadding(this.input, bytes);
    if (found !== checksum) {
      throw damaged(`${path} has checksum ${hex(found)}, its manifest says ${hex(checksum)}`);
    }
  }

  async #readEnd(): Promise<void> {
    const { segments } = this.manifest;
    const end = parseArchiveEnd(
      await wholeEntry(this.input, await nextEntry(this.input, endEntry), noteBytesMax),
    );
    const expected = {
      segments: segments.length,
      rows: segments.reduce((sum, { rows }) => sum + rows, 0),
      bytes: segments.reduce((sum, { bytes }) => sum + bytes, 0),
      manifestChecksum: this.manifestChecksum,
    };
    for (const [field, value] of Object.entries(expected)) {
      const found = end[field as keyof typeof expected];
      if (found !== value) throw damaged(`its end says ${field} ${found}, its manifest ${value}`);
    }
    for (let block = 0; block < 2; block++) {
      if (decodeTarHeader(await this.input.take(tarBlockBytes)) !== undefined) {
        throw damaged("something follows its end");
      }
    }
    await this.input.expectZeros();
  }
}

/** @throws OpenWitError what the writer said in place of the entry */
async function nextEntry(input: ByteInput, name: string): Promise<TarEntry> {
  const at = input.offset;
  let entry: TarEntry | undefined;
  try {
    entry = decodeTarHeader(await input.take(tarBlockBytes));
  } catch (thrown) {
    if (!(thrown instanceof OpenWitError) || thrown.code !== "malformed") throw thrown;
    throw damaged(`where ${name} should be, at byte ${at}: ${thrown.message}`, thrown);
  }
  if (entry === undefined) throw damaged(`it ends at byte ${at}, before ${name}`);
  if (entry.name === errorEntry) {
    const { message, hint } = parseArchiveError(await wholeEntry(input, entry, noteBytesMax));
    throw new OpenWitError("corrupt", `the export could not go on: ${message}`, { hint });
  }
  if (entry.name === name) return entry;
  throw damaged(`at byte ${at} is ${JSON.stringify(entry.name)}, expected ${name}`);
}

async function wholeEntry(input: ByteInput, { name, bytes }: TarEntry, most: number): Promise<Uint8Array> {
  if (bytes > most) throw damaged(`${name} has ${bytes} bytes, more than ${most}`);
  const whole = await input.take(bytes);
  await skipPadding(input, bytes);
  return whole;
}

async function skipPadding(input: ByteInput, bytes: number): Promise<void> {
  const padding = await input.take(tarPaddingBytes(bytes));
  if (padding.some((byte) => byte !== 0)) throw damaged("what fills up a block is not zeros");
}

/** Bytes of a stream by count rather than by how they come. */
class ByteInput {
  /** Bytes taken. */
  offset = 0;
  #piece = new Uint8Array(0);
  readonly #source: AsyncIterator<Uint8Array>;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** The next bytes, all of them; grows with what comes and not with what was announced. @throws OpenWitError `corrupt` */
  async take(count: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    for await (const part of this.parts(count)) parts.push(part.slice());
    return parts.length === 1 ? parts[0] : new Uint8Array(Buffer.concat(parts));
  }

  /** The next bytes in pieces, each valid until the next. @throws OpenWitError `corrupt` when the stream ends before */
  async *parts(count: number): AsyncGenerator<Uint8Array> {
    for (let left = count; left > 0;) {
      if (this.#piece.length === 0 && !await this.#more()) {
        throw damaged(`it ends at byte ${this.offset}: it was cut short`);
      }
      const part = this.#piece.subarray(0, left);
      this.#piece = this.#piece.subarray(part.length);
      this.offset += part.length;
      left -= part.length;
      yield part;
    }
  }

  /** Up to the end: tar programs fill an archive up to a record of theirs. */
  async expectZeros(): Promise<void> {
    do {
      if (this.#piece.some((byte) => byte !== 0)) throw damaged("something follows its end");
      this.#piece = new Uint8Array(0);
    } while (await this.#more());
  }

  async #more(): Promise<boolean> {
    const { done, value } = await this.#source.next();
    if (done) return false;
    this.#piece = new Uint8Array(value.buffer, value.byteOffset, value.length) as Uint8Array<ArrayBuffer>;
    return true;
  }
}

function damaged(what: string, cause?: unknown): OpenWitError {
  return new OpenWitError("corrupt", `the archive is damaged: ${what}`, {
    hint: "export it again, or copy it again from where it is whole",
    cause,
  });
}
