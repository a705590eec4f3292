/**
 * Names of segments and where they lie, in the data folder and in a bucket alike:
 *
 *   parquet/{tenant}/{year}/{month}/{day}/{node_id}/{signal}-{hour|late}-L{level}-{id}_{active|stable}.parquet
 *
 * Times are UTC. A late segment lies under the day of its earliest ingest. Ids sort by time of making.
 */
import type { Clock } from "../env/clock.ts";
import type { Random } from "../env/random.ts";
import { OpenWitError } from "../error.ts";
import { type Signal, signals } from "../model/columns.ts";
import { tenantSource } from "../tenant.ts";

export interface SegmentName {
  readonly tenant: string;
  readonly signal: Signal;
  /** Hours since 1970 UTC: of the events; of the earliest ingest when `late`. */
  readonly hour: number;
  readonly late: boolean;
  readonly nodeId: string;
  /** 0 and 1 are written while their hour is open, 2 after it was merged for good. */
  readonly level: number;
  readonly id: string;
}

/** Folder under which every segment lies. */
export const segmentRoot = "parquet";

/** Least level whose name ends in `_stable`. */
const stableLevel = 2;

export function segmentPath({ tenant, signal, hour, late, nodeId, level, id }: SegmentName): string {
  const [day, time] = new Date(hour * 3_600_000).toISOString().split("T");
  const state = level >= stableLevel ? "stable" : "active";
  const lane = late ? "late" : time.slice(0, 2);
  return `${segmentRoot}/${tenant}/${
    day.replaceAll("-", "/")
  }/${nodeId}/${signal}-${lane}-L${level}-${id}_${state}.parquet`;
}

/**
 * What a path says. The hour of a late segment is its day's first one: the name has no other.
 * @throws OpenWitError `malformed` for any path that `segmentPath` does not give
 */
export function parseSegmentPath(path: string): SegmentName {
  const groups = pathPattern.exec(path)?.groups;
  const signal = groups?.signal as Signal | undefined;
  if (groups === undefined || signal === undefined || !signals.includes(signal)) throw notASegment(path);
  const late = groups.lane === "late";
  const startMs = Date.UTC(
    Number(groups.year),
    Number(groups.month) - 1,
    Number(groups.day),
    late ? 0 : Number(groups.lane),
  );
  const name: SegmentName = {
    tenant: groups.tenant,
    signal,
    hour: startMs / 3_600_000,
    late,
    nodeId: groups.node,
    level: Number(groups.level),
    id: groups.id,
  };
  if (segmentPath(name) !== path) throw notASegment(path); // a 30 February, or a state that its level has not
  return name;
}

/** The tenant of a segment's path, as far as it is one. */
export function tenantOfPath(path: string): string {
  return path.split("/", 2)[1] ?? "";
}

/** Whether a flush wrote the segment of a path, as far as it is one; far cheaper than to parse it. */
export function isFreshPath(path: string): boolean {
  return path.includes("-L0-", path.lastIndexOf("/"));
}

/** 48 bits of milliseconds and 64 random ones, as 28 lowercase hex digits. */
export function newSegmentId(clock: Clock, random: Random): string {
  const ms = BigInt.asUintN(48, clock.nowNs() / 1_000_000n);
  const word = () => random.uint32().toString(16).padStart(8, "0");
  return ms.toString(16).padStart(12, "0") + word() + word();
}

export function isSegmentId(text: string): boolean {
  return /^[0-9a-f]{28}$/.test(text);
}

/** Nanoseconds since 1970: the first 48 bits of an id are the milliseconds of its making. */
export function segmentMadeAtNs(id: string): bigint | undefined {
  return isSegmentId(id) ? BigInt(`0x${id.slice(0, 12)}`) * 1_000_000n : undefined;
}

const pathPattern = new RegExp(
  `^${segmentRoot}/(?<tenant>${tenantSource})/(?<year>\\d{4})/(?<month>\\d{2})/(?<day>\\d{2})` +
    `/(?<node>[A-Za-z0-9][A-Za-z0-9._-]{0,127})/(?<signal>[a-z]+)-(?<lane>\\d{2}|late)-L(?<level>\\d)` +
    `-(?<id>[0-9a-f]{28})_(?:active|stable)\\.parquet$`,
);

function notASegment(path: string): OpenWitError {
  return new OpenWitError("malformed", `${JSON.stringify(path.slice(0, 300))} is not the path of a segment`, {
    hint: `segments lie at ${segmentRoot}/{tenant}/{year}/{month}/{day}/{node_id}/`,
  });
}
