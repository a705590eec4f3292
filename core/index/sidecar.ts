/**
 * One open index file: reads the parts that a look-up needs, by range, and keeps the small ones.
 *
 * Everything that is read is checked, and a file that does not fit its segment is refused: a wrong index would lose
 * rows without a word.
 */
import type { Disk, DiskFile } from "../env/disk.ts";
import { OpenWitError } from "../error.ts";
import { crc32c } from "../wal/crc32c.ts";
import { BlockSet } from "./blocks.ts";
import { headerBytes, type IndexHeader, parseFields, parseIndexHeader, type SectionName } from "./format.ts";
import { type BlockTimes, type IndexedSegment } from "./indexes.ts";
import { checkBucket, findInBucket, placeOf } from "./postings.ts";
import {
  chunksWithPrefix,
  inflateWords,
  parseWordDirectory,
  type WordChunk,
  wordsContaining,
} from "./words.ts";

export class Sidecar {
  /** Bytes of each bucket. */
  readonly #lengths: Uint16Array;
  /** Offset of every 64th bucket in its section: all of them would take twice the memory. */
  readonly #offsets: Uint32Array;
  #times: BlockTimes | undefined;
  #wordDirectory: WordChunk[] | undefined;

  private constructor(readonly file: DiskFile, readonly header: IndexHeader, lengths: Uint16Array) {
    this.#lengths = lengths;
    this.#offsets = new Uint32Array(Math.ceil(lengths.length / offsetEvery));
    let offset = 0;
    for (let bucket = 0; bucket < lengths.length; bucket++) {
      if (bucket % offsetEvery === 0) this.#offsets[bucket / offsetEvery] = offset;
      offset += lengths[bucket];
    }
  }

