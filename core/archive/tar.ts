/**
 * The headers of a tar archive (POSIX.1-1988 ustar, "pax" chapter of POSIX.1-2017): plain files only.
 *
 * Invariants: `decodeTarHeader` takes nothing but what `encodeTarHeader` gives, whatever else tar allows: links,
 * folders, devices, other dialects and larger numbers are refused. A name is never more than text here; what may be
 * done with it is the caller's to decide.
 */
import { OpenWitError } from "../error.ts";

export const tarBlockBytes = 512;

/** Eleven octal digits. */
export const tarFileBytesMax = 8 ** 11 - 1;

export interface TarEntry {
  readonly name: string;
  readonly bytes: number;
}

/** @param mtimeSeconds Unix time. @throws OpenWitError `too_large` when the size or the name has no place in a header */
export function encodeTarHeader({ name, bytes }: TarEntry, mtimeSeconds: number): Uint8Array {
  const { prefix, rest } = splitName(name);
  if (bytes > tarFileBytesMax) {
    throw new OpenWitError("too_large", `${name} has ${bytes} bytes, more than tar can say`);
  }
  const block = new Uint8Array(tarBlockBytes);
  const put = (field: Field, text: string) => {
    block.set(textEncoder.encode(text), field.at);
  };
  put(fields.name, rest);
  put(fields.mode, "0000600\0");
  put(fields.uid, "0000000\0");
  put(fields.gid, "0000000\0");
  put(fields.size, `${octal(bytes, 11)}\0`);
  put(fields.mtime, `${octal(Math.max(0, Math.min(mtimeSeconds, tarFileBytesMax)), 11)}\0`);
  put(fields.type, "0");
  put(fields.magic, magic);
  put(fields.prefix, prefix);
  put(fields.checksum, `${octal(checksumOf(block), 6)}\0 `);
  return block;
}

/**
 * Reads a header back; `undefined` for a block of zeros, of which two end an archive.
 * @throws OpenWitError `malformed`
 */
export function decodeTarHeader(block: Uint8Array): TarEntry | undefined {
  if (block.every((byte) => byte === 0)) return undefined;
  if (asciiOf(block, fields.magic) !== magic) throw malformed("it is no header of a ustar archive");
  const stated = numberOf(block, fields.checksum, /^([0-7]{6})\0 $/);
  if (stated !== checksumOf(block)) throw malformed("its checksum is wrong");
  const type = asciiOf(block, fields.type);
  if (type !== "0") throw malformed(`it is of type ${JSON.stringify(type)}: only plain files are taken`);
  const prefix = textOf(block, fields.prefix);
  const rest = textOf(block, fields.name);
  if (rest === "") throw malformed("a file has no name");
  return {
    name: prefix === "" ? rest : `${prefix}/${rest}`,
    bytes: numberOf(block, fields.size, /^([0-7]{11})\0$/),
  };
}

/** Zero bytes that follow a file of `bytes`, up to the next block. */
export function tarPaddingBytes(bytes: number): number {
  return (tarBlockBytes - bytes % tarBlockBytes) % tarBlockBytes;
}

interface Field {
  readonly at: number;
  readonly bytes: number;
}

const fields = {
  name: { at: 0, bytes: 100 },
  mode: { at: 100, bytes: 8 },
  uid: { at: 108, bytes: 8 },
  gid: { at: 116, bytes: 8 },
  size: { at: 124, bytes: 12 },
  mtime: { at: 136, bytes: 12 },
  checksum: { at: 148, bytes: 8 },
  type: { at: 156, bytes: 1 },
  /** With the version behind it. */
  magic: { at: 257, bytes: 8 },
  prefix: { at: 345, bytes: 155 },
} as const satisfies Record<string, Field>;

const magic = "ustar\x0000";
const textEncoder = new TextEncoder();
const textDecoder = new TextDecoder("utf-8", { fatal: true });

/** A name of more than 100 bytes is cut at a "/" that leaves both parts room; ours are ASCII. */
function splitName(name: string): { prefix: string; rest: string } {
  const { length } = textEncoder.encode(name);
  if (length <= fields.name.bytes) return { prefix: "", rest: name };
  for (let cut = name.indexOf("/"); cut > 0; cut = name.indexOf("/", cut + 1)) {
    if (length - cut - 1 <= fields.name.bytes && cut <= fields.prefix.bytes) {
      return { prefix: name.slice(0, cut), rest: name.slice(cut + 1) };
    }
  }
  throw new OpenWitError("too_large", `the name ${name} is longer than tar can say`);
}

function octal(number: number, digits: number): string {
  return number.toString(8).padStart(digits, "0");
}

/** The sum of all bytes, those of the checksum taken for spaces. */
function checksumOf(block: Uint8Array): number {
  const { at, bytes } = fields.checksum;
  let sum = 32 * bytes;
  for (let index = 0; index < tarBlockBytes; index++) {
    if (index < at || index >= at + bytes) sum += block[index];
  }
  return sum;
}

function asciiOf(block: Uint8Array, { at, bytes }: Field): string {
  return String.fromCharCode(...block.subarray(at, at + bytes));
}

function textOf(block: Uint8Array, { at, bytes }: Field): string {
  const field = block.subarray(at, at + bytes);
  const end = field.indexOf(0);
  try {
    return textDecoder.decode(end < 0 ? field : field.subarray(0, end));
  } catch (cause) {
    throw malformed("a name is not UTF-8", cause);
  }
}

function numberOf(block: Uint8Array, field: Field, pattern: RegExp): number {
  const digits = pattern.exec(asciiOf(block, field))?.[1];
  if (digits === undefined) throw malformed("a number is not written as it should be");
  return parseInt(digits, 8);
}

function malformed(what: string, cause?: unknown): OpenWitError {
  return new OpenWitError("malformed", what, { cause });
}
