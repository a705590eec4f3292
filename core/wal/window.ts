/** A file read through a buffer that moves along it: any part by offset, in bounded memory. */
import type { DiskFile } from "../env/disk.ts";

/** Some records of usual size: one that is cut off by the window's end is read again with the next. */
const windowBytes = 1024 * 1024;

export class FileWindow {
  /** Length of the record last decoded from here, for who reads records back to back. */
  recordBytes = 0;
  readonly #buffer: Uint8Array;
  #start = 0;
  #filled = 0;

  constructor(readonly file: DiskFile, readonly size: number) {
    this.#buffer = new Uint8Array(Math.min(windowBytes, size));
  }

  /** `count` bytes at `offset`, fewer at the end of the file; a view that holds until the next call. */
  async bytes(offset: number, count: number): Promise<Uint8Array> {
    const wanted = Math.max(0, Math.min(count, this.size - offset));
    if (wanted > this.#buffer.length) {
      const large = new Uint8Array(wanted);
      return large.subarray(0, await this.#fill(large, offset));
    }
    if (offset < this.#start || offset + wanted > this.#start + this.#filled) {
      this.#start = offset;
      this.#filled = await this.#fill(this.#buffer, offset);
    }
    const at = offset - this.#start;
    return this.#buffer.subarray(at, Math.min(at + wanted, this.#filled));
  }

  /**
   * Where `pattern` begins next, at or after `offset`, with `count` bytes (fewer at the end) that `accept` takes.
   * No call a candidate goes to the disk: bytes made to look like candidates cost their share and no more.
   */
  async find(
    pattern: Uint8Array,
    offset: number,
    count: number,
    accept: (bytes: Uint8Array) => boolean,
  ): Promise<number | undefined> {
    while (offset + pattern.length <= this.size) {
      const view = await this.bytes(offset, this.#buffer.length);
      if (view.length < pattern.length) return undefined;
      const isEnd = offset + view.length === this.size;
      const searched = Buffer.from(view.buffer, view.byteOffset, view.length);
      // Candidates that are cut off by the window's end are looked at in the next one.
      const last = isEnd ? view.length - pattern.length : view.length - count;
      for (
        let at = searched.indexOf(pattern);
        at >= 0 && at <= last;
        at = searched.indexOf(pattern, at + 1)
      ) {
        if (accept(view.subarray(at, at + count))) return offset + at;
      }
      if (isEnd) return undefined;
      offset += last + 1;
    }
    return undefined;
  }

  /** The bytes from `from` to `end`, part by part. */
  async *stream(from: number, end: number): AsyncGenerator<Uint8Array> {
    for (let at = from; at < end;) {
      const part = await this.bytes(at, Math.min(windowBytes, end - at));
      if (part.length === 0) return;
      yield part;
      at += part.length;
    }
  }

  async #fill(into: Uint8Array, offset: number): Promise<number> {
    let filled = 0;
    while (filled < into.length) {
      const read = await this.file.read(into.subarray(filled), offset + filled);
      if (read === 0) break;
      filled += read;
    }
    return filled;
  }
}
