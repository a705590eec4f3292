import { expect, test } from "bun:test";
import { silentLog } from "../env/log.ts";
import { MemoryCeiling, type Relief } from "./memory.ts";

function ceiling() {
  const world = {
    nowMs: 0,
    residentBytes: 0,
    relieved: [] as Relief[],
    givenBack: 0,
    heldBytes: 300,
    owedBytes: 0,
  };
  const memory = new MemoryCeiling({
    clock: { nowNs: () => 0n, monotonicMs: () => world.nowMs, sleep: () => Promise.resolve() },
    log: silentLog,
    residentBytes: () => world.residentBytes,
    heldBytes: () => world.heldBytes,
    owedBytes: () => world.owedBytes,
    relieve: (how) => {
      world.relieved.push(how);
      world.residentBytes -= world.givenBack;
    },
  }, 1_000);
  const at = (residentBytes: number) => {
    world.nowMs += 100;
    world.residentBytes = residentBytes;
    try {
      memory.admit();
      return "taken";
    } catch (error) {
      return (error as { code: string }).code;
    }
  };
  return { world, memory, at };
}

test("requests are refused over the hard mark until memory has fallen somewhat below it", () => {
  const { at, memory } = ceiling();
  expect([100, 859, 860, 840, 819, 840].map(at)).toEqual([
    "taken",
    "taken",
    "overloaded",
    "overloaded",
    "taken",
    "taken",
  ]);
  expect(memory.refusal).toBeUndefined();
});

test("what a merge may still take is kept free for it, up to a share, and garbage goes first", () => {
  const { at, world } = ceiling();
  expect(at(840)).toBe("taken");
  world.owedBytes = 100;
  world.relieved = [];
  world.nowMs += 1_000;
  expect(at(710)).toBe("taken");
  expect(world.relieved).toEqual(["at-once"]);
  expect(at(790)).toBe("overloaded");
  world.owedBytes = 10_000;
  expect(at(660)).toBe("taken");
  world.owedBytes = 0;
  expect(at(840)).toBe("taken");
});

test("a process that is over the mark by itself takes records a little at a time", () => {
  const { at, world } = ceiling();
  world.heldBytes = 10;
  expect(at(1_500)).toBe("taken");
  world.heldBytes = 60;
  expect(at(1_500)).toBe("overloaded");
  world.heldBytes = 10;
  expect(at(1_500)).toBe("taken");
});

test("over the soft mark memory is given back once a second, and sooner when it grows fast", () => {
  const { at, world } = ceiling();
  expect(at(699)).toBe("taken");
  expect(world.relieved).toEqual([]);
  for (let round = 0; round < 15; round++) at(700);
  expect(world.relieved).toEqual(["gently", "gently"]);
  for (let round = 0; round < 3; round++) at(799);
  expect(world.relieved).toEqual(["gently", "gently"]);
  for (let round = 0; round < 15; round++) at(799);
  expect(world.relieved).toEqual(["gently", "gently", "gently", "gently"]);
});

test("over the urgent mark it is given back before the next request, however lately it was begun gently", () => {
  const { at, world } = ceiling();
  at(799);
  at(800);
  expect(world.relieved).toEqual(["gently", "at-once"]);
  at(810);
  expect(world.relieved).toEqual(["gently", "at-once"]);
  for (let round = 0; round < 3; round++) at(900);
  expect(world.relieved).toEqual(["gently", "at-once", "at-once"]);
});

test("what was given back at once need not be given back gently right after", () => {
  const { at, world } = ceiling();
  at(850);
  for (let round = 0; round < 8; round++) at(750);
  expect(world.relieved).toEqual(["at-once"]);
});

test("before requests are refused memory is given back once more, unless it just was", () => {
  const { at, world } = ceiling();
  at(810);
  world.givenBack = 60;
  for (let round = 0; round < 3; round++) at(850);
  expect(world.relieved).toEqual(["at-once"]);
  expect(at(870)).toBe("taken");
  expect(world.relieved).toEqual(["at-once", "at-once"]);
  expect(at(870)).toBe("overloaded");
  expect(world.relieved).toEqual(["at-once", "at-once"]);
});

test("what was given back in time is not refused", () => {
  const { at, world } = ceiling();
  world.givenBack = 400;
  expect(at(1_200)).toBe("taken");
});
