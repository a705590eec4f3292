/**
 * One open index file: reads the parts that a look-up needs, by range, and keeps the small ones.
 *
 * Everything that is read is checked, and a file that does not fit its segment is refused: a wrong index would lose
 * rows without a word.
 */
import { OpenWitError } from "../error.ts";
import { crc32c } from "../wal/crc32c.ts";
import type { BlockSet } from "./blocks.ts";
import { bucketBytesMax, checkBucket, findInBucket } from "./bucket.ts";
import type { IndexFile } from "./file.ts";
import { headerBytes, type IndexHeader, parseFields, parseIndexHeader, type SectionName } from "./format.ts";
import type { BlockTimes, IndexedSegment } from "./indexes.ts";
import { placeOf } from "./postings.ts";
import { keyOfToken, type Token } from "./token.ts";
import {
  chunksWithPrefix,
  inflateWords,
  parseWordDirectory,
  type WordChunk,
  wordsContaining,
} from "./words.ts";

/** Room for the bucket at hand; several files may share one, for a look-up is over before the next begins. */
export function bucketRoom(): Uint8Array {
  return new Uint8Array(bucketBytesMax);
}

export class Sidecar {
  /** Bytes of each bucket. */
  readonly #lengths: Uint16Array;
  /** Offset in the file of every 64th bucket: all of them would take twice the memory. */
  readonly #offsets: Uint32Array;
  #times: BlockTimes | undefined;
  #wordDirectory: WordChunk[] | undefined;

  private constructor(
    readonly file: IndexFile,
    readonly header: IndexHeader,
    lengths: Uint16Array,
    readonly room: Uint8Array,
  ) {
    this.#lengths = lengths;
    this.#offsets = new Uint32Array(Math.ceil(lengths.length / offsetEvery));
    let { offset } = header.sections.buckets;
    for (let bucket = 0; bucket < lengths.length; bucket++) {
      if (bucket % offsetEvery === 0) this.#offsets[bucket / offsetEvery] = offset;
      offset += lengths[bucket];
    }
  }

