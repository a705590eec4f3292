/** `openwit inspect FILE`: prints what is in any file that OpenWit writes; it reads, and nothing more. */
import { Buffer } from "node:buffer";
import { stat } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import process from "node:process";
import { OpenWitError } from "../../core/error.ts";
import { type Disk, readFile } from "../../core/env/disk.ts";
import { Chunk } from "../../core/model/chunk.ts";
import { isoTimestamp, rowOf } from "../../core/model/row.ts";
import {
  decodeFrame,
  decodeManifestHeader,
  frameMark,
  manifestHeaderBytes,
  manifestVersion,
} from "../../core/manifest/format.ts";
import { decodeRequest } from "../../core/otlp/decode.ts";
import { jsonToProtobuf } from "../../core/otlp/json.ts";
import { readParquetFooter } from "../../core/segment/reader.ts";
import { decodeBody } from "../../core/wal/body.ts";
import {
  decodeRecord,
  decodeWalHeader,
  peekRecord,
  recordHeaderBytes,
  recordMark,
  walHeaderBytes,
  type WalRecord,
  walVersion,
} from "../../core/wal/format.ts";
import { NodeDisk } from "../disk/disk.ts";
import { parseFlags } from "./flags.ts";
import type { Command } from "./main.ts";

export const inspectCommand: Command = {
  usage: `openwit inspect: print what is in a WAL, manifest or segment file, as NDJSON.

Usage: openwit inspect [options] FILE

Options:
  --rows                 of a WAL file also the decoded rows of each request

The first line says what the file is; one line follows for each record, edit, column and row group.

Example:
  openwit inspect data/wal/0000000000000001.wal
`,
  async run(args) {
    const { values, positionals } = parseFlags(args, { rows: { type: "boolean" } }, "inspect");
    if (positionals.length !== 1) {
      throw new OpenWitError("invalid_argument", `inspect takes one file, not ${positionals.length}`, {
        hint: "openwit inspect --help",
      });
    }
    const path = resolve(positionals[0]);
    const found = await stat(path).catch(() => undefined); // any reason why it cannot be seen is said below
    if (found === undefined || !found.isFile()) {
      throw new OpenWitError("not_found", `there is no file ${positionals[0]}`);
    }
    const disk = new NodeDisk(dirname(path));
    const inspect = inspectorOf(basename(path));
    for await (const line of inspect(disk, basename(path), values.rows === true)) {
      process.stdout.write(JSON.stringify(line, exact) + "\n");
    }
    return 0;
  },
};

type Inspector = (disk: Disk, name: string, rows: boolean) => AsyncGenerator<unknown>;

function inspectorOf(name: string): Inspector {
  if (/\.wal$/.test(name)) return inspectWal;
  if (/\.log$/.test(name)) return inspectManifest;
  if (/\.parquet$/.test(name)) return inspectSegment;
  if (/\.json$/.test(name)) return inspectJson;
  throw new OpenWitError("invalid_argument", `${name} is no file of ours by its name`, {
    hint: "inspect reads .wal, .log (manifest), .parquet and .json files",
  });
}

async function* inspectWal(disk: Disk, name: string, rows: boolean): AsyncGenerator<unknown> {
  const bytes = await readFile(disk, name);
  const header = decodeWalHeader(bytes.subarray(0, walHeaderBytes), name);
  if (header === undefined) {
    throw new OpenWitError("corrupt", `the header of ${name} is damaged: no record can be checked`);
  }
  yield { file: name, kind: "wal", version: walVersion, first_lsn: header.firstLsn, bytes: bytes.length };
  let at = walHeaderBytes;
  while (at < bytes.length) {
    const peek = peekRecord(bytes.subarray(at, at + recordHeaderBytes), header);
    const record = peek === undefined
      ? undefined
      : decodeRecord(bytes.subarray(at, at + peek.length), header, name);
    if (peek === undefined || record === undefined) {
      const next = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf(recordMark, at + 1);
      const end = next < 0 ? bytes.length : next;
      yield { offset: at, damaged_bytes: end - at };
      at = end;
      continue;
    }
    yield* describeRecord(record, at, rows);
    at += peek.length;
  }
}

function* describeRecord(record: WalRecord, offset: number, rows: boolean): Generator<unknown> {
  const { body, hash, receivedAtNs, signal, ...rest } = record;
  const stored = { hash: hash.toHex(), stored_bytes: body.length };
  yield { offset, ...rest, signal, received_at: isoTimestamp(receivedAtNs), ...stored };
  if (!rows) return;
  const decoded = decodeBody(record);
  const chunk = new Chunk(signal);
  decodeRequest(
    signal,
    record.encoding === "json" ? jsonToProtobuf(signal, decoded) : decoded,
    chunk,
    receivedAtNs,
  );
  for (let row = 0; row < chunk.rows; row++) yield { lsn: record.lsn, row: rowOf(chunk, row) };
}

async function* inspectManifest(disk: Disk, name: string): AsyncGenerator<unknown> {
  const bytes = await readFile(disk, name);
  const checksum = decodeManifestHeader(bytes, name);
  if (checksum === undefined) {
    throw new OpenWitError("corrupt", `the header of ${name} is damaged: no edit can be checked`);
  }
  yield { file: name, kind: "manifest", version: manifestVersion, bytes: bytes.length };
  let at = manifestHeaderBytes;
  while (at < bytes.length) {
    const decoded = decodeFrame(bytes, at, checksum);
    if (decoded === undefined) {
      const next = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf(frameMark, at + 1);
      const end = next < 0 ? bytes.length : next;
      yield { offset: at, damaged_bytes: end - at };
      at = end;
      continue;
    }
    yield { offset: at, ...decoded.frame };
    at = decoded.end;
  }
}

async function* inspectSegment(disk: Disk, name: string): AsyncGenerator<unknown> {
  const { keyValues, schema, rowGroups, ...rest } = await readParquetFooter(disk, name);
  const ours = Object.fromEntries(Object.entries(keyValues).filter(([key]) => key.startsWith("openwit.")));
  yield {
    file: name,
    kind: "segment",
    version: ours["openwit.format"],
    ...rest,
    row_groups: rowGroups.length,
    ...ours,
  };
  for (const column of schema) {
    const path = column.path.join(".");
    const chunks = rowGroups.flatMap(({ columns }) =>
      columns.filter((chunk) => chunk.path.join(".") === path)
    );
    yield {
      column: path,
      field_id: column.fieldId,
      type: column.type,
      repetition: column.repetition,
      ...(column.isGroup
        ? {}
        : { compressed_bytes: chunks.reduce((sum, chunk) => sum + chunk.compressedBytes, 0) }),
    };
  }
  for (const [index, group] of rowGroups.entries()) {
    yield { row_group: index, rows: group.rows, bytes: group.bytes, compressed_bytes: group.compressedBytes };
  }
}

async function* inspectJson(disk: Disk, name: string): AsyncGenerator<unknown> {
  yield { file: name, kind: "json", version: 1 };
  yield JSON.parse(new TextDecoder().decode(await readFile(disk, name)));
}

function exact(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}
