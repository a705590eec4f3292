import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog } from "../../core/env/log.ts";
import { OpenWitError } from "../../core/error.ts";
import type { Config } from "../config/config.ts";
import { fingerprintOf, readLastGood, readTrial, writeLastGood } from "../config/last_good.ts";
import { plainYaml, type Texts } from "../config/render.ts";
import { type Configuration, loadConfiguration } from "../config/settings.ts";
import { boot } from "./boot.ts";
import type { NodeHealth } from "./health.ts";
import { Reloader } from "./reload.ts";
import { SafeMode } from "./safe_mode.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "openwit-safe-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const trial = { "control_plane.trial": "300ms" };

/** A process of a box whose file says `texts`; `health` is how its components are. */
class Box {
  texts: Texts;
  readonly health: Record<string, string> = { catalog: "ok", disk: "ok" };
  readonly applied: Config[] = [];
  readonly rollbacks: string[] = [];
  isRecovering = false;
  restarts = 0;
  reloader!: Reloader;
  safeMode!: SafeMode;

  constructor(texts: Texts) {
    this.texts = { ...trial, ...texts };
  }

  async load(): Promise<Configuration> {
    const text = plainYaml({ ...this.texts, "storage.data_dir": folder });
    return await loadConfiguration({ flags: {}, environment: {}, file: { path: "x.yaml", text } });
  }

