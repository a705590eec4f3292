/**
 * Gives a Parquet file other key-values in its footer, and leaves all else as it is: a segment that moves to another
 * node says there what it is there. Only the footer is written; the file must not be anybody's data yet.
 *
 * A key-value list is field 5 of FileMetaData (Parquet format 2.11). The compact protocol gives each field the distance
 * from the one before it, so that a value can be exchanged without touching its neighbours.
 */
import type { Disk, DiskFile } from "../env/disk.ts";
import { OpenWitError } from "../error.ts";
import { thriftStruct, ThriftWriter } from "../parquet/thrift_writer.ts";
import { footerLength, readParquetFooter } from "./reader.ts";
import { readThriftStruct } from "./thrift.ts";

/** Keys that the file has and `keyValues` has not stay, unless they are ours. @throws OpenWitError `malformed`, `io`, `disk_full` */
export async function rewriteKeyValues(
  disk: Disk,
  path: string,
  keyValues: Readonly<Record<string, string>>,
): Promise<void> {
  const before = await readParquetFooter(disk, path);
  const kept = Object.entries(before.keyValues).filter(([key]) => !key.startsWith("openwit."));
  const file = await disk.open(path, "update");
  try {
    const bytes = await file.size();
    const length = footerLength(await readExactly(file, bytes - 8, 8), bytes);
    const start = bytes - 8 - length;
    const footer = exchangeKeyValues(await readExactly(file, start, length), [
      ...kept,
      ...Object.entries(keyValues),
    ]);
    const tail = new Uint8Array(footer.length + 8);
    tail.set(footer);
    new DataView(tail.buffer).setUint32(footer.length, footer.length, true);
    tail.set(magic, footer.length + 4);
    await file.write(tail, start);
    await file.truncate(start + tail.length);
  } finally {
    await file.close();
  }
}

/** The footer with another list in the place of its own. @throws OpenWitError `malformed` */
export function exchangeKeyValues(
  footer: Uint8Array,
  pairs: readonly (readonly [string, string])[],
): Uint8Array {
  const list = readThriftStruct(footer).fields.get(keyValuesField);
  if (typeof list !== "object" || !("items" in list) || list.offsets.length === 0) {
    throw new OpenWitError("malformed", "the Parquet footer has no key-values");
  }
  const writer = new ThriftWriter();
  writer.list(keyValuesField, thriftStruct, pairs.length);
  for (const [key, value] of pairs) {
    writer.openItem();
    writer.binary(1, key);
    writer.binary(2, value);
    writer.close();
  }
  const exchanged = writer.sink.view().subarray(1); // without the field's own header, which the footer has
  const end = list.offsets[list.items.length];
  const bytes = new Uint8Array(list.start + exchanged.length + footer.length - end);
  bytes.set(footer.subarray(0, list.start));
  bytes.set(exchanged, list.start);
  bytes.set(footer.subarray(end), list.start + exchanged.length);
  return bytes;
}

const keyValuesField = 5;
const magic = new TextEncoder().encode("PAR1");

async function readExactly(file: DiskFile, from: number, count: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(count);
  for (let filled = 0; filled < count;) {
    const read = await file.read(bytes.subarray(filled), from + filled);
    if (read === 0) throw new OpenWitError("malformed", `the file ended at byte ${from + filled}`);
    filled += read;
  }
  return bytes;
}
