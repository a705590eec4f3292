import { expect, test } from "bun:test";
import { SimDisk } from "../../tests/sim/disk.ts";
import { type ErrorCode, OpenWitError } from "../error.ts";
import { orElse } from "./fallback.ts";
import type { MergeMeasure, MergeRequest, SegmentMerger } from "./merger.ts";

const request: MergeRequest = {
  signal: "logs",
  inputs: ["parquet/in.parquet"],
  output: "parquet/out.parquet",
  keyValues: {},
  abort: new AbortController().signal,
};
const measured: MergeMeasure = { rows: 7, minTimeNs: 1n, maxTimeNs: 2n, minIngestNs: 3n, maxIngestNs: 4n };

function mergersWith(code: ErrorCode) {
  const disk = new SimDisk(1);
  const asked: string[] = [];
  const first: SegmentMerger = {
    async merge({ output }) {
      await disk.makeDir("parquet");
      await (await disk.open(output, "create")).close();
      throw new OpenWitError(code, "refused");
    },
    measure: () => Promise.reject(new OpenWitError(code, "refused")),
  };
  const second: SegmentMerger = {
    async merge({ output }) {
      asked.push("merge");
      await (await disk.open(output, "create")).close(); // fails where a file is left over
      return {};
    },
    measure() {
      asked.push("measure");
      return Promise.resolve(measured);
    },
  };
  return { asked, merger: orElse(disk, first, second) };
}

test.each(["unsupported", "too_large", "malformed"] as const)(
  "what is %s goes to the second",
  async (code) => {
    const { asked, merger } = mergersWith(code);
    await merger.merge(request);
    expect(await merger.measure(request)).toEqual(measured);
    expect(asked).toEqual(["merge", "measure"]);
  },
);

test.each(["io", "disk_full", "overloaded", "cancelled", "not_found"] as const)("%s fails", async (code) => {
  const { asked, merger } = mergersWith(code);
  expect(await merger.merge(request).catch((error) => error.code)).toBe(code);
  expect(await merger.measure(request).catch((error) => error.code)).toBe(code);
  expect(asked).toEqual([]);
});
