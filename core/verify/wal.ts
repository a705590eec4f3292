/**
 * Checks the WAL without changing it: the checksum of every record, what lies between and behind them, the sidecars
 * of hashes; in depth also that each body unpacks and decodes.
 */
import type { Disk } from "../env/disk.ts";
import { temporarySuffix } from "../env/disk.ts";
import { silentLog } from "../env/log.ts";
import { toOpenWitError } from "../error.ts";
import { Chunk } from "../model/chunk.ts";
import { decodeRequest } from "../otlp/decode.ts";
import { jsonToProtobuf } from "../otlp/json.ts";
import { decodeBody } from "../wal/body.ts";
import { parseWalName, walFolder, walPath, type WalRecord } from "../wal/format.ts";
import { readWal, type WalGap } from "../wal/recovery.ts";
import { type Finding, finding } from "./finding.ts";

export interface WalCheck {
  readonly findings: Finding[];
  readonly files: number;
  readonly records: number;
  readonly bytes: number;
  readonly gaps: readonly WalGap[];
  /** Greatest LSN of any record; 0 when there is none. */
  readonly lsnMax: number;
}

/** @param onBytes told of the bytes of each record that was read. @throws OpenWitError `io` */
export async function checkWal(
  disk: Disk,
  deep: boolean,
  onBytes: (bytes: number) => void,
): Promise<WalCheck> {
  const findings: Finding[] = [];
  const reading = readWal(disk, silentLog, { quarantine: false });
  const { report } = reading;
  let lsnMax = 0;
  try {
    for await (const record of reading) {
      lsnMax = Math.max(lsnMax, record.lsn);
      onBytes(record.body.length);
      const why = deep ? whyNotDecoded(record) : undefined;
      if (why !== undefined) {
        findings.push(
          finding(
            "wal_record",
            report.files.at(-1)!.path,
            `record ${record.lsn}: ${why}`,
            "OTLP that decodes",
          ),
        );
      }
    }
  } catch (thrown) {
    const error = toOpenWitError(thrown);
    if (error.code !== "unsupported") throw error;
    findings.push(finding("newer_version", walFolder, error.message, "a version that this build reads"));
  }
  for (const { path, offset, bytes, lsnFrom, lsnEnd } of report.gaps) {
    const lost = lsnEnd > lsnFrom ? `records ${lsnFrom} to ${lsnEnd - 1}` : "whole records";
    findings.push(finding("wal_gap", path, `${bytes} bytes at byte ${offset} hold no valid record`, lost));
  }
  const newest = report.files.at(-1);
  // Leftovers of older files are superseded by the file after each: a failed write was tried again there.
  if (report.tornBytes > 0 && newest !== undefined && !report.files.some((file) => file.hasLeftover)) {
    const found = `${report.tornBytes} bytes behind the last record hold no valid one`;
    findings.push(finding("wal_torn", newest.path, found, "records up to the end"));
  }
  findings.push(...await checkNames(disk, new Set(report.seen.keys())));
  return {
    findings,
    files: report.files.length,
    records: report.records,
    bytes: report.files.reduce((sum, file) => sum + file.bytes, 0),
    gaps: report.gaps,
    lsnMax,
  };
}

function whyNotDecoded(record: WalRecord): string | undefined {
  try {
    const body = decodeBody(record);
    const protobuf = record.encoding === "json" ? jsonToProtobuf(record.signal, body) : body;
    decodeRequest(record.signal, protobuf, new Chunk(record.signal), record.receivedAtNs);
  } catch (thrown) {
    return toOpenWitError(thrown).message;
  }
}

async function checkNames(disk: Disk, readable: ReadonlySet<string>): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const name of await disk.list(walFolder)) {
    const path = `${walFolder}/${name}`;
    const seen = parseWalName(name, "seen");
    if (seen !== undefined && !readable.has(walPath(seen, "seen"))) {
      findings.push(
        finding("wal_hashes", path, "it cannot be read", "hashes of requests, under one checksum"),
      );
    } else if (name.endsWith(temporarySuffix)) {
      findings.push(finding("temporary", path, "a file that was being written", "none"));
    } else if (seen === undefined && parseWalName(name) === undefined) {
      findings.push(finding("foreign", path, "a name that is none of ours", "{lsn}.wal or {lsn}.seen"));
    }
  }
  return findings;
}
