/**
 * Where the native parts of DuckDB may lie on this machine, and how they get there.
 *
 * The executable carries them compressed, or a package ships them beside it; the dynamic linker wants files. `nativeFolders` lists the places in
 * the order in which they are tried, `prepareFolder` makes one of them ready. See load.ts for the loading.
 *
 * Invariants: (1) Nobody but this user (or root) can write to a folder that is returned, nor rename any folder
 *                 above it: else another user's library would be loaded into our process.
 *             (2) A part has its final name only when it is whole and synced, so that two processes may prepare
 *                 the same folder at once and a power cut leaves nothing half-written under that name.
 *             (3) What is already there is verified by content before it is used.
 *
 * Everything here is synchronous: `require` is, and it is what waits for us.
 */
import { createHash } from "node:crypto";
import {
  chmodSync,
  closeSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname, isAbsolute, join } from "node:path";

/** One file that the linker needs, as the build recorded it. */
export interface NativePart {
  readonly name: string;
  /** Size when unpacked. */
  readonly bytes: number;
  /** Hexadecimal SHA-256 of the unpacked file. */
  readonly sha256: string;
  /** `checksumOf` the unpacked file: finds damage, not malice. */
  readonly checksum: string;
  /** Unpacked content; absent in the executable of a package. @throws when the executable is damaged */
  unpack?(): Uint8Array;
}

export interface NativeFolder {
  /** What to call it in an error. */
  readonly label: string;
  /** A folder that must exist already. */
  readonly base: string;
  /** Folders beneath `base`, made when missing, each for this user alone. */
  readonly below: readonly string[];
  /**
   * `fill`: write what is missing, into a private folder.
   * `use`: it was put there by an installation; missing or different files are an error.
   */
  readonly mode: "fill" | "use";
}

export interface NativeSurroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly executable: string;
  /** Home folder of the user; need not exist. */
  readonly home: string | undefined;
  readonly temporary: string;
  readonly uid: number;
}

/** The folders to try, best first. With `OPENWIT_NATIVE_DIR` set there is only that one. */
export function nativeFolders(parts: readonly NativePart[], around: NativeSurroundings): NativeFolder[] {
  const { env } = around;
  const own = folderName(parts);
  const fill = (label: string, base: string | undefined, below: readonly string[]): NativeFolder[] =>
    base !== undefined && isAbsolute(base) ? [{ label, base, below, mode: "fill" }] : [];

  const chosen = env["OPENWIT_NATIVE_DIR"];
  const beside: NativeFolder = {
    label: "beside the executable",
    base: dirname(around.executable),
    below: [],
    mode: "use",
  };
  if (isPackaged(parts)) {
    return [chosen ? { label: "OPENWIT_NATIVE_DIR", base: chosen, below: [], mode: "use" } : beside];
  }
  if (chosen) return [{ label: "OPENWIT_NATIVE_DIR", base: chosen, below: [own], mode: "fill" }];
  const cache = env["XDG_CACHE_HOME"];
  return [
    beside,
    // systemd gives a service these two; a private /tmp would be empty, and so written anew, at every start.
    ...fill("CacheDirectory of the service", env["CACHE_DIRECTORY"]?.split(":")[0], [own]),
    ...fill("StateDirectory of the service", env["STATE_DIRECTORY"]?.split(":")[0], ["run", own]),
    // The XDG specification has a relative path ignored.
    ...(cache && isAbsolute(cache)
      ? fill("XDG_CACHE_HOME", cache, ["openwit", own])
      : fill("cache of the user", around.home, [".cache", "openwit", own])),
    ...fill("temporary folder", around.temporary, [`openwit-${around.uid}`, own]),
  ];
}

/** Whether a package ships the parts: the executable has none to unpack, and nothing is ever written. */
export function isPackaged(parts: readonly NativePart[]): boolean {
  return parts.some(({ unpack }) => unpack === undefined);
}

/**
 * Makes `folder` hold all `parts`, verified. Returns its path.
 * @throws Error that says in one line why this folder will not do
 */
export function prepareFolder(folder: NativeFolder, parts: readonly NativePart[], uid: number): string {
  const base = realpathSync(folder.base);
  if (folder.mode === "use") {
    const check = isInstalled(base, parts) ? isUndamaged : isAuthentic;
    for (const part of parts) demand(join(base, part.name), part, check);
    return base;
  }

  for (const above of foldersDownTo(base)) checkOnlyWeWrite(above, uid);
  let path = base;
  for (const name of folder.below) {
    path = join(path, name);
    makePrivate(path);
    checkOnlyWeWrite(path, uid);
  }
  const { mode } = lstatSync(path);
  if (mode & 0o077) throw new Error(`${path} has mode ${octal(mode)}, expected 0700`);

  const missing = parts.filter((part) => difference(join(path, part.name), part, isUndamaged) !== undefined);
  if (missing.length > 0) {
    sweep(path);
    for (const part of missing) writeWhole(path, part);
    sweepOlder(dirname(path), path);
  }
  return path;
}

