/** What people ask from the command line: of a running server, of the folder at rest, and what ends it early. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { cpSync, mkdtempSync, readdirSync, rmSync, truncateSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Box, openwitCommand, runOpenwit } from "./box.ts";

const box = new Box();
const rest = mkdtempSync(join(tmpdir(), "openwit-at-rest-"));
let traceId: string;

/**
 * A shop's ten minutes: the older half in segments, the newer one in memory. A shop is quiet at night, so the rate is one
 * at which its quietest ten minutes still fill more than a page.
 */
beforeAll(async () => {
  await box.start();
  await demo("--backfill", "10m", "--rate", "150", "--duration", "0s", "--seed", "1");
  await fetch(`${box.endpoints.http}/api/v1/admin/flush`, { method: "POST" });
  await demo("--backfill", "5m", "--rate", "150", "--duration", "0s", "--seed", "2");
  traceId = String(
    await box.value(
      "SELECT trace_id FROM spans WHERE status_code = 2 GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1",
    ),
  );
  cpSync(box.dataDir, rest, { recursive: true });
  rmSync(join(rest, "run/server.json"));
}, 120_000);
afterAll(async () => {
  rmSync(rest, { recursive: true, force: true });
  await box[Symbol.asyncDispose]();
});

async function demo(...flags: string[]): Promise<void> {
  const { status, stderr } = await box.run("demo", "--endpoint", box.endpoints.otlp_grpc, ...flags);
  expect([status, stderr]).toEqual([0, expect.anything()]);
}

const served = (...args: string[]) => box.run(...args, "--data-dir", box.dataDir);
const atRest = (...args: string[]) => runOpenwit([...args, "--data-dir", rest], box.folder);

test("a running server and the folder at rest give the same answers", async () => {
  const traces = [traceId, "--logs"];
  for (
    const args of [
      ["search", "order OR payment", "--limit", "500"],
      ["search", "", "--severity", "=error", "--limit", "10000", "--format", "csv"],
      [
        "search",
        "captured -nothing",
        "--service",
        "payment",
        "-C",
        "2",
        "--limit",
        "5",
        "--format",
        "ndjson",
      ],
      ["search", "--signal", "spans", "POST", "--field", "kind=2", "--oldest-first"],
      ["search", "--grep", "ORD-", "--format", "table"],
      ["trace", ...traces],
      ["trace", traceId, "--format", "ndjson"],
      ["tail", "-n", "20", "--severity", "warn"],
      ["query", "SELECT service_name, count(*) AS n FROM logs GROUP BY ALL ORDER BY ALL"],
      [
        "query",
        "--vertical",
        "--param",
        "service=payment",
        "SELECT count(*) AS n FROM spans WHERE service_name = $service",
      ],
    ]
  ) {
    const [server, folder] = [await served(...args), await atRest(...args)];
    expect([args, server.status, folder.status]).toEqual([args, 0, 0]);
    expect(folder.stdout).toBe(server.stdout);
    expect([args, server.stdout.length > 20]).toEqual([args, true]);
    // deno-lint-ignore no-control-regex -- a pipe is no terminal
    expect(server.stdout).not.toMatch(/\x1b/);
  }
}, 120_000);

test("the guide's commands work", async () => {
  const guide = await Bun.file(join(import.meta.dir, "../../docs/query.md")).text();
  const commands = [...guide.matchAll(/^\$ openwit (.*)$/gm)].map(([, command]) => command);
  expect(commands.length).toBeGreaterThan(3);
  for (const command of commands) {
    const line = command.replace(/\b[0-9a-f]{32}\b/, traceId).replace("tail -f", "tail");
    const args = [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare);
    const { status, stderr } = await served(...args);
    if (command.includes("--explain")) expect(stderr).toContain("time (ms): prepare"); // the plan goes there
    expect([command, status, command.includes("--explain") ? "" : stderr]).toEqual([command, 0, ""]);
  }
}, 60_000);

test("a search finds what it is asked for, newest first, and pages past the API's limit", async () => {
  const total = Number(await box.value("SELECT count(*) FROM logs"));
  expect(total).toBeGreaterThan(12_000);
  const all = (await served("search", "--limit", "1000000")).stdout.trim().split("\n");
  expect(all.length).toBe(total);
  const times = all.map((line) => JSON.parse(line).timestamp as string);
  expect(times).toEqual(times.toSorted().reverse());
  const errors = (await served("search", "failed", "--severity", "error", "--limit", "7")).stdout.trim()
    .split("\n");
  expect(errors.length).toBe(7);
  for (const line of errors) {
    const { body, severity_number } = JSON.parse(line);
    expect(body.toLowerCase()).toContain("failed");
    expect(severity_number).toBeGreaterThanOrEqual(17);
  }
}, 60_000);

