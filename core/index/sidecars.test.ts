import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { silentLog } from "../env/log.ts";
import { OpenWitError } from "../error.ts";
import { crc32c } from "../wal/crc32c.ts";
import { type IndexFiles, inMemory } from "./file.ts";
import { headerBytes } from "./format.ts";
import { all, type IndexPredicate } from "./predicate.ts";
import { SidecarIndexes } from "./sidecars.ts";

const segment = {
  id: "019b7c3f5e0011112222333344ff",
  signal: "logs",
  path: "parquet/a.parquet",
  rows: 17_000,
} as const;
const service: IndexPredicate = { kind: "equal", field: "service_name", value: "GET /cart" };

const golden = new Uint8Array(readFileSync("tests/golden/index-v1-logs.idx"));

/** The same index for other segments. */
const segmentOf = (n: number) => ({ ...segment, id: n.toString(16).padStart(28, "0"), path: `${n}.parquet` });

function indexOf(n: number): Uint8Array {
  const bytes = golden.slice();
  bytes.set(Uint8Array.fromHex(segmentOf(n).id), 12);
  new DataView(bytes.buffer).setUint32(8, crc32c(bytes.subarray(12, headerBytes)), true);
  return bytes;
}

/** @param opened gets the number of each file that is opened */
function countingFiles(opened: number[] = []): { files: IndexFiles; open: () => number } {
  let open = 0;
  const files: IndexFiles = {
    open(path) {
      const number = Number.parseInt(path);
      open++;
      opened.push(number);
      return { ...inMemory(indexOf(number)), close: () => open-- };
    },
  };
  return { files, open: () => open };
}

function failingFiles(error: OpenWitError): { files: IndexFiles; tries: () => number } {
  let tries = 0;
  const open = () => {
    tries++;
    throw error;
  };
  return { files: { open }, tries: () => tries };
}

test("an index that cannot be opened now is tried again; one that is not there is not", async () => {
  const crowded = failingFiles(new OpenWitError("io", "too many open files"));
  const later = new SidecarIndexes(crowded.files, silentLog);
  expect(await later.candidatesOf([segment], all)).toEqual([undefined]);
  expect(await later.candidatesOf([segment], all)).toEqual([undefined]);
  expect([crowded.tries(), later.unusable.size]).toEqual([2, 0]);

  const missing = failingFiles(new OpenWitError("not_found", "no such file"));
  const never = new SidecarIndexes(missing.files, silentLog);
  expect(await never.candidatesOf([segment], all)).toEqual([undefined]);
  expect(await never.candidatesOf([segment], all)).toEqual([undefined]);
  expect([missing.tries(), never.unusable.get(segment.id)]).toEqual([1, "none"]);
});

test("a fault in answering costs that question its index, and no segment its own", async () => {
  const logged: [string, unknown][] = [];
  const indexes = new SidecarIndexes(
    countingFiles().files,
    (level, message, fields) => logged.push([`${level} ${message}`, fields?.segments]),
  );
  const broken = { kind: "word", column: "body" } as unknown as IndexPredicate;
  expect(await indexes.candidatesOf([1, 2].map(segmentOf), broken)).toEqual([undefined, undefined]);
  expect(logged).toEqual([[
    "error looking into indexes failed; the segments are scanned for this statement",
    2,
  ]]);
  expect(indexes.unusable.size).toBe(0);
  const [blocks] = await indexes.candidatesOf([segmentOf(1)], service);
  expect([...blocks!]).toEqual([0, 1, 2]);
});

test("no more files stay open than may, those used last above all, and none when closed", async () => {
  const opened: number[] = [];
  const { files, open } = countingFiles(opened);
  const indexes = new SidecarIndexes(files, silentLog, { memoryBytesMax: 1 << 20, filesMax: 8 });
  const ask = (...numbers: number[]) => indexes.candidatesOf(numbers.map(segmentOf), service);
  await ask(1, 2, 3, 4, 5, 6, 7, 8, 1);
  expect(open()).toBe(8);
  await ask(9); // one too many: 2 and 3 go
  expect(open()).toBe(7);
  await ask(1, 4, 9);
  expect(opened).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  await ask(2);
  expect(opened.slice(9)).toEqual([2]);
  indexes.forget(segmentOf(9).id);
  expect(open()).toBe(7);
  indexes.close();
  expect(open()).toBe(0);
});

test("open files keep no more memory than they may", async () => {
  const { files, open } = countingFiles();
  const indexes = new SidecarIndexes(files, silentLog, { memoryBytesMax: 10_000, filesMax: 100 });
  const found = await indexes.candidatesOf(Array.from({ length: 40 }, (_, n) => segmentOf(n)), service);
  expect(found.every((blocks) => blocks?.size === 3)).toBe(true);
  expect(open()).toBeWithin(2, 10); // each keeps more than a kilobyte
  indexes.close();
});
