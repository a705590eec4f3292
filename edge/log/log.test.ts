import { expect, test } from "bun:test";
import { OpenWitError } from "../../core/error.ts";
import { isJournal, NodeLog, recentLinesMax } from "./log.ts";

function logOf(
  level: "info" | "debug" = "info",
  format: "auto" | "text" | "json" = "auto",
  isJournald = false,
) {
  const lines: string[] = [];
  const now = { ms: 0 };
  const clock = {
    nowNs: () => BigInt(Date.UTC(2026, 10, 26) + now.ms) * 1_000_000n,
    monotonicMs: () => now.ms,
    sleep: () => Promise.resolve(),
  };
  const logging = new NodeLog({ level, format }, { write: (line) => lines.push(line), clock, isJournald });
  return { logging, log: logging.log, lines, now };
}

test("a line of text has time, level, message and fields", () => {
  const { log, lines } = logOf();
  log("warn", "the disk\nis full", {
    bytes: 12,
    path: "a b",
    error: new OpenWitError("io", "no", { hint: "h" }),
  });
  expect(lines).toEqual([
    '2026-11-26T00:00:00.000Z warn  the disk is full bytes=12 path="a b" error="io: no · h"\n',
  ]);
});

test("for journald a line has a priority, and a time only when text was asked for by name", () => {
  const of = (format: "auto" | "text" | "json") => {
    const { log, lines } = logOf("info", format, true);
    log("error", "m", { a: 1 });
    return lines[0];
  };
  expect(of("auto")).toBe("<3>m a=1\n");
  expect(of("text")).toBe("<3>2026-11-26T00:00:00.000Z error m a=1\n");
  expect(of("json")).toBe('<3>{"time":"2026-11-26T00:00:00.000Z","level":"error","message":"m","a":1}\n');
});

test("a line of JSON is one object, and no field takes the place of time, level or message", () => {
  const { log, lines } = logOf("info", "json");
  log("info", "line\nbreak", { message: "x", n: 1n, list: [1, { a: 2 }], none: undefined, nan: NaN });
  expect(lines).toHaveLength(1);
  expect(JSON.parse(lines[0])).toEqual({
    time: "2026-11-26T00:00:00.000Z",
    level: "info",
    message: "line\nbreak",
    message_field: "x",
    n: "1",
    list: '[1,{"a":2}]',
    nan: "NaN",
  });
});

test("the level may change at any time", () => {
  const { log, logging, lines } = logOf();
  log("debug", "unseen");
  logging.level = "debug";
  log("debug", "seen");
  logging.level = "error";
  log("warn", "unseen");
  expect(lines.map((line) => line.trim().split(" ").at(-1))).toEqual(["seen"]);
});

test("a message that comes again and again is counted, and told of when its window ends, in order", () => {
  const { log, logging, lines, now } = logOf();
  for (let n = 0; n < 1_244; n++) {
    now.ms = n;
    log("warn", "requests are refused", { n });
    if (n === 700) log("info", "another one");
  }
  expect(lines).toHaveLength(11);
  expect(logging.counts).toMatchObject({ warn: 10, info: 1, repeated: 1_234 });
  now.ms = 10_000;
  log("info", "later");
  expect(lines.slice(11).map((line) => line.slice(31).trim())).toEqual([
    "repeated 1,234 more times: requests are refused repeated=1234 within_seconds=10",
    "later",
  ]);
  const times = lines.map((line) => line.slice(0, 24));
  expect(times).toEqual([...times].sort());
  log("warn", "requests are refused");
  expect(lines).toHaveLength(14);
});

test("what was held back is told of when the log is closed", () => {
  const { log, logging, lines } = logOf();
  for (let n = 0; n < 12; n++) log("info", "again");
  logging.close();
  expect(lines.at(-1)).toContain("repeated 2 more times: again");
});

test("no secret leaves by a line, the lines that are kept, or a listener", () => {
  for (const format of ["text", "json"] as const) {
    const { log, logging, lines } = logOf("info", format);
    const heard: unknown[] = [];
    logging.listeners.add((event) => heard.push(event));
    logging.redactor.hide("hunter2hunter2");
    log("error", "postgres://u:hunter3hunter3@h/d is not reached", {
      password: "hunter4hunter4",
      error: new Error("role with hunter2hunter2"),
      config: { metastore: { url: "postgres://u:hunter5hunter5@h/d", token: 12345678 } },
    });
    const all = JSON.stringify([lines, logging.recent(), heard]);
    expect(all).not.toMatch(/hunter\dhunter|12345678/);
    expect(heard).toHaveLength(1);
  }
});

test("the last lines are kept, and no more", () => {
  const { log, logging } = logOf();
  for (let n = 0; n < recentLinesMax + 5; n++) log("info", `line ${n}`);
  expect(logging.recent()).toHaveLength(recentLinesMax);
  expect(logging.recent()[0].message).toBe("line 5");
});

test("a very long text is cut, and hides its secret all the same", () => {
  const { log, lines } = logOf();
  log("info", "x".repeat(1_000_000), { error: `${"y".repeat(4_090)} postgres://u:hunter2hunter2@host/d` });
  expect(lines[0].length).toBeLessThan(10_000);
  expect(lines[0]).not.toContain("hunter2");
});

test("stderr is the journal's only when it is the very stream that systemd named", () => {
  const stat = () => ({ dev: 8, ino: 42 });
  expect(isJournal("8:42", stat)).toBe(true);
  expect(isJournal("8:43", stat)).toBe(false);
  expect(isJournal(undefined, stat)).toBe(false);
});