test("a trace is drawn, and one that is not there or is no id is told apart by the exit status", async () => {
  const { stdout } = await served("trace", traceId);
  expect(stdout).toContain(`trace ${traceId}`);
  expect(stdout).toMatch(/[├└]─/);
  expect(stdout).toMatch(/✗/);
  const missing = await served("trace", "ab".repeat(16));
  expect([missing.status, missing.stderr]).toEqual([1, expect.stringContaining("there is no trace")]);
  const wrong = await served("trace", "nonsense");
  expect([wrong.status, wrong.stderr]).toEqual([2, expect.stringContaining("32 hexadecimal digits")]);
});

test("mistakes are refused before anybody is asked, with the nearest word", async () => {
  for (
    const [args, word] of [
      [["search", "x", "--sevrity", "warn"], "--severity"],
      [["search", "x", "--severity", "loud"], "warn"],
      [["search", "x", "--format", "ndjsn"], "did you mean ndjson"],
      [["search", "x", "--field", "novalue"], "KEY=VALUE"],
      [["search", "x", "--signal", "log"], "did you mean logs"],
      [["search", '"open'], "quote"],
      [["search", "x", "-C", "2", "--format", "csv"], "context"],
      [["trace", "a", "b"], "one id"],
      [["tail", "--lines", "many"], "--lines"],
      [["query", "--param", "rotue=/x", "SELECT $route"], "did you mean route"],
    ] as const
  ) {
    const { status, stderr } = await runOpenwit([...args, "--url", "http://127.0.0.1:1"], box.folder);
    expect([args, status, stderr]).toEqual([args, 2, expect.stringContaining(word)]);
  }
}, 60_000);

test("a reader that has seen enough ends it without a word", async () => {
  const child = Bun.spawn(
    [
      "bash",
      "-c",
      '"$@" | head -1; echo "${PIPESTATUS[0]}"',
      "bash",
      ...openwitCommand(),
      "search",
      "--limit",
      "100000",
      "--data-dir",
      box.dataDir,
    ],
    { cwd: box.folder, stdout: "pipe", stderr: "pipe" },
  );
  const lines = (await new Response(child.stdout).text()).trim().split("\n");
  expect(JSON.parse(lines[0])).toHaveProperty("body");
  expect(lines.slice(1)).toEqual(["141"]);
  expect(await new Response(child.stderr).text()).toBe("");
});

const endless = "SELECT count(*) FROM logs a, logs b, logs c WHERE a.body || b.body < c.body";

test("Ctrl-C cancels the statement on the server, and at rest, and exits with 130", async () => {
  const cancelled = async () =>
    /openwit_queries_total\{outcome="cancelled"\} (\d+)/
      .exec(await (await fetch(`${box.endpoints.http}/metrics`)).text())?.[1] ?? "0";
  const before = Number(await cancelled());
  for (const dataDir of [box.dataDir, rest]) {
    const child = Bun.spawn([...openwitCommand(), "query", "--data-dir", dataDir, endless], {
      cwd: box.folder,
      stdout: "pipe",
      stderr: "pipe",
    });
    await Bun.sleep(2_500);
    expect(child.exitCode).toBeNull();
    const started = performance.now();
    child.kill("SIGINT");
    expect(await child.exited).toBe(130);
    expect(performance.now() - started).toBeLessThan(5_000);
  }
  const deadline = Date.now() + 5_000;
  while (Number(await cancelled()) === before && Date.now() < deadline) await Bun.sleep(50);
  expect(Number(await cancelled())).toBe(before + 1);
}, 60_000);

test("tail -f shows what is there and what comes, once each, and Ctrl-C is its end", async () => {
  const child = Bun.spawn([
    ...openwitCommand(),
    "tail",
    "-f",
    "-n",
    "2",
    "--service",
    "tailed",
    "marked",
    "--data-dir",
    box.dataDir,
  ], {
    cwd: box.folder,
    stdout: "pipe",
    stderr: "pipe",
  });
  await send("tailed", ["marked 0", "other"]);
  const reader = child.stdout.getReader();
  let text = "";
  const readUntil = async (word: string) => {
    while (!text.includes(word)) text += new TextDecoder().decode((await reader.read()).value);
  };
  await readUntil("marked 0");
  for (let at = 1; at <= 3; at++) await send("tailed", [`marked ${at}`, "other"]);
  await send("elsewhere", ["marked 9"]);
  await readUntil("marked 3");
  child.kill("SIGINT");
  expect(await child.exited).toBe(0);
  expect(text.trim().split("\n").map((line) => JSON.parse(line).body)).toEqual(
    ["marked 0", "marked 1", "marked 2", "marked 3"],
  );
}, 30_000);