  /** As far as the lock; a process that dies at its start comes no further. */
  async begin(): Promise<this> {
    const load = () => this.load();
    const booted = await boot({ flags: {}, environment: {}, paths: {}, load, bootId: "boot" });
    this.safeMode = new SafeMode({
      dataDir: folder,
      bootId: "boot",
      log: silentLog,
      health: () => ({ phase: "ready", components: this.#components() }) as unknown as NodeHealth,
      isRecovering: () => this.isRecovering,
      onRollback: (reason) => this.rollbacks.push(reason),
      restart: () => void this.restarts++,
    }, booted);
    this.reloader = new Reloader(
      {
        paths: {},
        load,
        apply: (config) => this.applied.push(config),
        log: silentLog,
        onOutcome: () => {},
      },
      booted.running,
      booted.asked,
    );
    await this.safeMode.begin();
    return this;
  }

  async start(): Promise<this> {
    await this.begin();
    this.safeMode.ready(this.reloader);
    return this;
  }

  get timeoutMs(): number {
    return this.reloader.running.config.searchTimeoutMs;
  }

  async until(state: string): Promise<void> {
    for (const deadline = Date.now() + 5_000; Date.now() < deadline; await Bun.sleep(5)) {
      if (this.safeMode.status().state === state) return await this.safeMode.settled();
    }
    expect(this.safeMode.status().state).toBe(state as never);
  }

  #components() {
    return Object.fromEntries(
      Object.entries(this.health).map(([name, status]) => [name, { status, reason: "so it is" }]),
    );
  }
}

async function keepGood(texts: Texts = {}): Promise<void> {
  await writeLastGood(folder, (await new Box(texts).load()).settings);
}

test("the first configuration becomes the last good one when the box was well with it for as long as a trial", async () => {
  const box = await new Box({ "search.timeout": "5s" }).start();
  expect([box.safeMode.status().state, await readLastGood(folder)]).toEqual(["first", undefined]);
  await box.until("good");
  expect((await readLastGood(folder))!.fingerprint).toBe(fingerprintOf((await box.load()).settings));
});

test("a new one at a start is kept as on trial before anything of it runs, and passes", async () => {
  await keepGood();
  const box = await new Box({ "search.timeout": "5s" }).start();
  expect(readTrial(folder)).toMatchObject({ state: "trial", began: "start", starts: 1 });
  expect(box.safeMode.status()).toMatchObject({ state: "trial", until: expect.any(String) });
  await box.until("good");
  expect(readTrial(folder)).toBeUndefined();
  expect((await readLastGood(folder))!.configuration.config.searchTimeoutMs).toBe(5_000);
});

test("a reload that makes a component fail is taken back at once, and stays back over a restart", async () => {
  await keepGood();
  const box = await new Box({}).start();
  box.texts = { ...trial, "search.timeout": "5s" };
  await box.reloader.reload("file");
  expect([box.safeMode.status().state, box.timeoutMs]).toEqual(["trial", 5_000]);
  box.health.catalog = "failed";
  await box.until("rolled_back");
  expect([box.timeoutMs, box.applied.at(-1)!.searchTimeoutMs, box.restarts]).toEqual([60_000, 60_000, 0]);
  expect(box.rollbacks).toEqual(["catalog is failed: so it is"]);
  const next = await new Box({ "search.timeout": "5s" }).start();
  expect([next.safeMode.status(), next.timeoutMs]).toEqual([
    { state: "rolled_back", reason: "catalog is failed: so it is" },
    60_000,
  ]);
});

test("keys that need a restart are rolled back by one", async () => {
  await keepGood();
  const box = await new Box({ "search.threads": "7" }).start();
  box.health.disk = "failed";
  await box.until("rolled_back");
  expect([box.restarts, readTrial(folder)]).toEqual([1, expect.objectContaining({ state: "rolled_back" })]);
  const next = await new Box({ "search.threads": "7" }).start();
  expect(next.reloader.running.config.searchThreads).toBe(2);
});

test("what was ill before is not ill of the new configuration, and a moment's trouble is none", async () => {
  const patient = { "control_plane.trial": "1500ms" };
  await keepGood(patient);
  const box = await new Box(patient).start();
  box.health.disk = "failed";
  box.texts = { ...patient, "search.timeout": "5s" };
  await box.reloader.reload("file");
  box.health.catalog = "failed";
  await Bun.sleep(30); // and not for the 500 ms that count
  box.health.catalog = "ok";
  await box.until("good");
  expect(box.rollbacks).toEqual([]);
});

test("a flood of records is no fault of a configuration that says nothing of memory", async () => {
  await keepGood();
  const box = await new Box({ "storage.retention": "7d" }).start();
  box.health.memory = "failed";
  await Bun.sleep(250);
  box.health.memory = "ok";
  await box.until("good");
  const larger = await new Box({ "storage.retention": "7d", "search.rows_max": "7" }).start();
  larger.health.memory = "failed";
  await larger.until("rolled_back");
});

test("a trial begins when the rows of the last run are back: a store is not ill of bringing them back", async () => {
  await keepGood();
  const box = await new Box({ "search.timeout": "5s" }).begin();
  box.isRecovering = true;
  box.health.store = "degraded";
  box.safeMode.ready(box.reloader);
  await Bun.sleep(400);
  expect(box.safeMode.status().state).toBe("trial");
  box.isRecovering = false;
  box.health.store = "ok";
  await box.until("good");
  expect(box.rollbacks).toEqual([]);
});

test("a crash loop at the start ends in the last good configuration; a new file is tried again", async () => {
  await keepGood();
  const runs: number[] = [];
  for (let start = 0; start < 5; start++) {
    runs.push((await new Box({ "search.timeout": "5s" }).begin()).timeoutMs);
  }
  expect(runs).toEqual([5_000, 5_000, 5_000, 60_000, 60_000]);
  expect(readTrial(folder)!.reason).toContain("died 3 times");
  const mended = await new Box({ "search.timeout": "6s" }).start();
  expect([mended.timeoutMs, mended.safeMode.status().state]).toEqual([6_000, "trial"]);
});

test("a death on trial after a reload is enough; a stop that was asked for is no death", async () => {
  await keepGood();
  const reload = async () => {
    const box = await new Box({}).start();
    box.texts = { ...trial, "search.timeout": "5s" };
    await box.reloader.reload("file");
    await box.safeMode.settled();
    return box;
  };
  await (await reload()).safeMode.stop();
  const again = await new Box({ "search.timeout": "5s" }).begin();
  expect([again.timeoutMs, again.safeMode.status().state]).toEqual([5_000, "trial"]);
  await reload();
  expect((await new Box({ "search.timeout": "5s" }).begin()).timeoutMs).toBe(60_000);
});

test("going back to the good one ends a trial, and asking for the failed one by hand begins another", async () => {
  await keepGood();
  const box = await new Box({}).start();
  box.texts = { ...trial, "search.timeout": "5s" };
  await box.reloader.reload("file");
  box.texts = trial;
  await box.reloader.reload("file");
  expect(box.safeMode.status().state).toBe("good");
  box.texts = { ...trial, "search.timeout": "5s" };
  await box.reloader.reload("file");
  box.health.catalog = "failed";
  await box.until("rolled_back");
  box.health.catalog = "ok";
  await box.reloader.reload("api");
  expect([box.safeMode.status().state, box.timeoutMs]).toEqual(["trial", 5_000]);
  await box.until("good");
});

test("a reload that changes nothing goes on with the trial, and hides nothing that fell ill on it", async () => {
  await keepGood();
  const box = await new Box({ "search.timeout": "5s" }).start();
  box.health.catalog = "failed";
  await box.reloader.reload("signal");
  box.texts = { ...box.texts, "search.rows_max": "many" };
  await expect(box.reloader.reload("signal")).rejects.toThrow();
  expect(readTrial(folder)).toMatchObject({ began: "start", starts: 1 });
  await box.until("rolled_back");
});

test("keys that need a restart, asked for again by hand after they failed, are tried again at the next start", async () => {
  await keepGood();
  for (let start = 0; start < 3; start++) await new Box({ "search.threads": "7" }).begin();
  const box = await new Box({ "search.threads": "7" }).start();
  expect([box.safeMode.status().state, box.reloader.restartNeeded]).toEqual(["rolled_back", [
    "search.threads",
  ]]);
  await box.reloader.reload("api");
  await box.safeMode.settled();
  expect([box.safeMode.status().state, readTrial(folder)]).toEqual(["good", undefined]);
  const next = await new Box({ "search.threads": "7" }).start();
  expect([next.safeMode.status().state, next.reloader.running.config.searchThreads]).toEqual(["trial", 7]);
});

test("a configuration that cannot be read gives way to the last good one of the same file", async () => {
  await keepGood({ "search.timeout": "5s" });
  const broken = new Box({ "search.timeout": "soon" });
  await expect(broken.begin()).rejects.toThrow(/search.timeout is "soon"/); // nobody says where the data lies
  const load = () => broken.load();
  const flags = { "data-dir": folder };
  const booted = await boot({ flags, environment: {}, paths: {}, load, bootId: "boot" });
  expect([booted.running.config.searchTimeoutMs, booted.plan.state]).toEqual([5_000, "rolled_back"]);
  const other = boot({ flags, environment: {}, paths: { file: "other.yaml" }, load, bootId: "boot" });
  await expect(other).rejects.toThrow(/soon/);
  const off = { OPENWIT_CONTROL_PLANE__TRIAL: "0s" };
  await expect(boot({ flags, environment: off, paths: {}, load, bootId: "boot" })).rejects.toThrow(/soon/);
  const overlay = { paths: { overlay: join(folder, "nowhere.yaml") }, load, bootId: "boot" };
  await expect(boot({ flags: { ...flags, environment: "x" }, environment: {}, ...overlay })).rejects.toThrow(
    /soon/,
  );
  const typo = { ...flags, budget: "much" };
  await expect(boot({ flags: typo, environment: {}, paths: {}, load, bootId: "boot" })).rejects.toThrow(
    /soon/,
  );
});

test("a file that is gone, or no YAML, is found its data folder by what it says, or by what systemd made", async () => {
  const file = join(folder, "openwit.yaml");
  await writeLastGood(folder, (await new Box({ "search.timeout": "5s" }).load()).settings, file);
  const load = () => Promise.reject(new OpenWitError("invalid_argument", "it cannot be read"));
  const env = { flags: {}, paths: { file }, load, bootId: "boot" };
  await expect(boot({ ...env, environment: {} })).rejects.toThrow("it cannot be read");
  const served = await boot({ ...env, environment: { STATE_DIRECTORY: folder } });
  expect([served.plan.run, served.running.config.searchTimeoutMs]).toEqual(["good", 5_000]);
  for (
    const text of [
      `storage: {data_dir: ${folder}, budgt: 1}\n`,
      `storage:\n  data_dir: "${folder}"\n\twal: [\n`,
    ]
  ) {
    await Bun.write(file, text);
    expect((await boot({ ...env, environment: {} })).running.config.dataDir).toBe(folder);
  }
});

test("turned off, it keeps nothing, and what was kept is forgotten", async () => {
  await keepGood();
  const box = await new Box({ "control_plane.trial": "0s", "search.timeout": "5s" }).start();
  await box.safeMode.settled();
  expect([box.safeMode.status(), box.timeoutMs, await readLastGood(folder)]).toEqual([
    { state: "off" },
    5_000,
    undefined,
  ]);
});
