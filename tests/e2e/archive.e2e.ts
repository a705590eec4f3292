/** `openwit export` and `openwit import`, between servers and folders, with archives that were damaged on purpose. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Box, runOpenwit } from "./box.ts";

const source = new Box();
const folder = mkdtempSync(join(tmpdir(), "openwit-archive-"));
/** Taken from the running server: three segments, and rows that only its WAL had. */
const archive = join(folder, "box.tar");
const logs = 30;

beforeAll(async () => {
  await source.start();
  for (const [tenant, name] of [["default", "a"], ["default", "b"], ["shop", "c"]]) {
    await send(source, name, 10, tenant);
    await fetch(`${source.endpoints.http}/api/v1/admin/flush`, { method: "POST" });
  }
  await send(source, "in-wal", 10, "default");
  const { status, stdout, stderr } = await source.run(
    "export",
    "--output",
    archive,
    "--url",
    source.endpoints.http,
  );
  expect([status, stderr]).toEqual([0, ""]);
  expect(stdout).toContain("4 segments of 40 rows");
}, 60_000);
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await source[Symbol.asyncDispose]();
});

test("an archive is a tar file that other programs list, with segments that others read", async () => {
  const listed = await new Response(Bun.spawn(["tar", "-tf", archive]).stdout).text();
  const names = listed.trim().split("\n");
  expect(names[0]).toBe("manifest.json");
  expect(names.at(-1)).toBe("end.json");
  expect(names.slice(1, -1).every((name) => /^parquet\/(default|shop)\/.*\.parquet$/.test(name))).toBe(true);
  const unpacked = join(folder, "unpacked");
  await Bun.spawn(["mkdir", "-p", unpacked]).exited;
  expect(await Bun.spawn(["tar", "-xf", archive, "-C", unpacked]).exited).toBe(0);
  const manifest = JSON.parse(readFileSync(join(unpacked, "manifest.json"), "utf8"));
  expect(manifest).toMatchObject({
    format: "openwit-archive",
    version: 1,
    rows: 40,
    tenants: ["default", "shop"],
  });
});

test("a running server takes it while it works, once, and a merge afterwards loses nothing", async () => {
  await using target = new Box();
  await target.start();
  await send(target, "own", 5, "default");
  const dry = await importInto(target, "--dry-run");
  expect(dry).toMatchObject({ status: 0, dry_run: true, added: { segments: 4, rows: 40 } });
  expect(await target.value("SELECT count(*) FROM logs")).toBe("5");
  const first = await importInto(target);
  expect(first).toMatchObject({ status: 0, added: { segments: 4, rows: 40 }, already_here: { segments: 0 } });
  expect(await counts(target)).toEqual([logs + 5, 10]);
  const again = await importInto(target);
  expect(again).toMatchObject({ status: 0, added: { segments: 0 }, already_here: { segments: 4, rows: 40 } });
  await fetch(`${target.endpoints.http}/api/v1/admin/flush`, { method: "POST" });
  const merged = await fetch(`${target.endpoints.http}/api/v1/admin/compact`, { method: "POST" });
  expect((await merged.json()).merges).toBeGreaterThan(0);
  expect(await importInto(target)).toMatchObject({ status: 0, added: { segments: 0 } });
  expect(await counts(target)).toEqual([logs + 5, 10]);
  expect(await target.rows("SELECT did FROM system.tasks WHERE task = 'import'")).toContainEqual(
    ["4 segments of 40 rows added"],
  );
  expect(await target.value("SELECT count(*) FROM system.segments WHERE origin IS NOT NULL")).not.toBe("0");
  await target.kill();
  await target.start();
  expect(await counts(target)).toEqual([logs + 5, 10]);
  await target.stop();
  // The other node's numbers of requests must not count as this one's when only footers are left.
  for (const name of readdirSync(join(target.dataDir, "manifest"))) {
    rmSync(join(target.dataDir, "manifest", name));
  }
  await target.start();
  expect(await counts(target)).toEqual([logs + 5, 10]);
  await send(target, "later", 7, "default");
  await target.kill();
  await target.start();
  expect(await counts(target)).toEqual([logs + 12, 10]);
  await target.stop();
  const verified = await runOpenwit(["verify", "--deep", "--data-dir", target.dataDir]);
  expect([verified.status, verified.stdout]).toEqual([0, expect.stringContaining("no findings")]);
}, 60_000);

