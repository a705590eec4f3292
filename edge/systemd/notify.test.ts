import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monotonicUsec, notifierTo, notifyProgram, socketAddress } from "./notify.ts";

const base = mkdtempSync(join(tmpdir(), "openwit-notify-"));
afterAll(() => rmSync(base, { recursive: true, force: true }));

const python = Bun.which("python3");
if (python === null) console.warn("skipped: there is no python3 to receive datagrams with");

test.if(python !== null).each([
  ["a path", join(base, "notify")],
  ["an abstract name", `@openwit-notify-${process.pid}`],
])("a notice reaches the socket that is %s", async (_, socket) => {
  await using receiver = await listenAt(socket);
  const notifier = notifierTo(socket);
  expect(notifier.by).toBe("socket");
  expect(notifier.notify({ READY: 1, STATUS: "ready,\nREADY=0 of «rows»" })).toBe(true);
  expect(await receiver.next()).toBe("READY=1\nSTATUS=ready, READY=0 of «rows»");
});

test.if(python !== null)("what no one took is said with the next notice", async () => {
  const socket = join(base, "late");
  const notifier = notifierTo(socket);
  expect(notifier.notify({ READY: 1, STATUS: "early" })).toBe(false);
  await using receiver = await listenAt(socket);
  expect(notifier.notify({ STATUS: "late" })).toBe(true);
  expect(await receiver.next()).toBe("READY=1\nSTATUS=late");
});

test("without NOTIFY_SOCKET, or with one of another family, nothing is said", () => {
  expect(notifierTo(undefined).by).toBe("nobody");
  expect(notifierTo("vsock:2:9999").by).toBe("nobody");
  expect(notifierTo("vsock:2:9999").notify({ READY: 1 })).toBe(true);
});

test("where the C library cannot be called, systemd-notify says it", () => {
  const runs: (readonly string[])[] = [];
  const notifier = notifierTo("/run/notify", { run: (args) => runs.push(args) });
  expect(notifier.by).toBe("program");
  notifier.notify({ WATCHDOG: 1, STATUS: "ready" });
  expect(runs).toEqual([["WATCHDOG=1", "STATUS=ready"]]);
});

const program = Bun.which("systemd-notify");
if (program === null) console.warn("skipped: there is no systemd-notify");

test.if(python !== null && program !== null)("systemd-notify is understood as the socket is", async () => {
  const socket = join(base, "program");
  await using receiver = await listenAt(socket);
  const notifier = notifierTo(socket, { run: notifyProgram({ ...process.env, NOTIFY_SOCKET: socket }) });
  notifier.notify({ READY: 1, STATUS: "ready, 3 rows/s" });
  notifier.notify({ WATCHDOG: 1 });
  const heard: string[] = [];
  while (heard.length < 2) {
    const text = await receiver.next();
    if (text !== "BARRIER=1") heard.push(text); // with which the program waits until it was heard
  }
  expect(heard[0]).toContain("READY=1\nSTATUS=ready, 3 rows/s");
  expect(heard[1]).toContain("WATCHDOG=1");
});

test("an address is a sockaddr_un, and too long a name is none", () => {
  expect([...socketAddress("/a")!]).toEqual([1, 0, 47, 97, 0]);
  expect([...socketAddress("@a")!]).toEqual([1, 0, 0, 97]);
  expect(socketAddress("/" + "a".repeat(106))).toBeDefined();
  expect(socketAddress("/" + "a".repeat(107))).toBeUndefined();
  expect(socketAddress("@")).toBeUndefined();
});

test("the monotonic clock is the system's, and not that of the process", async () => {
  const uptime = Number((await Bun.file("/proc/uptime").text()).split(" ")[0]);
  // Without suspension the two clocks are the same.
  expect(Number(monotonicUsec()) / 1e6).toBeGreaterThan(uptime / 2);
  expect(Number(monotonicUsec()) / 1e6).toBeLessThan(uptime + 1);
});

async function listenAt(socket: string) {
  const child = Bun.spawn([python!, "-u", "-c", receive, socket], { stdout: "pipe" });
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  const line = async () => {
    while (!text.includes("\n")) text += (await lines.read()).value ?? "\n";
    const end = text.indexOf("\n");
    const first = text.slice(0, end);
    text = text.slice(end + 1);
    return first;
  };
  expect(await line()).toBe("bound");
  return {
    next: async () => JSON.parse(await line()),
    [Symbol.asyncDispose]: async () => {
      child.kill();
      await child.exited;
    },
  };
}

const receive = `
import json, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
name = sys.argv[1]
s.bind("\\0" + name[1:] if name.startswith("@") else name)
print("bound")
while True: print(json.dumps(s.recv(65536).decode()))
`;
