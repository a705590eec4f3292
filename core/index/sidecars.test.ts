import { expect, test } from "bun:test";
import type { Disk } from "../env/disk.ts";
import { silentLog } from "../env/log.ts";
import { OpenWitError } from "../error.ts";
import { all } from "./predicate.ts";
import { SidecarIndexes } from "./sidecars.ts";

const segment = {
  id: "019b7c3f5e0011112222333344ff",
  signal: "logs",
  path: "parquet/a.parquet",
  rows: 17_000,
} as const;

function failingDisk(error: OpenWitError): { disk: Disk; tries: () => number } {
  let tries = 0;
  const open = () => {
    tries++;
    return Promise.reject(error);
  };
  return { disk: { open } as Partial<Disk> as Disk, tries: () => tries };
}

test("an index that cannot be opened now is tried again; one that is not there is not", async () => {
  const crowded = failingDisk(new OpenWitError("io", "too many open files"));
  const later = new SidecarIndexes(crowded.disk, silentLog);
  expect(await later.candidates(segment, all)).toBeUndefined();
  expect(await later.candidates(segment, all)).toBeUndefined();
  expect([crowded.tries(), later.unusable.size]).toEqual([2, 0]);

  const missing = failingDisk(new OpenWitError("not_found", "no such file"));
  const never = new SidecarIndexes(missing.disk, silentLog);
  expect(await never.candidates(segment, all)).toBeUndefined();
  expect(await never.candidates(segment, all)).toBeUndefined();
  expect([missing.tries(), never.unusable.get(segment.id)]).toEqual([1, "none"]);
});