test("a folder at rest is exported with its WAL, unchanged, and a new folder is made of it", async () => {
  const rest = join(folder, "rest");
  await using box = new Box([], rest);
  await box.start();
  await send(box, "a", 10, "default");
  await fetch(`${box.endpoints.http}/api/v1/admin/flush`, { method: "POST" });
  await send(box, "b", 10, "default");
  await box.stop();
  const before = filesOf(rest);
  // What the node said of itself is in it too, in a segment of its own.
  const ask = ["query", "--data-dir", rest, "--tenant", "_system", "--format", "csv"];
  const own = Number((await runOpenwit([...ask, "SELECT count(*) FROM logs"])).stdout.split("\n")[1]);
  expect(own).toBeGreaterThan(0);
  const piped = await runOpenwit([
    "export",
    "--data-dir",
    rest,
    "--output",
    join(folder, "rest.tar"),
    "--json",
  ]);
  expect(JSON.parse(piped.stdout)).toMatchObject({ segments: 3, rows: 20 + own });
  expect(filesOf(rest)).toEqual(before);
  const made = join(folder, "made");
  const imported = await runOpenwit(["import", "--data-dir", made, "--json", join(folder, "rest.tar")]);
  expect([imported.status, imported.stderr]).toEqual([0, ""]);
  expect(JSON.parse(imported.stdout)).toMatchObject({ added: { segments: 3, rows: 20 + own } });
  const counted = await runOpenwit([
    "query",
    "--data-dir",
    made,
    "--format",
    "csv",
    "SELECT count(*) FROM logs",
  ]);
  expect(counted.stdout).toContain("20");
  // Back where it came from: its own rows are not doubled, not even those that were in the WAL then.
  const back = await runOpenwit(["import", "--data-dir", rest, "--json", join(folder, "rest.tar")]);
  expect(JSON.parse(back.stdout)).toMatchObject({ added: { segments: 0 }, already_here: { rows: 20 + own } });
}, 60_000);

test("a later archive of the same node adds what is new, and its merged segments take over", async () => {
  await using from = new Box();
  await using target = new Box();
  await Promise.all([from.start(), target.start()]);
  await send(from, "first", 10, "default");
  const one = join(folder, "one.tar");
  const two = join(folder, "two.tar");
  await from.run("export", "--output", one, "--url", from.endpoints.http);
  expect(await importInto(target, one)).toMatchObject({ added: { rows: 10 } });
  await send(from, "second", 10, "default");
  await fetch(`${from.endpoints.http}/api/v1/admin/flush`, { method: "POST" });
  await fetch(`${from.endpoints.http}/api/v1/admin/compact`, { method: "POST" });
  await from.run("export", "--output", two, "--url", from.endpoints.http);
  expect(await importInto(target, two)).toMatchObject({
    status: 0,
    added: { segments: 1, rows: 20 },
    replaced: { segments: 1, rows: 10 },
    left_out: [],
  });
  expect(await target.value("SELECT count(*) FROM logs")).toBe("20");
  // The first one's rows are all in the second's segment, which knows nothing of it but by its rows.
  expect(await importInto(target, one)).toMatchObject({ added: { rows: 0 }, already_here: { rows: 10 } });
}, 60_000);

test(
  "archives that are cut short, flipped, renamed or of a newer version add nothing, and say why",
  async () => {
    await using target = new Box();
    await target.start();
    const whole = readFileSync(archive);
    const damages: Record<string, [Buffer | Uint8Array, string]> = {
      empty: [Buffer.alloc(0), "cut short"],
      cut: [whole.subarray(0, whole.length - 2_000), "cut short"],
      "without its end": [whole.subarray(0, whole.lastIndexOf("end.json")), "cut short"],
      flipped: [flipped(whole, whole.indexOf("PAR1") + 100), "checksum"],
      header: [flipped(whole, whole.indexOf("ustar", 600) + 40), "checksum is wrong"],
      newer: [replaced(whole, '"version": 1', '"version": 2'), "version 2"],
      climbing: [replaced(whole, '"path": "parquet/', '"path": "../quet/'), "not the path of a segment"],
      "other tool's": [Buffer.from("not a tar at all".repeat(100)), "no header"],
    };
    for (const [name, [bytes, why]] of Object.entries(damages)) {
      const path = join(folder, "damaged.tar");
      writeFileSync(path, bytes);
      const { status, stderr } = await target.run("import", path, "--url", target.endpoints.http);
      expect([name, status, stderr]).toEqual([name, 1, expect.stringContaining(why)]);
    }
    expect(await target.value("SELECT count(*) FROM logs")).toBe("0");
    expect(existsSync(join(target.dataDir, "parquet/default"))).toBe(false);
  },
  60_000,
);

test("an import whose client goes away, or whose server stops, leaves nothing behind", async () => {
  await using target = new Box();
  await target.start();
  const half = readFileSync(archive).subarray(0, 6_000);
  const hang = (): ReadableStream =>
    new ReadableStream({
      start(controller) {
        controller.enqueue(half); // and nothing more
      },
    });
  const post = (signal: AbortSignal) =>
    fetch(`${target.endpoints.http}/api/v1/admin/import`, { method: "POST", body: hang(), signal });
  await post(AbortSignal.timeout(700)).catch(() => {}); // that is how the client goes away
  expect(await onceFree(() => importInto(target))).toMatchObject({ status: 0, added: { segments: 4 } });
  const underWay = post(AbortSignal.timeout(20_000)).then((answer) => answer.status, () => 503);
  await Bun.sleep(500);
  expect(await target.stop()).toBe(0);
  expect(await underWay).toBe(503);
  expect(filesOf(target.dataDir).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  await target.start();
  expect(await counts(target)).toEqual([logs, 10]);
}, 60_000);

/** The server hears that a client has gone when the end of its connection arrives: until then its import is under way. */
async function onceFree<Result>(work: () => Promise<Result>): Promise<Result> {
  const deadline = performance.now() + 10_000;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!String(error).includes("another import is under way") || performance.now() > deadline) throw error;
      await Bun.sleep(50);
    }
  }
}

