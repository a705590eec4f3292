/**
 * Safe mode on the real executable, as a supervisor sees it that starts it again whenever it ends: whatever a new
 * configuration does to the box, it ends in the last good one, with what was acknowledged, and says so.
 */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { openwitCommand, runOpenwit } from "./box.ts";

const trialMs = 1_500;

/** A service: its file says where everything is, and `start` is what systemd does. */
class Service {
  readonly folder = mkdtempSync(join(tmpdir(), "openwit-safe-mode-"));
  readonly file = join(this.folder, "openwit.yaml");
  readonly dataDir = join(this.folder, "data");
  stderr = "";
  #process: Bun.Subprocess<"ignore", "ignore", "pipe"> | undefined;

  async write(more = "", ports = "127.0.0.1:0"): Promise<void> {
    await Bun.write(
      this.file,
      `storage:\n  data_dir: ${this.dataDir}\nnetworking: {http: "127.0.0.1:0", otlp_http: "${ports}", ` +
        `otlp_grpc: "127.0.0.1:0"}\ncontrol_plane: {trial: ${trialMs}ms}\n${more}`,
    );
  }

  get pid(): number {
    return this.#process!.pid;
  }

  /** Whether it became ready, before it ended. */
  async start(): Promise<boolean> {
    rmSync(join(this.dataDir, "run/server.json"), { force: true });
    this.#process = Bun.spawn([...openwitCommand(), "serve", "--config", this.file], {
      cwd: this.folder,
      stdin: "ignore",
      stdout: "ignore",
      stderr: "pipe",
    });
    this.#collect(this.#process.stderr);
    for (const deadline = Date.now() + 30_000; Date.now() < deadline; await Bun.sleep(10)) {
      if (this.#process.exitCode !== null) return false;
      if (await this.isReady()) return true;
    }
    throw new Error(`neither ready nor ended: ${this.stderr}`);
  }

  async isReady(): Promise<boolean> {
    return this.url("http") !== undefined &&
      await fetch(`${this.url("http")}/health`).then((answer) => answer.ok, () => false) &&
      (await this.status()).phase === "ready";
  }

  url(name: string): string | undefined {
    const path = join(this.dataDir, "run/server.json");
    return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")).endpoints[name] : undefined;
  }

  // deno-lint-ignore no-explicit-any -- the document of edge/api/status.ts
  async status(): Promise<any> {
    return await (await fetch(`${this.url("http")}/api/v1/status`)).json();
  }

  async untilTrial(state: string): Promise<void> {
    for (const deadline = Date.now() + 30_000; Date.now() < deadline; await Bun.sleep(20)) {
      const status = await this.status().catch(() => undefined); // it may just be beginning anew
      if (status?.phase === "ready" && status.trial?.state === state && this.#isKept(state)) return;
    }
    throw new Error(`the configuration did not become ${state}: ${this.stderr}`);
  }

  /** Until the process has begun anew in its own place, on other ports: until then the one before may still answer. */
  async untilElsewhere(url: string | undefined): Promise<void> {
    for (const deadline = Date.now() + 30_000; Date.now() < deadline; await Bun.sleep(20)) {
      if (this.url("http") !== undefined && this.url("http") !== url) return;
    }
    throw new Error(`the process did not begin anew: ${this.stderr}`);
  }

  /** Whether the folder says so too. */
  #isKept(state: string): boolean {
    const [good, trial] = ["config.good.yaml", "config.trial.json"].map((name) =>
      join(this.dataDir, "run", name)
    );
    if (state === "good") return existsSync(good) && !existsSync(trial);
    return existsSync(trial) && JSON.parse(readFileSync(trial, "utf8")).state === state;
  }

  async send(text: string): Promise<number> {
    const body = JSON.stringify({
      resourceLogs: [{ scopeLogs: [{ logRecords: [{ body: { stringValue: text } }] }] }],
    });
    const headers = { "Content-Type": "application/json" };
    return (await fetch(`${this.url("otlp_http")}/v1/logs`, { method: "POST", headers, body })).status;
  }

  async kill(): Promise<void> {
    this.#process!.kill("SIGKILL");
    await this.#process!.exited;
  }

  async run(...args: string[]) {
    return await runOpenwit(args, this.folder);
  }

  async end(): Promise<void> {
    if (this.#process !== undefined && this.#process.exitCode === null) await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #collect(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const bytes of stream) this.stderr += decoder.decode(bytes, { stream: true });
  }
}

let service: Service;
beforeEach(async () => {
  service = new Service();
  await service.write("search: {timeout: 50s}\n");
  expect(await service.start()).toBe(true);
  await service.untilTrial("good");
  expect(await service.send("before")).toBe(200);
});
afterEach(async () => {
  await service.end();
});

const timeoutOf = async () => {
  const config = await (await fetch(`${service.url("http")}/api/v1/admin/config`)).json();
  return config.settings.find(({ key }: { key: string }) => key === "search.timeout");
};

