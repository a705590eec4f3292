/**
 * `run/reserve`: a file of real bytes whose only use is to be given up when the disk is full, so that the manifest
 * edit of a deletion, the hashes of a freed WAL file and the files that a start writes find room.
 *
 * It is given up by halves: on a volume that another program fills as well, what was given may be gone before it was
 * used, and the next attempt must have room too. The bytes are not zeros, and no block is like another: file
 * systems that compress would keep nothing for those.
 */
import type { Disk } from "../env/disk.ts";
import { type Random, seededRandom } from "../env/random.ts";

export const reservePath = "run/reserve";

export class Reserve {
  #heldBytes = 0;

  private constructor(readonly disk: Disk, readonly random: Random) {}

  /** Finds the reserve that an earlier process left. @throws OpenWitError `io` */
  static async open(disk: Disk, random: Random): Promise<Reserve> {
    const reserve = new Reserve(disk, random);
    reserve.#heldBytes = (await disk.stat(reservePath))?.bytes ?? 0;
    return reserve;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Frees half of it, or all when little is left; returns the bytes. @throws OpenWitError `io` */
  async give(): Promise<number> {
    if (this.#heldBytes === 0) return 0;
    if (await this.disk.stat(reservePath) === undefined) return this.#heldBytes = 0; // someone took it away
    const left = this.#heldBytes < leastBytes ? 0 : Math.floor(this.#heldBytes / 2);
    const given = this.#heldBytes - left;
    const file = await this.disk.open(reservePath, "update");
    try {
      await file.truncate(left);
      await file.sync(); // the blocks are free once the truncation is durable, on some file systems
    } finally {
      await file.close();
    }
    this.#heldBytes = left;
    return given;
  }

  /** Brings it to `bytes`. @throws OpenWitError `disk_full`, `io`: then it holds what it did before, or somewhat more */
  async take(bytes: number): Promise<void> {
    if (this.#heldBytes >= bytes) return;
    await this.disk.makeDir("run");
    const isThere = await this.disk.stat(reservePath) !== undefined;
    const file = await this.disk.open(reservePath, isThere ? "update" : "create");
    try {
      this.#heldBytes = await file.size();
      const noise = seededRandom(this.random.uint32());
      while (this.#heldBytes < bytes) {
        const part = new Uint32Array(Math.ceil(Math.min(partBytes, bytes - this.#heldBytes) / 4));
        for (let at = 0; at < part.length; at++) part[at] = noise.uint32();
        await file.write(new Uint8Array(part.buffer), this.#heldBytes);
        this.#heldBytes += part.byteLength;
      }
      await file.sync();
    } finally {
      await file.close();
    }
  }

  /** Cuts off what is beyond `bytes`: the budget was made smaller. @throws OpenWitError `io` */
  async shrinkTo(bytes: number): Promise<void> {
    if (this.#heldBytes <= bytes) return;
    const file = await this.disk.open(reservePath, "update");
    try {
      await file.truncate(bytes);
    } finally {
      await file.close();
    }
    this.#heldBytes = bytes;
  }
}

/** Below this a half would be too little for an edit of the manifest. */
const leastBytes = 128 * 1024;
const partBytes = 1024 * 1024;