test("filters choose tenants, signals and times; a file is replaced only when asked", async () => {
  const out = join(folder, "some.tar");
  const some = async (...flags: string[]) => {
    const { stdout, stderr } = await source.run("export", "--json", "--force", "--output", out, ...flags);
    return stdout === "" ? stderr : JSON.parse(stdout).rows;
  };
  const url = ["--url", source.endpoints.http];
  expect(await some(...url, "--tenant", "shop")).toBe(10);
  expect(await some(...url, "--signal", "traces")).toBe(0);
  expect(await some(...url, "--since", "1h")).toBe(40);
  expect(await some(...url, "--until", "1h")).toBe(0);
  expect(await some(...url, "--signal", "logz")).toContain("there is no signal");
  const refused = await source.run("export", "--output", out, ...url);
  expect([refused.status, refused.stderr]).toEqual([1, expect.stringContaining("--force")]);
}, 60_000);

test("an import that does not fit the budget is refused before it begins, and evicts nothing", async () => {
  await using target = new Box(["--budget", "1MiB"]);
  const large = join(folder, "large.tar");
  await using from = new Box();
  await from.start();
  for (let round = 0; round < 8; round++) {
    await send(from, crypto.getRandomValues(new Uint8Array(300_000)).toBase64(), 1, "default");
  }
  await from.run("export", "--output", large, "--url", from.endpoints.http);
  await target.start();
  await send(target, "own", 5, "default");
  const { status, stderr } = await target.run("import", large, "--url", target.endpoints.http);
  expect([status, stderr]).toEqual([1, expect.stringContaining("there is room for")]);
  expect(await target.value("SELECT count(*) FROM logs")).toBe("5");
}, 60_000);

test("a damaged segment ends an export with the reason, and what is missing makes it partial", async () => {
  const copy = join(folder, "copy");
  await using box = new Box([], copy);
  await box.start();
  await send(box, "a", 10, "default");
  await fetch(`${box.endpoints.http}/api/v1/admin/flush`, { method: "POST" });
  await box.stop();
  const segment = filesOf(copy).find((name) => name.endsWith(".parquet"))!;
  const bytes = readFileSync(join(copy, segment));
  writeFileSync(join(copy, segment), flipped(bytes, 100));
  const out = join(folder, "failed.tar");
  const { status, stderr } = await runOpenwit(["export", "--data-dir", copy, "--output", out]);
  expect([status, stderr]).toEqual([1, expect.stringContaining("checksum")]);
  expect(readdirSync(folder).filter((name) => name.startsWith("failed"))).toEqual([]);
  rmSync(join(copy, segment));
  const partial = await runOpenwit(["export", "--data-dir", copy, "--output", out]);
  expect([partial.status, partial.stderr]).toEqual([3, expect.stringContaining("missing")]);
}, 60_000);

async function importInto(target: Box, ...args: string[]) {
  const path = args.find((each) => each.endsWith(".tar")) ?? archive;
  const flags = args.filter((each) => each !== path);
  const { status, stdout, stderr } = await target.run(
    "import",
    "--json",
    "--url",
    target.endpoints.http,
    ...flags,
    path,
  );
  if (stdout === "") throw new Error(stderr);
  return { status, ...JSON.parse(stdout) };
}

/** Logs of the two tenants. */
async function counts(box: Box): Promise<number[]> {
  const of = async (tenant: string) =>
    Number(await box.value("SELECT count(*) FROM logs", { "X-Scope-OrgID": tenant }));
  return [await of("default"), await of("shop")];
}

function flipped(bytes: Uint8Array, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] ^= 0xff;
  return copy;
}

function replaced(bytes: Buffer, from: string, to: string): Buffer {
  const copy = Buffer.from(bytes);
  copy.write(to, copy.indexOf(from));
  return copy;
}

function filesOf(path: string): string[] {
  return (readdirSync(path, { recursive: true }) as string[]).filter((name) => !name.startsWith("run"))
    .sort();
}

async function send(to: Box, name: string, count: number, tenant: string): Promise<void> {
  const logRecords = Array.from({ length: count }, (_, index) => ({
    timeUnixNano: String(BigInt(Date.now()) * 1_000_000n),
    body: { stringValue: `${name} record ${index}` },
  }));
  const response = await fetch(`${to.endpoints.otlp_http}/v1/logs`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Scope-OrgID": tenant },
    body: JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords }] }] }),
  });
  if (!response.ok) throw new Error(await response.text());
}
