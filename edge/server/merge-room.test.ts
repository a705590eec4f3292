import { expect, test } from "bun:test";
import { SimClock } from "../../tests/sim/clock.ts";
import { awaitCalm, makeMergeRoom } from "./merge-room.ts";

const mebibyte = 1024 * 1024;
const never = new AbortController().signal;

/** A process that has so much, and of which each relief gives so much back. */
function processOf(resident: number, givenBack: number) {
  const clock = new SimClock();
  const env = {
    clock,
    reliefs: 0,
    residentBytes: () => resident * mebibyte,
    relieve: () => {
      env.reliefs++;
      resident -= givenBack;
    },
  };
  const room = (signal = never) => makeMergeRoom(env, 512 * mebibyte, 228 * mebibyte, signal);
  return { env, clock, room };
}

test("a merge that fits begins at once", async () => {
  const { env, room } = processOf(360, 0);
  await room();
  expect(env.reliefs).toBe(0);
});

test("memory is given back until the merge fits", async () => {
  const { env, clock, room } = processOf(450, 40);
  const done = room();
  for (let turn = 0; turn < 5; turn++) await clock.advance(500);
  await done;
  expect(env.reliefs).toBe(3);
});

test("a process that stays large merges all the same after three seconds, and an abort ends the wait", async () => {
  const { env, clock, room } = processOf(500, 0);
  let isDone = false;
  const done = room().then(() => isDone = true);
  await clock.advance(2_900);
  expect(isDone).toBe(false);
  await clock.advance(200);
  await done;
  expect(env.reliefs).toBe(6);
  const abort = new AbortController();
  const aborted = room(abort.signal);
  abort.abort(new Error("stopping"));
  await expect(aborted).rejects.toThrow("stopping");
});

test("a merge that is in the way waits for room, for twenty seconds, and one that is not begins at once", async () => {
  const clock = new SimClock();
  const box = { resident: 400, isBusy: true };
  const env = {
    clock,
    residentBytes: () => box.resident * mebibyte,
    isInTheWay: async () => box.isBusy,
  };
  const start = (signal = never) => {
    const merge = { isBegun: false, done: Promise.resolve() };
    merge.done = awaitCalm(env, 512 * mebibyte, signal).then(() => void (merge.isBegun = true));
    return merge;
  };
  for (const change of [() => box.resident = 300, () => box.isBusy = false]) {
    Object.assign(box, { resident: 400, isBusy: true });
    const merge = start();
    await clock.advance(5_000);
    expect(merge.isBegun).toBe(false);
    change();
    await clock.advance(500);
    await merge.done;
  }
  Object.assign(box, { resident: 400, isBusy: true });
  const bounded = start();
  for (let ms = 0; ms < 20_000; ms += 500) {
    expect(bounded.isBegun).toBe(false);
    await clock.advance(500);
  }
  await bounded.done;
  const abort = new AbortController();
  const aborted = start(abort.signal);
  abort.abort(new Error("stopping"));
  await expect(aborted.done).rejects.toThrow("stopping");
});