/** One folder a content, so that an upgrade never replaces files under a running process of the last version. */
export function folderName(parts: readonly NativePart[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(`${part.name} ${part.sha256}\n`);
  return folderPrefix + hash.digest("hex").slice(0, 16);
}

/** Hexadecimal XXH3 (64 bits), each piece of `pieceBytes` seeded with the hash of the one before. */
export function checksumOf(pieces: Iterable<Uint8Array>): string {
  let hash = 0n;
  for (const piece of pieces) hash = Bun.hash.xxHash3(piece, hash);
  return hash.toString(16);
}

/** The whole of `content` in the pieces that `checksumOf` expects. */
export function* inPieces(content: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < content.length; at += pieceBytes) yield content.subarray(at, at + pieceBytes);
}

const pieceBytes = 1 << 20;
const folderPrefix = "native-";
const temporaryMark = ".tmp-";
/** Longer than any unpacking takes, so that nobody's work in progress is swept. */
const abandonedMs = 3_600_000;
/** Unpacked parts of other versions are kept this long: two versions may be in use side by side for a while. */
const otherVersionMs = 7 * 86_400_000;

type ContentCheck = (pieces: Iterable<Uint8Array>, part: NativePart) => boolean;

/** 15 ms for 70 MB: enough where only we or root can have written. */
const isUndamaged: ContentCheck = (pieces, part) => checksumOf(pieces) === part.checksum;

/** 50 ms for 70 MB: where anybody's library may lie, such as the folder to which a browser downloads. */
const isAuthentic: ContentCheck = (pieces, part) => {
  const hash = createHash("sha256");
  for (const piece of pieces) hash.update(piece);
  return hash.digest("hex") === part.sha256;
};

/** Whether root put the parts there, and nobody else can touch them. */
function isInstalled(base: string, parts: readonly NativePart[]): boolean {
  try {
    for (const folder of foldersDownTo(base)) checkOnlyWeWrite(folder, 0);
    return parts.every((part) => {
      const { mode, uid } = lstatSync(join(base, part.name));
      return uid === 0 && (mode & 0o022) === 0;
    });
  } catch {
    return false; // absent, or writable by others: the content decides
  }
}

function demand(path: string, part: NativePart, check: ContentCheck): void {
  const why = difference(path, part, check);
  if (why) throw new Error(why);
}

/** Why the file is not the part; `undefined` when it is. */
function difference(path: string, part: NativePart, check: ContentCheck): string | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) return `${path} does not exist`;
  if (stat.size !== part.bytes) return `${path} has ${stat.size} bytes, expected ${part.bytes}`;
  const pieces = piecesOf(path);
  return check(pieces, part) ? undefined : `${path} has another content than this build`;
}

/** Through one buffer, so that a check does not add the file's size to the memory that the process keeps. */
function* piecesOf(path: string): Generator<Uint8Array> {
  const buffer = new Uint8Array(pieceBytes);
  const fd = openSync(path, "r");
  try {
    for (;;) {
      let filled = 0;
      for (let read = 1; read > 0 && filled < pieceBytes; filled += read) {
        read = readSync(fd, buffer, filled, pieceBytes - filled, null);
      }
      if (filled > 0) yield buffer.subarray(0, filled);
      if (filled < pieceBytes) return;
    }
  } finally {
    closeSync(fd);
  }
}

/** "/a/b" gives "/", "/a", "/a/b". */
function foldersDownTo(path: string): string[] {
  const above = dirname(path);
  return above === path ? [path] : [...foldersDownTo(above), path];
}

/** Root may write anywhere anyhow; in a sticky folder (such as /tmp) others cannot rename what is ours. */
function checkOnlyWeWrite(path: string, uid: number): void {
  const { mode, uid: owner, isDirectory } = describe(path);
  if (!isDirectory) throw new Error(`${path} is not a folder`);
  if (owner !== uid && owner !== 0) {
    throw new Error(`${path} belongs to user ${owner}, expected ${uid === 0 ? "root" : `${uid} or root`}`);
  }
  if (mode & 0o022 && !(mode & 0o1000)) {
    throw new Error(`${path} may be written by others (mode ${octal(mode)})`);
  }
}

/** `lstat`, not `stat`: a symbolic link below the base is not a folder of ours. */
function describe(path: string): { mode: number; uid: number; isDirectory: boolean } {
  const stat = lstatSync(path);
  return { mode: stat.mode, uid: stat.uid, isDirectory: stat.isDirectory() };
}

function makePrivate(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if ((error as { code?: string }).code !== "EEXIST") throw error;
  }
}

function writeWhole(folder: string, part: NativePart): void {
  const content = part.unpack!();
  const path = join(folder, part.name);
  const unique = crypto.getRandomValues(new Uint32Array(2)).join("-");
  const temporary = path + temporaryMark + unique;
  try {
    const fd = openSync(temporary, "wx", 0o600);
    try {
      for (let at = 0; at < content.length;) at += writeSync(fd, content, at);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    chmodSync(temporary, 0o500);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** Removes what processes left that were killed while they wrote. */
function sweep(folder: string): void {
  for (const name of readdirSync(folder)) {
    if (name.includes(temporaryMark)) removeWhenOlder(join(folder, name), abandonedMs);
  }
}

/** Removes the parts of other versions: 70 MB each is much on an edge box. */
function sweepOlder(folder: string, current: string): void {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (name.startsWith(folderPrefix) && path !== current) removeWhenOlder(path, otherVersionMs);
  }
}

function removeWhenOlder(path: string, ageMs: number): void {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat && Date.now() - stat.mtimeMs > ageMs) rmSync(path, { recursive: true, force: true });
}

function octal(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, "0");
}
