/** `openwit inspect FILE`: prints what is in any file that OpenWit writes; it reads, and nothing more. */
import { stat } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import process from "node:process";
import { OpenWitError } from "../../core/error.ts";
import { type Disk, readFile } from "../../core/env/disk.ts";
import { silentLog } from "../../core/env/log.ts";
import { Chunk } from "../../core/model/chunk.ts";
import { isoTimestamp, rowOf } from "../../core/model/row.ts";
import { readManifestEdits } from "../../core/manifest/manifest.ts";
import { decodeRequest } from "../../core/otlp/decode.ts";
import { jsonToProtobuf } from "../../core/otlp/json.ts";
import { readParquetFooter } from "../../core/segment/reader.ts";
import { decodeBody } from "../../core/wal/body.ts";
import { walVersion } from "../../core/wal/format.ts";
import { readWalFile } from "../../core/wal/recovery.ts";
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
  yield { file: name, kind: "wal", version: walVersion };
  for await (const record of readWalFile(disk, name, silentLog)) {
    const { body, hash, receivedAtNs, ...rest } = record;
    yield { ...rest, received_at: isoTimestamp(receivedAtNs), hash: hash.toHex(), stored_bytes: body.length };
    if (!rows) continue;
    const decoded = decodeBody(record);
    const chunk = new Chunk(record.signal);
    const protobuf = record.encoding === "json" ? jsonToProtobuf(record.signal, decoded) : decoded;
    decodeRequest(record.signal, protobuf, chunk, receivedAtNs);
    for (let row = 0; row < chunk.rows; row++) yield { lsn: record.lsn, row: rowOf(chunk, row) };
  }
}

async function* inspectManifest(disk: Disk, name: string): AsyncGenerator<unknown> {
  let first = true;
  for await (const entry of readManifestEdits(disk, name)) {
    if (first) yield { file: name, kind: "manifest", version: entry.formatVersion };
    first = false;
    yield entry;
  }
  if (first) yield { file: name, kind: "manifest", version: "unknown", edits: 0 };
}

async function* inspectSegment(disk: Disk, name: string): AsyncGenerator<unknown> {
  const { keyValues, schema, rowGroups, ...rest } = await readParquetFooter(disk, name);
  const ours = Object.fromEntries(Object.entries(keyValues).filter(([key]) => key.startsWith("openwit.")));
  yield { file: name, kind: "segment", version: ours["openwit.format"], ...rest, row_groups: rowGroups.length, ...ours };
  for (const column of schema) {
    const path = column.path.join(".");
    const chunks = rowGroups.flatMap(({ columns }) => columns.filter((chunk) => chunk.path.join(".") === path));
    yield {
      column: path,
      field_id: column.fieldId,
      type: column.type,
      repetition: column.repetition,
      ...(column.isGroup ? {} : { compressed_bytes: chunks.reduce((sum, chunk) => sum + chunk.compressedBytes, 0) }),
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