  /**
   * An index of a file that was just opened; it is this one's to close, also where it is refused.
   * @param path of the file, for what is said of it
   * @param segment what it has to be of; absent where any will do
   * @param room as `bucketRoom` gives
   * @throws OpenWitError `io`; `corrupt`, `unsupported`
   */
  static open(
    file: IndexFile,
    path: string,
    segment?: Pick<IndexedSegment, "id" | "signal" | "rows">,
    room: Uint8Array = bucketRoom(),
  ): Sidecar {
    try {
      const header = parseIndexHeader(readAt(file, 0, headerBytes));
      if (
        segment !== undefined &&
        (header.segmentId !== segment.id || header.signal !== segment.signal || header.rows !== segment.rows)
      ) {
        throw corrupt(
          `${path} is of segment ${header.segmentId} with ${header.rows} rows of ${header.signal}`,
        );
      }
      const lengths = readSection(file, header, "bucketLengths");
      if (lengths.length !== 2 ** header.shape.bucketBits * 2) throw corrupt(`${path} has too few buckets`);
      return new Sidecar(file, header, new Uint16Array(lengths.buffer), room);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  close(): void {
    this.file.close();
  }

  /** About what it keeps in memory. */
  get memoryBytes(): number {
    return this.#lengths.byteLength + this.#offsets.byteLength + (this.#wordDirectory?.length ?? 0) * 100 +
      this.header.blockCount * 16 +
      1_000;
  }

  /** The blocks that have a token; `undefined` where none has. @throws OpenWitError `corrupt`, `io` */
  find(token: Token): BlockSet | undefined {
    const { seed, shape, blockCount } = this.header;
    const { bucket, rest } = placeOf(keyOfToken(token, seed), shape);
    const length = this.#lengths[bucket];
    if (length === 0) return undefined;
    let from = this.#offsets[bucket / offsetEvery | 0];
    for (let before = bucket & -offsetEvery; before < bucket; before++) from += this.#lengths[before];
    readInto(this.file, this.room, length, from);
    return findInBucket(this.room, length, rest, shape, blockCount);
  }

  /**
   * Listed words and runs that contain a text.
   * @param isPrefix whether only those that begin with it are wanted
   * @returns `undefined` when there are more than `max`
   * @throws OpenWitError `corrupt`, `io`
   */
  wordsWith(text: string, isPrefix: boolean, max: number): string[] | undefined {
    this.#wordDirectory ??= parseWordDirectory(readSection(this.file, this.header, "wordDirectory"));
    const chunks = isPrefix ? chunksWithPrefix(this.#wordDirectory, text) : this.#wordDirectory;
    const section = this.header.sections.words;
    const found: string[] = [];
    for (const { offset, length } of chunks) {
      if (offset + length > section.length) throw corrupt("a chunk of words lies beyond its section");
      const words = inflateWords(readAt(this.file, section.offset + offset, length));
      for (const word of wordsContaining(words, isPrefix ? `\n${text}` : text)) {
        found.push(word);
        if (found.length > max) return undefined;
      }
    }
    return found;
  }

  /** @throws OpenWitError `corrupt`, `io` */
  times(): BlockTimes {
    if (this.#times !== undefined) return this.#times;
    const bytes = readSection(this.file, this.header, "times");
    const { blockCount } = this.header;
    if (bytes.length !== blockCount * 16) {
      throw corrupt(`${bytes.length} bytes of times for ${blockCount} blocks`);
    }
    const all = new BigInt64Array(bytes.buffer);
    const pick = (offset: number) =>
      BigInt64Array.from({ length: blockCount }, (_, block) => all[block * 2 + offset]);
    return this.#times = { min: pick(0), max: pick(1) };
  }

  /** Names of the keys that rows have. @throws OpenWitError `corrupt`, `io` */
  fields(): string[] {
    return parseFields(readSection(this.file, this.header, "fields"));
  }

  /** Reads all of it and checks what can be checked. @throws OpenWitError `corrupt`, `io` */
  verify(): void {
    const { header, file } = this;
    const buckets = readSection(file, header, "buckets");
    let tokens = 0, at = 0;
    for (const length of this.#lengths) {
      tokens += checkBucket(buckets.subarray(at, at += length), header.shape, header.blockCount);
    }
    if (at !== buckets.length) throw corrupt("its buckets have other lengths");
    if (tokens !== header.tokens) throw corrupt(`it has ${tokens} tokens, its header says ${header.tokens}`);
    readSection(file, header, "words");
    for (const { offset, length } of parseWordDirectory(readSection(file, header, "wordDirectory"))) {
      inflateWords(readAt(file, header.sections.words.offset + offset, length));
    }
    this.times();
    this.fields();
  }
}

/** A power of two. */
const offsetEvery = 64;

/** A section whole, checked. @throws OpenWitError `corrupt`, `io` */
function readSection(file: IndexFile, header: IndexHeader, name: SectionName): Uint8Array<ArrayBuffer> {
  const { offset, length, checksum } = header.sections[name];
  const bytes = readAt(file, offset, length);
  if (crc32c(bytes) !== checksum) throw corrupt(`the checksum of its ${name} does not fit`);
  return bytes;
}

/** An index takes a few megabytes. */
const readBytesMax = 512 * 1024 * 1024;

/** Bytes in a buffer of their own. */
function readAt(file: IndexFile, offset: number, length: number): Uint8Array<ArrayBuffer> {
  if (length > readBytesMax) throw corrupt(`a part of ${length} bytes`);
  const bytes = new Uint8Array(length);
  readInto(file, bytes, length, offset);
  return bytes;
}

function readInto(file: IndexFile, into: Uint8Array, length: number, offset: number): void {
  for (let filled = 0; filled < length;) {
    const read = file.read(into, filled, length - filled, offset + filled);
    if (read === 0) throw corrupt(`it ends at byte ${offset + filled}`);
    filled += read;
  }
}

function corrupt(what: string): OpenWitError {
  return new OpenWitError("corrupt", `cannot read an index: ${what}`, { hint: "openwit index rebuild" });
}
