import { expect, test } from "bun:test";
import type { OpenWitError } from "../../core/error.ts";
import { MemoryWatch, type Watched } from "./watch.ts";

function newWatch() {
  const env = {
    bytes: 0,
    nowMs: 0,
    relieved: 0,
    residentBytes: () => env.bytes,
    relieve: () => void env.relieved++,
    monotonicMs: () => env.nowMs,
  };
  const watch = new MemoryWatch(env, 100);
  const reasons: Record<string, OpenWitError> = {};
  const run = (name: string, isHeavy = false) =>
    watch.enter({
      startedMs: env.nowMs,
      beganBytes: env.bytes,
      isHeavy,
      stop: (reason) => void (reasons[name] = reason),
    });
  const at = (nowMs: number, bytes: number) => {
    env.nowMs = nowMs;
    env.bytes = bytes;
    watch.look();
    return Object.keys(reasons).join(" ");
  };
  return { watch, run, at, reasons, env };
}

test("over the ceiling the statement that has run longest ends, retryable, and no other before it has ended", () => {
  const { run, at, reasons, env } = newWatch();
  const endFirst = run("first");
  expect(at(60, 40)).toBe("");
  const endSecond = run("second");
  expect(at(200, 150)).toBe("first");
  expect(reasons.first).toMatchObject({ code: "overloaded", retryable: true });
  expect(at(300, 150)).toBe("first");
  expect(env.relieved).toBe(0); // it has grown itself
  endFirst();
  expect(env.relieved).toBe(1);
  expect(at(350, 150)).toBe("first"); // its memory is being given back
  expect(at(450, 60)).toBe("first");
  expect(at(460, 150)).toBe("first second");
  endSecond();
});

test("a statement that holds many rows ends before one that has run longer and does not", () => {
  const { run, at } = newWatch();
  const ends = [run("light")];
  at(10, 50);
  ends.push(run("heavy", true));
  expect(at(200, 150)).toBe("heavy");
  for (const end of ends) end();
});

test("a statement since whose beginning memory has grown by much ends before the ceiling", () => {
  const { run, at, env } = newWatch();
  env.bytes = 43;
  const end = run("growing");
  expect(at(100, 77)).toBe("");
  env.bytes = 77;
  run("beside it");
  expect(at(200, 81)).toBe("growing");
  end();
});

test("a statement that has only begun is left alone", () => {
  const { run, at } = newWatch();
  const end = run("short");
  expect(at(40, 500)).toBe("");
  end();
  expect(at(90, 500)).toBe("");
});

test("memory that a statement leaves behind is given back when it is much, now and then", () => {
  const { watch, at, env } = newWatch();
  for (const [nowMs, bytes, relieved] of [[0, 60, 0], [10, 90, 1], [200, 90, 1], [1_500, 90, 2]]) {
    at(nowMs, bytes);
    watch.closed({ beganBytes: 40 });
    expect(env.relieved).toBe(relieved);
  }
});

test("statements that leave little behind stop nobody, however high memory is", () => {
  const { watch, at, env } = newWatch();
  for (let nowMs = 0; nowMs < 10_000; nowMs += 100) {
    at(nowMs, 90);
    watch.closed({ beganBytes: 85 });
  }
  expect(env.relieved).toBe(0);
});

test("a statement that took much gives memory back when it is closed, however low it is then and how soon after another", () => {
  const { watch, at, env } = newWatch();
  for (const [startedMs, relieved] of [[0, 1], [100, 2]] as const) {
    const statement: Watched = { startedMs, beganBytes: 30, stop: () => {} };
    const end = watch.enter(statement);
    at(startedMs + 60, 50);
    env.bytes = 35;
    end();
    watch.closed(statement);
    expect(env.relieved).toBe(relieved);
  }
});

test("a statement that was ended gives memory back once, not again when it is closed", () => {
  const { watch, env } = newWatch();
  env.bytes = 43;
  let reason: OpenWitError | undefined;
  const statement: Watched = { startedMs: 0, beganBytes: 43, stop: (error) => void (reason = error) };
  const end = watch.enter(statement);
  env.nowMs = 100;
  env.bytes = 81;
  watch.look();
  expect(reason?.code).toBe("overloaded");
  end();
  watch.closed(statement);
  expect(env.relieved).toBe(1);
});

test("a statement that begins when little memory is taken may grow as far as one that begins at rest", () => {
  const { run, at, env } = newWatch();
  env.bytes = 20;
  const end = run("growing");
  expect(at(100, 76)).toBe("");
  expect(at(200, 78)).toBe("growing");
  end();
});

test("over the ceiling, when no statement has grown, garbage is collected before one is ended", () => {
  const { run, at, env } = newWatch();
  env.bytes = 95;
  const end = run("innocent");
  const relieve = env.relieve;
  env.relieve = () => {
    relieve();
    env.bytes = 40;
  };
  expect(at(200, 110)).toBe("");
  expect(env.relieved).toBe(1);
  expect(at(300, 110)).toBe("innocent"); // it did not help for long
  end();
});
