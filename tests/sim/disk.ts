/**
 * A disk in memory that fails and loses power as real ones do, the same way for the same seed.
 *
 * - `cut()` is a power cut: of every file each write (and truncation) since its last sync is dropped, kept or torn by
 *   itself; of every folder each name created, renamed or removed since its last syncDir may be lost by itself.
 * - `kill()` is the end of the process alone: what was written is all there, and still not synced.
 * - A failed sync leaves what it should have made durable visible and, in part, lost at the next cut: later syncs do
 *   not bring it back (as Linux does after an error of write-back).
 * - `failAt` fails operation n; `cutAt` cuts the power at operation n; `capacityBytes` fills up.
 *
 * Operations are counted from 1 over the disk's life. After a cut, every handle and call of the process that was
 * cut off fails, until `restart()`.
 */
import { type Disk, type DiskFile, type DiskStat, folderOf } from "../../core/env/disk.ts";
import { type Random, randomBelow, seededRandom } from "../../core/env/random.ts";
import { OpenWitError } from "../../core/error.ts";

export interface SimDiskOptions {
  /** Bytes that all files may hold together. */
  readonly capacityBytes?: number;
  /** The canary: syncs answer and do nothing. A simulation that does not notice is broken. */
  readonly syncLies?: boolean;
}

export type FailureKind = "io" | "disk_full";

export class SimDisk implements Disk {
  /** Operations so far. */
  operations = 0;
  /** What each did, for who debugs a seed; only kept when set. */
  trace: string[] | undefined;
  capacityBytes: number;
  readonly #random: Random;
  readonly #syncLies: boolean;
  #names = new Map<string, Inode | Folder>([["", folder]]);
  /** Names that survive a cut. */
  #durableNames = new Map<string, Inode | Folder>([["", folder]]);
  #nameChanges: NameChange[] = [];
  readonly #failures = new Map<number, FailureKind>();
  #failEvery: { readonly of: number; readonly kind: FailureKind } | undefined;
  #cutAt: number | undefined;
  /** Raised by every cut and kill: who holds an older one is dead. */
  #life = 0;
  #isOff = false;

  constructor(readonly seed: number, options: SimDiskOptions = {}) {
    this.#random = seededRandom(seed);
    this.#syncLies = options.syncLies ?? false;
    this.capacityBytes = options.capacityBytes ?? Infinity;
  }

  /** Fails operation n, counted from 1 over the disk's life. */
  failAt(operation: number, kind: FailureKind): void {
    this.#failures.set(operation, kind);
  }

  /** Fails one operation of `of` on average, until called with 0. */
  failOften(of: number, kind: FailureKind = "io"): void {
    this.#failEvery = of > 0 ? { of, kind } : undefined;
  }

  /** Cuts the power in the middle of operation n. */
  cutAt(operation: number | undefined): void {
    this.#cutAt = operation;
  }

  /** Whether the power is off: `restart` turns it on again. */
  get isOff(): boolean {
    return this.#isOff;
  }