test("a configuration with which the node cannot even start ends in the last good one", async () => {
  await service.kill();
  const server = await listen();
  try {
    await service.write(
      "search: {timeout: 40s}\n",
      `127.0.0.1:${(server.address() as { port: number }).port}`,
    );
    const started: boolean[] = [];
    for (let start = 0; start < 5 && started.at(-1) !== true; start++) started.push(await service.start());
    expect(started).toEqual([false, false, false, true]);
  } finally {
    server.close();
  }
  expect((await service.status()).trial).toEqual({
    state: "rolled_back",
    reason: "the process died 3 times on trial",
  });
  expect(await timeoutOf()).toMatchObject({ value: "50s", source: { kind: "last_good" } });
  expect(service.stderr).toContain(
    "the last good configuration is in force: the one that was asked for failed",
  );
  expect(await service.send("after")).toBe(200);
  const answer = await service.run(
    "query",
    "--data-dir",
    service.dataDir,
    "--format",
    "csv",
    "SELECT body FROM logs ORDER BY 1",
  );
  expect(answer.stdout).toBe("body\nafter\nbefore\n");
  const doctor = await service.run("doctor", "--config", service.file);
  expect(doctor.stdout).toMatch(/fail +configuration +rolled back at .*died 3 times/);
  const status = await service.run("status", "--data-dir", service.dataDir);
  expect(status.stdout).toContain("rolled back: the last good configuration is in force");
  // Mended, it is tried again.
  await service.write("search: {timeout: 41s}\n");
  await service.untilTrial("good");
  expect((await timeoutOf()).value).toBe("41s");
}, 120_000);

test("a box that is killed again and again on a new configuration ends in the last good one", async () => {
  await service.kill();
  await service.write("search: {timeout: 40s}\n");
  for (let start = 0; start < 3; start++) {
    expect(await service.start()).toBe(true);
    expect((await service.status()).trial.state).toBe("trial");
    await service.kill();
  }
  expect(await service.start()).toBe(true);
  expect([(await service.status()).trial.state, (await timeoutOf()).value]).toEqual(["rolled_back", "50s"]);
}, 120_000);

test(
  "a box that is killed after a reload, on trial, starts with the last good configuration at once",
  async () => {
    await service.write("search: {timeout: 40s}\n");
    await service.untilTrial("trial");
    expect((await timeoutOf()).value).toBe("40s");
    await service.kill();
    expect(await service.start()).toBe(true);
    expect([(await service.status()).trial.state, (await timeoutOf()).value]).toEqual(["rolled_back", "50s"]);
    // Asked for again by hand, it gets another trial.
    process.kill(service.pid, "SIGHUP");
    await service.untilTrial("good");
    expect((await timeoutOf()).value).toBe("40s");
  },
  120_000,
);

test("stops and starts that were asked for are no deaths", async () => {
  await service.write("search: {timeout: 40s}\n");
  await service.untilTrial("trial");
  for (let start = 0; start < 4; start++) {
    process.kill(service.pid, "SIGTERM");
    while (await fetch(`${service.url("http")}/health`).then(() => true, () => false)) await Bun.sleep(10);
    await Bun.sleep(100);
    expect(await service.start()).toBe(true);
  }
  await service.untilTrial("good");
  expect((await timeoutOf()).value).toBe("40s");
}, 120_000);

test("keys that need a restart and make a component fail are rolled back by a restart in place", async () => {
  await service.kill();
  await service.write(
    "metastore: {kind: postgres, url: 'postgres://u:s3cret@127.0.0.1:1/x', write_interval: 50ms}\n",
  );
  expect(await service.start()).toBe(true);
  const pid = service.pid, url = service.url("http");
  await service.untilElsewhere(url);
  await service.untilTrial("rolled_back");
  expect((await service.status()).pid).toBe(pid);
  expect((await service.status()).trial.reason).toMatch(/^catalog is degraded: /);
  expect(await service.send("after")).toBe(200);
  expect(service.stderr).not.toContain("s3cret");
}, 120_000);

test("a live change that makes the box refuse records is taken back without a restart", async () => {
  for (let index = 0; index < 3; index++) {
    expect(await service.send(crypto.getRandomValues(new Uint8Array(600_000)).toBase64())).toBe(200);
  }
  const pid = service.pid;
  const text = readFileSync(service.file, "utf8");
  await Bun.write(
    service.file,
    text.replace("storage:\n", "storage:\n  budget: 1MiB\n  when_full: refuse\n"),
  );
  await service.untilTrial("rolled_back");
  expect([service.pid, (await service.status()).trial.reason]).toEqual([
    pid,
    expect.stringMatching(/^disk is failed/),
  ]);
  const health = await (await fetch(`${service.url("http")}/health`)).json();
  expect(health.components.config.reason).toContain("the last good one runs");
  for (const deadline = Date.now() + 5_000; await service.send("after") !== 200;) {
    if (Date.now() > deadline) throw new Error("records are refused still");
    await Bun.sleep(50);
  }
}, 120_000);

test(
  "a file that cannot be read starts the last good configuration, loudly; a check of it fails",
  async () => {
    await service.kill();
    await service.write("search: {timeout: 40s\n wal: [\n");
    expect(await service.start()).toBe(true);
    expect(service.stderr).toContain("the configuration cannot be read: the last good one takes its place");
    expect(service.stderr).toMatch(/openwit\.yaml:\d+: this is not valid YAML/);
    expect([(await service.status()).trial.state, (await timeoutOf()).value]).toEqual(["rolled_back", "50s"]);
    expect((await service.run("config", "check", service.file)).status).toBe(1);
    expect((await service.run("doctor", "--config", service.file)).stdout).toMatch(
      /fail +configuration +cannot be read/,
    );
    await service.write("search: {timeout: 42s}\n");
    await service.untilTrial("good");
    expect((await timeoutOf()).value).toBe("42s");
  },
  120_000,
);

test("what is kept is for its owner alone", () => {
  expect(statSync(join(service.dataDir, "run/config.good.yaml")).mode & 0o777).toBe(0o600);
});

async function listen(): Promise<Server> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}
