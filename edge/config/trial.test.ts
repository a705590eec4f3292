import { describe, expect, test } from "bun:test";
import { planStart, type StartFacts, startsMax, type TrialRecord, trialTable } from "./trial.ts";

describe("the table", () => {
  const cells = Object.entries(trialTable).flatMap(([from, row]) =>
    Object.entries(row).map(([event, to]) => ({ from, event, to }))
  );

  test("only a good configuration is fallen back from to: nothing is rolled back while there is none", () => {
    expect(cells.filter(({ from, to }) => from === "first" && to === "rolled_back")).toEqual([]);
  });

  test("what failed is left by asking for something else, and by nothing besides", () => {
    const leaving = cells.filter(({ from, to }) => from === "rolled_back" && to !== "rolled_back");
    expect(leaving.map(({ event }) => event).sort()).toEqual(["asked_good", "asked_new"]);
  });

  test("nothing becomes good but by passing, or by being it already", () => {
    const becoming = cells.filter(({ from, to }) => from !== "good" && to === "good");
    expect([...new Set(becoming.map(({ event }) => event))].sort()).toEqual(["asked_good", "passed"]);
  });

  test("every trial ends, well or not", () => {
    expect(trialTable.trial).toMatchObject({
      passed: "good",
      unhealthy: "rolled_back",
      died: "rolled_back",
    });
  });
});

const record = (changes: Partial<TrialRecord> = {}): TrialRecord => ({
  state: "trial",
  fingerprint: "new",
  began: "start",
  starts: 1,
  since: "2026-11-01T00:00:00Z",
  bootId: "boot",
  ...changes,
});
const plan = (facts: Partial<StartFacts>) =>
  planStart({ asked: "new", good: "old", bootId: "boot", ...facts });

test("the first configuration runs, and so does the good one; nothing is kept of either", () => {
  expect(plan({ good: undefined })).toEqual({ state: "first", run: "asked" });
  expect(plan({ asked: "old" })).toEqual({ state: "good", run: "asked" });
  expect(plan({ asked: "old", record: record({ state: "rolled_back" }) })).toEqual({
    state: "good",
    run: "asked",
  });
});

test("a new one is on trial, counted from one", () => {
  const expected = {
    state: "trial",
    run: "asked",
    record: { state: "trial", fingerprint: "new", began: "start", starts: 1, bootId: "boot" },
  };
  expect(plan({})).toEqual(expected as never);
  expect(plan({ record: record({ fingerprint: "another", starts: 9 }) })).toEqual(expected as never);
  expect(plan({ record: record({ fingerprint: "another", state: "rolled_back" }) })).toEqual(
    expected as never,
  );
});

test("a boot loop ends in the last good one, after so many deaths and no sooner", () => {
  let kept: TrialRecord | undefined;
  const runs: string[] = [];
  for (let start = 0; start < startsMax + 3; start++) {
    const { run, state, record: next } = plan(kept === undefined ? {} : { record: kept });
    runs.push(`${state} ${run}`);
    kept = next === undefined ? undefined : { ...next, since: "" };
  }
  expect(runs).toEqual([
    ...Array.from({ length: startsMax }, () => "trial asked"),
    ...Array.from({ length: 3 }, () => "rolled_back good"),
  ]);
  expect(kept!.reason).toContain(`${startsMax} times`);
});

test("a process that dies of a reload has died once too often; one whose power went has not", () => {
  const reloaded = record({ began: "reload" });
  expect(plan({ record: reloaded })).toMatchObject({ state: "rolled_back", run: "good" });
  expect(plan({ record: { ...reloaded, bootId: "another" } })).toMatchObject({
    state: "trial",
    run: "asked",
    record: { began: "start", starts: 2 },
  });
});

test("one that cannot be read is not put in force, and the reason is kept", () => {
  expect(plan({ asked: "text", problem: "line 3" })).toMatchObject({
    state: "rolled_back",
    run: "good",
    record: { fingerprint: "text", reason: "line 3" },
  });
});

test("what failed stays rolled back, with its reason, until something else is asked for", () => {
  const failed = record({ state: "rolled_back", reason: "the catalog is failed" });
  expect(plan({ record: failed })).toMatchObject({
    state: "rolled_back",
    run: "good",
    record: { reason: "the catalog is failed" },
  });
  expect(plan({ asked: "newer", record: failed })).toMatchObject({ state: "trial", run: "asked" });
});