  cut(): void {
    if (this.#isOff) return;
    this.#isOff = true;
    this.#life++;
    const survived = new Map(this.#durableNames);
    for (const change of this.#nameChanges) if (this.#chance(2)) applyNames(survived, change);
    const inodes = new Set([...this.#names.values(), ...survived.values()]);
    for (const inode of inodes) if (inode instanceof Inode) inode.cut(this.#random);
    // A file in a folder whose own name is gone is gone as well; makeDir syncs, so that this cannot happen to ours.
    this.#names = survived;
    this.#durableNames = new Map(survived);
    this.#nameChanges = [];
  }

  kill(): void {
    this.#life++;
  }

  /** Turns the power on; a process that begins now may use the disk. */
  restart(): void {
    this.#isOff = false;
    this.#life++;
    this.#cutAt = undefined;
    this.#failures.clear();
    this.#failEvery = undefined;
  }

  /** A view for one process: when the disk is cut, killed or restarted, its calls fail for ever. */
  process(): Disk {
    const life = this.#life;
    const guard = async <T>(
      name: string,
      work: () => T | Promise<T>,
      partly?: (isCut: boolean) => void,
    ): Promise<T> => {
      const operation = ++this.operations;
      this.trace?.push(`${operation} ${name}`);
      await undefined;
      // In one turn with the work: nothing may be cut between the two.
      this.#enter(life, operation, name, partly);
      return work();
    };
    return {
      open: (path, mode) => guard(`open ${mode} ${path}`, () => this.#open(path, mode, guard)),
      list: (path) => guard(`list ${path}`, () => this.#list(path)),
      stat: (path) => guard(`stat ${path}`, () => this.#stat(path)),
      makeDir: (path) => guard(`makeDir ${path}`, () => this.#makeDir(path)),
      rename: (from, to) => guard(`rename ${from} ${to}`, () => this.#rename(from, to)),
      remove: (path) => guard(`remove ${path}`, () => this.#remove(path)),
      removeDir: (path) => guard(`removeDir ${path}`, () => this.#removeDir(path)),
      syncDir: (path) => guard(`syncDir ${path}`, () => this.#syncDir(path)),
      space: () =>
        guard("space", () => {
          const totalBytes = Math.min(this.capacityBytes, 2 ** 40);
          return { freeBytes: Math.max(0, totalBytes - this.#usedBytes()), totalBytes };
        }),
    };
  }

  // The disk itself serves whoever uses it next: tests that neither cut nor kill need no `process()`.
  open = (path: string, mode: "read" | "create" | "update"): Promise<DiskFile> =>
    this.process().open(path, mode);
  list = (path: string): Promise<string[]> => this.process().list(path);
  stat = (path: string): Promise<DiskStat | undefined> => this.process().stat(path);
  makeDir = (path: string): Promise<void> => this.process().makeDir(path);
  rename = (from: string, to: string): Promise<void> => this.process().rename(from, to);
  remove = (path: string): Promise<void> => this.process().remove(path);
  removeDir = (path: string): Promise<void> => this.process().removeDir(path);
  syncDir = (path: string): Promise<void> => this.process().syncDir(path);
  space = (): Promise<{ freeBytes: number; totalBytes: number }> => this.process().space();

  /** Contents of all files by path, as a process would read them; costs no operation. */
  files(): Map<string, Uint8Array> {
    const files = new Map<string, Uint8Array>();
    for (const [path, node] of this.#names) if (node instanceof Inode) files.set(path, node.bytes.slice());
    return files;
  }

  /** Changes a file's bytes behind everybody's back, durably: damage. */
  damage(path: string, change: (bytes: Uint8Array) => Uint8Array | void): void {
    const inode = this.#inode(path);
    const bytes = inode.bytes.slice();
    inode.replace(change(bytes) ?? bytes);
  }

  /** Fails an operation when its time has come. */
  #enter(life: number, operation: number, name: string, partly?: (isCut: boolean) => void): void {
    if (life !== this.#life || this.#isOff) throw new OpenWitError("io", `${name}: the process is gone`);
    if (operation === this.#cutAt) {
      partly?.(true);
      this.cut();
      throw new OpenWitError("io", `${name}: power cut`);
    }
    const kind = this.#failures.get(operation) ??
      (this.#failEvery !== undefined && this.#chance(this.#failEvery.of) ? this.#failEvery.kind : undefined);
    if (kind === undefined) return;
    partly?.(false);
    throw new OpenWitError(kind, `${name}: injected at operation ${operation}`);
  }

  #open(path: string, mode: "read" | "create" | "update", guard: Guard): DiskFile {
    const existing = this.#names.get(path);
    if (mode === "create") {
      if (existing !== undefined) throw new OpenWitError("conflict", `${path} exists already`);
      if (this.#names.get(folderOf(path)) !== folder) {
        throw new OpenWitError("not_found", `no folder for ${path}`);
      }
      this.#change({ folder: folderOf(path), set: [[path, new Inode()]] });
    } else if (existing === undefined) {
      throw new OpenWitError("not_found", `${path} does not exist`);
    }
    return this.#handle(this.#inode(path), path, mode !== "read", guard);
  }

  #handle(inode: Inode, path: string, isWritable: boolean, guard: Guard): DiskFile {
    let isOpen = true;
    const checked = <T>(name: string, work: () => T, partly?: (isCut: boolean) => void): Promise<T> => {
      if (!isOpen) return Promise.reject(new OpenWitError("io", `${path} is closed`));
      return guard(`${name} ${path}`, work, partly);
    };
    const writable = () => {
      if (!isWritable) throw new OpenWitError("io", `${path} was opened for reading`);
    };
    const write = (bytes: Uint8Array, offset: number) => {
      // Bytes over others take no room; those beyond the file's end do.
      const over = Math.max(0, Math.min(bytes.length, inode.bytes.length - offset));
      const room = Math.max(0, this.capacityBytes - this.#usedBytes());
      const fits = over + Math.min(bytes.length - over, room);
      if (fits > 0) inode.write(bytes.subarray(0, fits), offset);
      if (fits < bytes.length) throw new OpenWitError("disk_full", `write ${path}: no room`);
    };
    return {
      read: (into, offset) =>
        checked("read", () => {
          const part = inode.bytes.subarray(offset, offset + into.length);
          into.set(part);
          return part.length;
        }),
      write: async (bytes, offset) => {
        writable();
        const prefix = bytes.subarray(0, randomBelow(this.#random, bytes.length + 1));
        await checked(
          `write ${bytes.length} at ${offset}`,
          () => write(bytes, offset),
          () => write(prefix, offset),
        );
      },
      sync: () =>
        checked(
          "sync",
          () => {
            if (!this.#syncLies) inode.sync();
          },
          // A cut during a sync is decided by the cut; a sync that failed has lost what it did not write.
          (isCut) => isCut || inode.failSync(this.#random),
        ),
      truncate: async (bytes) => {
        writable();
        await checked(`truncate ${bytes}`, () => inode.truncate(bytes));
      },
      size: () => checked("size", () => inode.bytes.length),
      close: async () => {
        isOpen = false; // free of charge, and possible for the dead: `finally` blocks run in them too
      },
    };
  }

  #list(path: string): string[] {
    const prefix = path === "" ? "" : `${path}/`;
    const names: string[] = [];
    for (const [each, node] of this.#names) {
      if (each === "" || !each.startsWith(prefix) || each.indexOf("/", prefix.length) >= 0) continue;
      names.push(each.slice(prefix.length) + (node === folder ? "/" : ""));
    }
    return names.sort();
  }

  #stat(path: string): DiskStat | undefined {
    const node = this.#names.get(path);
    if (node === undefined) return undefined;
    if (node === folder) return { bytes: 0, allocatedBytes: 0, isFolder: true };
    const { length } = (node as Inode).bytes;
    return { bytes: length, allocatedBytes: Math.ceil(length / 4096) * 4096, isFolder: false };
  }

  #makeDir(path: string): void {
    if (path === "") return;
    this.#makeDir(folderOf(path));
    const existing = this.#names.get(path);
    if (existing === folder) return;
    if (existing !== undefined) throw new OpenWitError("conflict", `${path} is a file`);
    this.#names.set(path, folder);
    this.#durableNames.set(path, folder);
  }

  #rename(from: string, to: string): void {
    const inode = this.#names.get(from);
    if (inode === undefined) throw new OpenWitError("not_found", `${from} does not exist`);
    if (this.#names.get(folderOf(to)) !== folder) throw new OpenWitError("not_found", `no folder for ${to}`);
    this.#change({ folder: folderOf(to), set: [[from, undefined], [to, inode]] });
  }

  #remove(path: string): void {
    const node = this.#names.get(path);
    if (node === folder) throw new OpenWitError("io", `${path} is a folder`);
    if (node !== undefined) this.#change({ folder: folderOf(path), set: [[path, undefined]] });
  }

  #removeDir(path: string): void {
    if (this.#names.get(path) !== folder || this.#list(path).length > 0) return;
    this.#change({ folder: folderOf(path), set: [[path, undefined]] });
  }

  #syncDir(path: string): void {
    if (this.#names.get(path) !== folder) throw new OpenWitError("not_found", `no folder ${path}`);
    if (this.#syncLies) return;
    for (const change of this.#nameChanges) {
      if (change.folder === path) applyNames(this.#durableNames, change);
    }
    this.#nameChanges = this.#nameChanges.filter((change) => change.folder !== path);
  }

  #change(change: NameChange): void {
    applyNames(this.#names, change);
    this.#nameChanges.push(change);
  }

  #inode(path: string): Inode {
    const node = this.#names.get(path);
    if (!(node instanceof Inode)) throw new OpenWitError("io", `${path} is no file`);
    return node;
  }

  #usedBytes(): number {
    let bytes = 0;
    for (const node of this.#names.values()) if (node instanceof Inode) bytes += node.bytes.length;
    return bytes;
  }

  /** True one time in `of`. */
  #chance(of: number): boolean {
    return randomBelow(this.#random, of) === 0;
  }
}

type Guard = <T>(name: string, work: () => T | Promise<T>, partly?: (isCut: boolean) => void) => Promise<T>;
type Folder = typeof folder;

const folder = Symbol("folder");

/** Names that change together; durable after syncDir of `folder`. */
interface NameChange {
  readonly folder: string;
  readonly set: readonly (readonly [string, Inode | Folder | undefined])[];
}

function applyNames(names: Map<string, Inode | Folder>, { set }: NameChange): void {
  for (const [path, node] of set) {
    if (node === undefined) names.delete(path);
    else names.set(path, node);
  }
}

type Change = { readonly offset: number; readonly bytes: Uint8Array } | { readonly length: number };

/** Sectors are what a disk writes whole. */
const sectorBytes = 512;

/** A file's contents: as a process reads them, and as a power cut may leave them. */
class Inode {
  bytes = new Uint8Array(0);
  #durable = new Uint8Array(0);
  #unsynced: Change[] = [];

  write(bytes: Uint8Array, offset: number): void {
    const change = { offset, bytes: bytes.slice() };
    this.bytes = changed(this.bytes, change);
    this.#unsynced.push(change);
  }

  truncate(length: number): void {
    this.bytes = changed(this.bytes, { length });
    this.#unsynced.push({ length });
  }

  sync(): void {
    for (const change of this.#unsynced) this.#durable = changed(this.#durable, change);
    this.#unsynced = [];
  }

  failSync(random: Random): void {
    for (const change of this.#unsynced) this.#survive(change, random);
    this.#unsynced = [];
  }

  cut(random: Random): void {
    this.failSync(random);
    this.bytes = this.#durable.slice();
  }

  replace(bytes: Uint8Array): void {
    this.bytes = bytes.slice();
    this.#durable = bytes.slice();
    this.#unsynced = [];
  }

  /** One change that was never synced: dropped, kept, or (a write) torn. */
  #survive(change: Change, random: Random): void {
    const fate = randomBelow(random, 3);
    if (fate === 0) return;
    if (fate === 1 || "length" in change) {
      this.#durable = changed(this.#durable, change);
      return;
    }
    // Torn: sectors reach the disk in any order. Sometimes a mere prefix does.
    const isPrefix = randomBelow(random, 2) === 0;
    const end = isPrefix ? randomBelow(random, change.bytes.length + 1) : change.bytes.length;
    for (let at = 0; at < end;) {
      const sector = Math.min(end, at + sectorBytes - (change.offset + at) % sectorBytes);
      if (isPrefix || randomBelow(random, 2) === 0) {
        this.#durable = changed(this.#durable, {
          offset: change.offset + at,
          bytes: change.bytes.subarray(at, sector),
        });
      }
      at = sector;
    }
  }
}

function changed(bytes: Uint8Array<ArrayBuffer>, change: Change): Uint8Array<ArrayBuffer> {
  if ("length" in change) {
    const result = new Uint8Array(change.length);
    result.set(bytes.subarray(0, change.length));
    return result;
  }
  const end = change.offset + change.bytes.length;
  const result = end <= bytes.length ? bytes.slice() : new Uint8Array(end);
  result.set(bytes);
  result.set(change.bytes, change.offset);
  return result;
}
