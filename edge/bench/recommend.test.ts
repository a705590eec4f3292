import { expect, test } from "bun:test";
import { parseValue } from "../config/values.ts";
import { type Configured, type Measured, recommend } from "./recommend.ts";

const gibibyte = 1024 ** 3;

const box: Measured = {
  cores: 4,
  memoryBytes: 4 * gibibyte,
  sync: { p50Ms: 0.2, p99Ms: 1 },
  writeBytesPerSecond: 400e6,
  freeBytes: 90 * gibibyte,
  totalBytes: 100 * gibibyte,
  usedBytes: 0,
};

const configured: Configured = {
  walSync: "always",
  walIntervalMs: 100,
  memoryBytes: 512 * 1024 ** 2,
  searchThreads: 3,
  flushBytes: 64 * 1024 ** 2,
  flushAgeMs: 300_000,
  budgetBytes: 80 * gibibyte,
};

/** Keys that should change, with the value that they should have. */
function changes(measured: Partial<Measured>, now: Partial<Configured> = {}): Record<string, string> {
  const advice = recommend({ ...box, ...measured }, { ...configured, ...now });
  return Object.fromEntries(advice.flatMap(({ key, value, isChange }) => isChange ? [[key, value]] : []));
}

test("a box that its settings suit is told to keep them, each with a reason", () => {
  expect(changes({})).toEqual({});
  for (const { why } of recommend(box, configured)) expect(why.length).toBeGreaterThan(20);
});

test("where an fsync takes long the WAL is synced at times, and what that costs is said", () => {
  const advice = recommend({ ...box, sync: { p50Ms: 180, p99Ms: 420 } }, configured);
  expect(advice.slice(0, 2)).toMatchObject([
    {
      key: "wal.sync",
      value: "interval",
      isChange: true,
      why: expect.stringContaining("power cut may take"),
    },
    { key: "wal.interval", value: "900ms", isChange: true },
  ]);
  expect(changes({ sync: { p50Ms: 12, p99Ms: 60 } }, { walSync: "interval" })).toMatchObject({
    "wal.sync": "always",
  });
});

test("memory.limit goes down where the machine is small, and up where it is kept smaller than the default", () => {
  expect(changes({ memoryBytes: 0.5 * gibibyte })).toMatchObject({ "memory.limit": "256MiB" });
  expect(changes({}, { memoryBytes: 128 * 1024 ** 2 })).toMatchObject({ "memory.limit": "2GiB" });
  expect(changes({ memoryBytes: 64 * gibibyte }, { memoryBytes: 8 * gibibyte })).not.toHaveProperty(
    "memory.limit",
  );
});

test("threads follow the cores, and one core is left where there are more than two", () => {
  expect(changes({ cores: 1 })).toMatchObject({ "search.threads": "1" });
  expect(changes({ cores: 2 })).toMatchObject({ "search.threads": "2" });
  expect(changes({ cores: 8 })).toMatchObject({ "search.threads": "7" });
});

test("a flush size that memory cannot hold is named as it is", () => {
  expect(changes({}, { memoryBytes: 256 * 1024 ** 2 })).toMatchObject({ "processing.flush_size": "29MiB" });
});

test("a volume as slow as a flash card is written seldom", () => {
  expect(changes({ writeBytesPerSecond: 9e6 })).toMatchObject({ "processing.flush_age": "15m" });
  expect(changes({ writeBytesPerSecond: 200e6 })).not.toHaveProperty("processing.flush_age");
});

test("a budget that other programs leave no room for becomes one that there is room for", () => {
  expect(changes({ freeBytes: 30 * gibibyte, usedBytes: 10 * gibibyte })).toMatchObject({
    "storage.budget": "34GiB",
  });
});

test("every value that is recommended is one that its key takes", () => {
  for (const memoryBytes of [0.3, 1, 2, 16, 100].map((count) => count * gibibyte)) {
    for (const p50Ms of [0.1, 20, 150, 900]) {
      for (const freeBytes of [0.2, 5, 90].map((count) => count * gibibyte)) {
        const advice = recommend(
          {
            ...box,
            memoryBytes,
            freeBytes,
            cores: 1 + Math.floor(p50Ms),
            sync: { p50Ms, p99Ms: p50Ms * 3 },
            writeBytesPerSecond: 5e6,
          },
          configured,
        );
        for (const { key, value } of advice) expect(() => parseValue(key, value, key)).not.toThrow();
      }
    }
  }
});