test("tail -f opens a broken connection anew, shows what came meanwhile, and nothing twice", async () => {
  await using own = new Box(["--http", "127.0.0.1:0"]);
  await own.start();
  const port = new URL(own.endpoints.http).port;
  const child = Bun.spawn([...openwitCommand(), "tail", "-f", "-n", "0", "--url", own.endpoints.http], {
    stdout: "pipe",
    stderr: "pipe",
  });
  const reader = child.stdout.getReader();
  let text = "";
  const readUntil = async (word: string) => {
    while (!text.includes(word)) text += new TextDecoder().decode((await reader.read()).value);
  };
  await Bun.sleep(1_000);
  await send("kept", ["first"], own);
  await readUntil("first");
  await own.kill();
  await using again = new Box(["--http", `127.0.0.1:${port}`], own.dataDir);
  await again.start();
  await send("kept", ["second"], again);
  await readUntil("second");
  await send("kept", ["third"], again);
  await readUntil("third");
  child.kill("SIGINT");
  expect(await child.exited).toBe(0);
  expect(text.trim().split("\n").map((line) => JSON.parse(line).body)).toEqual(["first", "second", "third"]);
  expect(await new Response(child.stderr).text()).toMatch(/^openwit: lost .*\nopenwit: .* is back\n$/);
}, 60_000);

test("a reader that does not read costs the server little, and learns how many rows it missed", async () => {
  const { hostname, port } = new URL(box.endpoints.http);
  const resident = async () =>
    (await (await fetch(`${box.endpoints.http}/api/v1/status`)).json()).resident_bytes;
  const socket = connect(Number(port), hostname);
  const received: Buffer[] = [];
  socket.on("data", (bytes: Buffer) => received.push(bytes));
  await new Promise<void>((resolve) => socket.once("connect", resolve));
  socket.write(`GET /api/v1/logs/tail?service=flood HTTP/1.1\r\nHost: ${hostname}\r\n\r\n`);
  while (!Buffer.concat(received).includes(": tailing")) await Bun.sleep(10);
  socket.pause();
  const before = await resident();
  const rows = 60_000;
  for (let sent = 0; sent < rows; sent += 2_000) {
    await send("flood", Array.from({ length: 2_000 }, (_, at) => `row ${sent + at} ${"x".repeat(1_000)}`));
  }
  // The rows themselves are in the memtable, some 70 MB; their events as JSON would be twice that.
  expect(await resident() - before).toBeLessThan(250 * 1024 * 1024);
  socket.resume();
  const text = () => Buffer.concat(received).toString();
  const deadline = Date.now() + 20_000;
  while (!text().includes("event: dropped") && Date.now() < deadline) await Bun.sleep(100);
  const dropped = Number(/event: dropped\ndata: \{"rows":(\d+)\}/.exec(text())?.[1]);
  expect(dropped).toBeGreaterThan(rows / 2);
  expect(text().split("event: row\n").length - 1 + dropped).toBe(rows);
  socket.destroy();
}, 60_000);

test("an answer that misses a segment is partial: every command says so and exits with 3", async () => {
  const damaged = mkdtempSync(join(tmpdir(), "openwit-damaged-"));
  try {
    cpSync(rest, damaged, { recursive: true });
    const files = (readdirSync(join(damaged, "parquet"), { recursive: true }) as string[])
      .filter((name) => name.endsWith(".parquet"));
    expect(files.length).toBeGreaterThan(0);
    for (const name of files) truncateSync(join(damaged, "parquet", name), 100);
    for (
      const args of [
        ["search", "--limit", "3"],
        ["search", "--limit", "3", "--format", "json"],
        ["search", "--limit", "3", "--format", "csv"],
        ["search", "--limit", "3", "--format", "table"],
        ["tail", "-n", "3"],
        ["query", "SELECT count(*) FROM logs"],
        ["query", "--format", "table", "SELECT count(*) FROM logs"],
        ["query", "--format", "csv", "SELECT count(*) FROM logs"],
        ["trace", String(await box.value("SELECT max_by(trace_id, ingest_timestamp) FROM spans"))],
      ]
    ) {
      const { status, stderr } = await runOpenwit([...args, "--data-dir", damaged], box.folder);
      expect([args, status, stderr]).toEqual([args, 3, expect.stringContaining("a segment is missing")]);
    }
  } finally {
    rmSync(damaged, { recursive: true, force: true });
  }
}, 60_000);

/** Sends as an exporter does: what is refused for now goes again. */
async function send(service: string, bodies: readonly string[], to = box): Promise<void> {
  const timeUnixNano = String(BigInt(Date.now()) * 1_000_000n);
  const body = JSON.stringify({
    resourceLogs: [{
      resource: { attributes: [{ key: "service.name", value: { stringValue: service } }] },
      scopeLogs: [{
        logRecords: bodies.map((body) => ({ timeUnixNano, severityNumber: 9, body: { stringValue: body } })),
      }],
    }],
  });
  const headers = { "Content-Type": "application/json" };
  const post = () => fetch(`${to.endpoints.otlp_http}/v1/logs`, { method: "POST", headers, body });
  let response = await post();
  for (let refused = 0; response.status === 429 && refused < 20; refused++) {
    await Bun.sleep(Number(response.headers.get("Retry-After")) * 1_000);
    response = await post();
  }
  expect(response.status).toBe(200);
}
