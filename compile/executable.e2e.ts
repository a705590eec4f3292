/**
 * What the built executable promises about itself, wherever it is put and whoever starts it. Looks at
 * OPENWIT_BINARY, or at what `npm run compile` left in dist/.
 *
 * As root the processes run as a user id that has no name, no home and no files, as in a hardened container.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";

const built = process.env["OPENWIT_BINARY"] ??
  join(resolve(import.meta.dirname, "../dist"), `openwit-linux-${process.arch}`);
const isRoot = process.geteuid!() === 0;
const uid = isRoot ? 54321 : process.geteuid!();

let base: string;
let executable: string;
/** A data folder that has been served once, so that there is something to ask. */
let dataDir: string;

beforeAll(async () => {
  if (!existsSync(built)) throw new Error(`${built} does not exist: run "npm run compile" first`);
  base = mkdtempSync(join(tmpdir(), "openwit-executable-"));
  chmodSync(base, 0o755);
  executable = join(base, "openwit");
  copyFileSync(built, executable);
  chmodSync(executable, 0o755);
  dataDir = join(base, "data");
  await serveOnce();
}, 60_000);
afterAll(() => rmSync(base, { recursive: true, force: true }));

test.each([["--version"], ["--help"]])("%s is answered within 60 ms and leaves no file", async (flag) => {
  const temporary = privateTemporary(`start-${flag}`);
  const timesMs: number[] = [];
  for (let round = 0; round < 7; round++) {
    const startMs = performance.now();
    const { status, stdout } = await run([flag], { TMPDIR: temporary });
    timesMs.push(performance.now() - startMs);
    expect({ status, isEmpty: stdout === "" }).toEqual({ status: 0, isEmpty: false });
  }
  timesMs.sort((a, b) => a - b);
  expect(timesMs[3]).toBeLessThan(60);
  expect(readdirSync(temporary)).toEqual([]);
});

test("copies that start at once, by a user without a home, all answer", async () => {
  const temporary = privateTemporary("at-once");
  const runs = await Promise.all([1, 2, 3].map(() => run(query, { TMPDIR: temporary })));
  expect(runs.map(({ status, stderr }) => ({ status, stderr }))).toEqual(
    Array.from({ length: 3 }, () => ({ status: 0, stderr: "" })),
  );
  const [own] = readdirSync(temporary);
  expect(own).toBe(`openwit-${uid}`);
  expect(statSync(join(temporary, own)).mode & 0o777).toBe(0o700);
}, 60_000);

test(
  "a planted folder, which others can write, is not touched: the engine is loaded from memory",
  async () => {
    const temporary = privateTemporary("planted");
    const planted = join(temporary, `openwit-${uid}`);
    mkdirSync(planted);
    chmodSync(planted, 0o777);
    expect(await run(query, { TMPDIR: temporary })).toMatchObject({ status: 0, stderr: "" });
    expect(readdirSync(planted)).toEqual([]);
  },
  60_000,
);

test("a chosen folder that will not do is an error with what to do about it", async () => {
  const { status, stderr } = await run(query, { OPENWIT_NATIVE_DIR: join(base, "none") });
  expect(status).toBe(1);
  expect(stderr).toContain("OPENWIT_NATIVE_DIR");
}, 60_000);

test("what lies in the current folder has no say in what runs", async () => {
  const folder = privateTemporary("hostile");
  await Bun.write(join(folder, "bunfig.toml"), 'preload = ["./evil.ts"]\n');
  await Bun.write(join(folder, "evil.ts"), 'console.log("evil");\n');
  await Bun.write(join(folder, ".env"), "OPENWIT_NATIVE_DIR=/nowhere\n");
  const { status, stdout } = await run(query, { TMPDIR: privateTemporary("hostile-tmp") }, folder);
  expect(status).toBe(0);
  expect(stdout).not.toContain("evil");
}, 60_000);

const query = ["query", "--format", "json", "SELECT count(*) AS n FROM logs"];

/** Sticky and open to all, as /tmp is. */
function privateTemporary(name: string): string {
  const folder = join(base, name);
  mkdirSync(folder);
  chmodSync(folder, 0o1777);
  return folder;
}

async function run(args: string[], env: Record<string, string>, cwd = base) {
  const stranger = isRoot ? ["setpriv", `--reuid=${uid}`, `--regid=${uid}`, "--clear-groups"] : [];
  const all = args[0] === "query" ? [args[0], "--data-dir", dataDir, ...args.slice(1)] : args;
  // The environment is replaced: no HOME, no XDG folder, nothing of whoever runs the test.
  const child = Bun.spawn([...stranger, executable, ...all], {
    cwd,
    env: { PATH: process.env["PATH"]!, ...env },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [status, stdout, stderr] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { status, stdout, stderr };
}

async function serveOnce(): Promise<void> {
  const listeners = ["http", "otlp-http", "otlp-grpc"].flatMap((flag) => [`--${flag}`, "127.0.0.1:0"]);
  const child = Bun.spawn([executable, "serve", "--data-dir", dataDir, ...listeners], {
    cwd: base,
    stdout: "ignore",
    stderr: "pipe",
  });
  const deadline = Date.now() + 30_000;
  while (!existsSync(join(dataDir, "run/server.json"))) {
    if (child.exitCode !== null || Date.now() > deadline) {
      throw new Error(await new Response(child.stderr).text());
    }
    await Bun.sleep(20);
  }
  child.kill("SIGTERM");
  await child.exited;
  // The data is not the matter here: whoever asks may read it.
  Bun.spawnSync(["chmod", "-R", "a+rX", dataDir]);
}
