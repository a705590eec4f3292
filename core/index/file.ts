/**
 * How an index file is read: synchronously and by range. A statement looks into hundreds of them, a few hundred bytes
 * each, and waiting for each would take ten times as long as reading it. edge/index/files.ts reads those of a folder.
 */
export interface IndexFiles {
  /** @throws OpenWitError `not_found`, `io` */
  open(path: string): IndexFile;
}

export interface IndexFile {
  /**
   * Reads up to `length` bytes at `offset` into `into` from `at` on.
   * @returns how many there were, 0 at the end
   * @throws OpenWitError `io`
   */
  read(into: Uint8Array, at: number, length: number, offset: number): number;
  close(): void;
}

/** A file, or its beginning, that was read before. */
export function inMemory(bytes: Uint8Array): IndexFile {
  return {
    read(into, at, length, offset) {
      const part = bytes.subarray(offset, offset + length);
      into.set(part, at);
      return part.length;
    },
    close() {},
  };
}
