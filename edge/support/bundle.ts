/**
 * A support bundle: what somebody who is to help with a box needs to see of it, as one tar.gz (tar as archives have it,
 * core/archive/tar.ts; gzip by RFC 1952), made file by file as it is read.
 *
 * Invariants: (1) nothing of records is in it: no body, no attribute, no value. What gathers the files takes counts, times,
 * names of streams and words of our own alone. (2) Everything passes the redactor. (3) What cannot be gathered says
 * why in its own file: a bundle is wanted most when something is broken.
 */
import { encodeTarHeader, tarBlockBytes, tarPaddingBytes } from "../../core/archive/tar.ts";
import { toOpenWitError } from "../../core/error.ts";
import type { Redactor } from "../log/redact.ts";

export interface BundleFile {
  readonly name: string;
  /** What it is, and what it is for: README.txt lists it. */
  readonly why: string;
  /** A text as it is, any other value as JSON. */
  gather(): unknown;
}

/** What a bundle is made of: all that is told of a box is already in words and numbers. */
export interface BundleSource {
  readonly files: readonly BundleFile[];
  readonly redactor: Redactor;
}

/** Of one file; what is beyond is cut off, and the file says so. */
const fileBytesMax = 4 * 1024 * 1024;

/** `openwit-support-20261126-001530`: the folder of the files, and the name of the bundle without `.tar.gz`. */
export function bundleName(nowMs: number): string {
  const stamp = new Date(nowMs).toISOString().slice(0, 19).replaceAll(/[-:]/g, "").replace("T", "-");
  return `openwit-support-${stamp}`;
}

export function bundleStream(source: BundleSource, nowMs: number): ReadableStream<Uint8Array> {
  const blocks = tarBlocks(source, bundleName(nowMs), nowMs);
  const tar = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await blocks.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await blocks.return(undefined);
    },
  });
  return tar.pipeThrough(new CompressionStream("gzip") as unknown as TransformStream<Uint8Array, Uint8Array>);
}

async function* tarBlocks(
  { files, redactor }: BundleSource,
  folder: string,
  nowMs: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const readme: BundleFile = {
    name: "README.txt",
    why: "This list.",
    gather: () => readmeText(files, nowMs),
  };
  for (const file of [readme, ...files]) {
    const text = redactor.text(await textOf(file, redactor));
    const bytes = new TextEncoder().encode(text);
    const kept = bytes.length <= fileBytesMax ? bytes : cutBytes(bytes);
    yield encodeTarHeader({ name: `${folder}/${file.name}`, bytes: kept.length }, Math.floor(nowMs / 1_000));
    yield kept;
    const padding = tarPaddingBytes(kept.length);
    if (padding > 0) yield new Uint8Array(padding);
  }
  yield new Uint8Array(2 * tarBlockBytes);
}

async function textOf({ gather }: BundleFile, redactor: Redactor): Promise<string> {
  try {
    const found = await gather();
    return typeof found === "string"
      ? found
      : `${JSON.stringify(redactor.value("", found), withBigints, 2)}\n`;
  } catch (thrown) {
    const { code, message } = toOpenWitError(thrown);
    return `this could not be gathered: ${code}: ${message}\n`;
  }
}

function withBigints(_name: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}

function cutBytes(bytes: Uint8Array): Uint8Array {
  const note = new TextEncoder().encode(`\n… cut off: it has ${bytes.length} bytes\n`);
  const kept = new Uint8Array(fileBytesMax);
  kept.set(bytes.subarray(0, fileBytesMax - note.length));
  kept.set(note, fileBytesMax - note.length);
  return kept;
}

function readmeText(files: readonly BundleFile[], nowMs: number): string {
  const width = Math.max(...files.map(({ name }) => name.length));
  return `An OpenWit support bundle, made at ${new Date(nowMs).toISOString()}.

Nothing of the records that the box keeps is in it: no log body, no attribute, no span, no metric value. Names of tenants
are, and of files and folders. Passwords, tokens and keys of the configuration and the log are hidden. Read it
through before you hand it on: it is plain text.

${files.map(({ name, why }) => `${name.padEnd(width)}  ${why}`).join("\n")}
`;
}