  /**
   * Opens an index file.
   * @param segment what it has to be of; absent where any will do
   * @throws OpenWitError `not_found`, `io`; `corrupt`, `unsupported`
   */
  static async open(
    disk: Disk,
    path: string,
    segment?: Pick<IndexedSegment, "id" | "signal" | "rows">,
  ): Promise<Sidecar> {
    const file = await disk.open(path, "read");
    try {
      const header = parseIndexHeader(await readAt(file, 0, headerBytes));
      if (
        segment !== undefined &&
        (header.segmentId !== segment.id || header.signal !== segment.signal || header.rows !== segment.rows)
      ) {
        throw corrupt(
          `${path} is of segment ${header.segmentId} with ${header.rows} rows of ${header.signal}`,
        );
      }
      const lengths = await readSection(file, header, "bucketLengths");
      if (lengths.length !== 2 ** header.shape.bucketBits * 2) throw corrupt(`${path} has too few buckets`);
      return new Sidecar(file, header, new Uint16Array(lengths.slice().buffer));
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  close(): Promise<void> {
    return this.file.close();
  }

  /** About what it keeps in memory. */
  get memoryBytes(): number {
    return this.#lengths.byteLength + this.#offsets.byteLength + (this.#wordDirectory?.length ?? 0) * 100 +
      this.header.blockCount * 16 +
      1_000;
  }

  /** The blocks that have a token; a set of none where no block has. @throws OpenWitError `corrupt`, `io` */
  async blocksOf(key: number): Promise<BlockSet> {
    const { shape, blockCount } = this.header;
    const { bucket, rest } = placeOf(key, shape);
    const bytes = await this.#bucket(bucket);
    return findInBucket(bytes, rest, shape, blockCount) ?? new BlockSet(blockCount);
  }

  /**
   * Listed words and runs that contain a text.
   * @param isPrefix whether only those that begin with it are wanted
   * @returns `undefined` when there are more than `max`
   * @throws OpenWitError `corrupt`, `io`
   */
  async wordsWith(text: string, isPrefix: boolean, max: number): Promise<string[] | undefined> {
    this.#wordDirectory ??= parseWordDirectory(await readSection(this.file, this.header, "wordDirectory"));
    const chunks = isPrefix ? chunksWithPrefix(this.#wordDirectory, text) : this.#wordDirectory;
    const section = this.header.sections.words;
    const found: string[] = [];
    for (const { offset, length } of chunks) {
      if (offset + length > section.length) throw corrupt("a chunk of words lies beyond its section");
      const words = inflateWords(await readAt(this.file, section.offset + offset, length));
      for (const word of wordsContaining(words, isPrefix ? `\n${text}` : text)) {
        found.push(word);
        if (found.length > max) return undefined;
      }
    }
    return found;
  }

  /** @throws OpenWitError `corrupt`, `io` */
  async times(): Promise<BlockTimes> {
    if (this.#times !== undefined) return this.#times;
    const bytes = await readSection(this.file, this.header, "times");
    const { blockCount } = this.header;
    if (bytes.length !== blockCount * 16) {
      throw corrupt(`${bytes.length} bytes of times for ${blockCount} blocks`);
    }
    const all = new BigInt64Array(bytes.slice().buffer);
    const pick = (offset: number) =>
      BigInt64Array.from({ length: blockCount }, (_, block) => all[block * 2 + offset]);
    return this.#times = { min: pick(0), max: pick(1) };
  }

  /** Names of the keys that rows have. @throws OpenWitError `corrupt`, `io` */
  async fields(): Promise<string[]> {
    return parseFields(await readSection(this.file, this.header, "fields"));
  }

  /** Reads all of it and checks what can be checked. @throws OpenWitError `corrupt`, `io` */
  async verify(): Promise<void> {
    const { header, file } = this;
    const buckets = await readSection(file, header, "buckets");
    let tokens = 0, at = 0;
    for (const length of this.#lengths) {
      tokens += checkBucket(buckets.subarray(at, at += length), header.shape, header.blockCount);
    }
    if (at !== buckets.length) throw corrupt("its buckets have other lengths");
    if (tokens !== header.tokens) throw corrupt(`it has ${tokens} tokens, its header says ${header.tokens}`);
    await readSection(file, header, "words");
    for (const { offset, length } of parseWordDirectory(await readSection(file, header, "wordDirectory"))) {
      inflateWords(await readAt(file, header.sections.words.offset + offset, length));
    }
    await this.times();
    await this.fields();
  }

  async #bucket(bucket: number): Promise<Uint8Array> {
    const length = this.#lengths[bucket];
    if (length === 0) return noBytes;
    let from = this.#offsets[Math.floor(bucket / offsetEvery)];
    for (let before = bucket - bucket % offsetEvery; before < bucket; before++) from += this.#lengths[before];
    return await readAt(this.file, this.header.sections.buckets.offset + from, length);
  }
}

const offsetEvery = 64;
const noBytes = new Uint8Array(0);

/** A section whole, checked. @throws OpenWitError `corrupt`, `io` */
async function readSection(file: DiskFile, header: IndexHeader, name: SectionName): Promise<Uint8Array> {
  const { offset, length, checksum } = header.sections[name];
  const bytes = await readAt(file, offset, length);
  if (crc32c(bytes) !== checksum) throw corrupt(`the checksum of its ${name} does not fit`);
  return bytes;
}

/** An index takes a few megabytes. */
const readBytesMax = 512 * 1024 * 1024;

async function readAt(file: DiskFile, offset: number, length: number): Promise<Uint8Array> {
  if (length > readBytesMax) throw corrupt(`a part of ${length} bytes`);
  const bytes = new Uint8Array(length);
  for (let filled = 0; filled < length;) {
    const read = await file.read(bytes.subarray(filled), offset + filled);
    if (read === 0) throw corrupt(`it ends at byte ${offset + filled}`);
    filled += read;
  }
  return bytes;
}

function corrupt(what: string): OpenWitError {
  return new OpenWitError("corrupt", `cannot read an index: ${what}`, { hint: "openwit index rebuild" });
}
