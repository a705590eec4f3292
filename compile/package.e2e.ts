/**
 * What `npm run package` promises: two builds of one commit are byte-equal, wherever and whenever they are made; what came
 * of it is signed, is what it says, and starts as anybody on a system that cannot be written.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { verifyRelease } from "../edge/release/release.ts";
import { version } from "../edge/version.ts";

const root = resolve(import.meta.dirname, "..");
const { privateKey } = generateKeyPairSync("ed25519");
const timeSeconds = "1795650000";

let base: string;
/** The packages of this checkout, and of a copy of it elsewhere. */
let first: string;
let second: string;

beforeAll(async () => {
  base = mkdtempSync(join(tmpdir(), "openwit-package-test-"));
  chmodSync(base, 0o755);
  [first, second] = ["first", "second"].map((name) => join(base, name));
  const keyFile = join(base, "key.pem");
  writeFileSync(keyFile, privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
  await build(root, first, keyFile, { TZ: "UTC" });
  await build(copyOfSources(join(base, "a copy/elsewhere")), second, keyFile, {
    TZ: "Asia/Tokyo",
    LANG: "C.UTF-8",
  });
}, 290_000);
afterAll(() => rmSync(base, { recursive: true, force: true }));

test("two builds of one commit are byte-equal: in another folder, time zone and hour, with a new catalog template", () => {
  const names = readdirSync(first).sort();
  expect(names).toEqual([
    "SHA256SUMS",
    "SHA256SUMS.sig",
    ...[`${folder}.cdx.json`, `${folder}.tar.xz`, debName].flatMap((name) => [name, `${name}.sig`]),
  ]);
  expect(readdirSync(second).sort()).toEqual(names);
  const unlike = names.filter((name) =>
    !readFileSync(join(first, name)).equals(readFileSync(join(second, name)))
  );
  expect(unlike).toEqual([]);
});

test("a download stays below 70 MB", () => {
  // These were compressed in seconds; in the minutes that a release is given they become a seventh smaller (75.4 and 64.4 MB).
  for (const name of [`${folder}.tar.xz`, debName]) {
    expect(readFileSync(join(first, name)).length * 6 / 7, name).toBeLessThan(70e6);
  }
});

test("each file is verified by its own signature, and by SHA256SUMS without it", async () => {
  const key = createPublicKey(privateKey as unknown as string);
  for (const name of [`${folder}.tar.xz`, debName]) {
    const file = join(first, name);
    expect(await verifyRelease({ file, key })).toMatchObject({ signature: `${file}.sig` });
    rmSync(`${file}.sig`);
    expect(await verifyRelease({ file, key })).toMatchObject({ signature: join(first, "SHA256SUMS.sig") });
  }
});

test(
  "the tarball starts as a user without a name, from a system that cannot be written, and leaves nothing",
  async () => {
    const place = unpacked("tarball");
    const data = join(base, "data");
    mkdirSync(data);
    chmodSync(data, 0o1777);
    const script = `
    cd ${place}
    ${isRoot ? `mount --bind ${place} ${place}; mount -o remount,ro,bind ${place}` : ""}
    as="${isRoot ? "setpriv --reuid=54321 --regid=54321 --clear-groups" : ""} env -i PATH=/usr/bin:/bin"
    : > ${data}/log
    $as ./openwit serve --config "" --data-dir ${data}/d --http 127.0.0.1:0 --otlp-http 127.0.0.1:0 \\
      --otlp-grpc 127.0.0.1:0 > ${data}/log 2>&1 &
    server=$!
    for tenth in $(seq 300); do grep -q "API" ${data}/log && break; sleep 0.1; done
    $as ./openwit demo --endpoint "$(sed -n 's/.*OTLP.gRPC *//p' ${data}/log)" --rate 50 --duration 1s 2> /dev/null
    $as ./openwit query --data-dir ${data}/d --format csv "SELECT count(*) > 0 AS found FROM logs"
    kill $server; wait $server`;
    const shell = isRoot ? ["unshare", "--mount", "sh", "-c", script] : ["sh", "-c", script];
    const child = Bun.spawn(shell, { env: { PATH: process.env["PATH"]! }, stdout: "pipe", stderr: "pipe" });
    const [stdout, stderr] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    expect({ stdout: stdout.split("\n").slice(-3), stderr }).toEqual({
      stdout: ["found", "true", ""],
      stderr: "",
    });
    expect(readdirSync(place)).toContain("libduckdb.so");
    expect(readdirSync(place).filter((name) => name.startsWith("native-"))).toEqual([]);
  },
  90_000,
);

test("a packaged executable without its library says what to do", async () => {
  const place = unpacked("alone");
  rmSync(join(place, "libduckdb.so"));
  const child = Bun.spawn([
    join(place, "openwit"),
    "query",
    "--data-dir",
    join(base, "data/d"),
    "SELECT 1 FROM logs",
  ], {
    stdout: "ignore",
    stderr: "pipe",
  });
  const [status, stderr] = [await child.exited, await new Response(child.stderr).text()];
  expect(status).toBe(1);
  expect(stderr).toContain("libduckdb.so does not exist");
  expect(stderr).toContain("install the package again");
}, 60_000);

test("the bill of materials names a licence and a checksum for each part", () => {
  const { components, dependencies, metadata } = bill();
  expect(metadata.component).toMatchObject({ name: "openwit", version });
  const names = components.map(({ name }: { name: string }) => name);
  expect(names).toEqual(expect.arrayContaining(["node-api", "pglite", "hono", "yaml", "apache-arrow"]));
  for (const { name, licenses, hashes, purl } of components) {
    expect(licenses[0].expression ?? licenses[0].license.id, name).not.toBe("NOASSERTION");
    expect(hashes[0].content, name).toMatch(/^[0-9a-f]{128}$/);
    expect(purl, name).toMatch(/^pkg:npm\//);
  }
  const refs = new Set(["openwit", ...components.map((each: { "bom-ref": string }) => each["bom-ref"])]);
  for (const { ref, dependsOn } of dependencies) {
    for (const each of [ref, ...dependsOn]) expect(refs.has(each)).toBe(true);
  }
});

const python = process.env["OPENWIT_TEST_PYTHON"] ?? "python3";
const validates =
  Bun.spawnSync([python, "-c", "import cyclonedx.validation.json, jsonschema"]).exitCode === 0;
test.skipIf(!validates)(
  `the bill of materials is CycloneDX 1.6${validates ? "" : " (no cyclonedx here)"}`,
  () => {
    const program = `import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
print(JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(sys.argv[1]).read()))`;
    const run = Bun.spawnSync([python, "-c", program, join(first, `${folder}.cdx.json`)]);
    expect(run.stdout.toString() + run.stderr.toString()).toBe("None\n");
  },
);

const hasMandoc = Bun.which("mandoc") !== null;
test.skipIf(!hasMandoc)(`the man pages are clean${hasMandoc ? "" : " (no mandoc here)"}`, () => {
  const man = join(unpacked("man"), "man");
  const run = Bun.spawnSync([
    "mandoc",
    "-Tlint",
    "-Wwarning",
    join(man, "openwit.1"),
    join(man, "openwit.yaml.5"),
  ]);
  expect(run.stdout.toString() + run.stderr.toString()).toBe("");
});

const isRoot = process.geteuid!() === 0;
const folder = `openwit-${version}-linux-${process.arch}`;
const debName = `openwit_${version}_${process.arch === "x64" ? "amd64" : "arm64"}.deb`;

function bill() {
  return JSON.parse(readFileSync(join(first, `${folder}.cdx.json`), "utf8"));
}

function unpacked(name: string): string {
  const place = join(base, name);
  mkdirSync(place);
  const run = Bun.spawnSync(["tar", "--no-same-owner", "-xJf", join(first, `${folder}.tar.xz`), "-C", place]);
  if (run.exitCode !== 0) throw new Error(run.stderr.toString());
  return join(place, folder);
}

/** With packages of its own, from which the template is taken that an earlier build made. */
function copyOfSources(place: string): string {
  mkdirSync(place, { recursive: true });
  const script = `git ls-files -z | xargs -0 cp --parents -t "$1"
    cp -al node_modules "$1/" 2> /dev/null || cp -a node_modules "$1/"
    rm -rf "$1/node_modules/.cache"`;
  const run = Bun.spawnSync(["sh", "-c", script, "sh", place], { cwd: root });
  if (run.exitCode !== 0) throw new Error(run.stderr.toString());
  return place;
}

async function build(sources: string, out: string, keyFile: string, environment: Record<string, string>) {
  const child = Bun.spawn(
    [process.execPath, "compile/package.ts", "--fast", "--target", process.arch, "--out", out],
    {
      cwd: sources,
      env: { ...process.env, ...environment, SOURCE_DATE_EPOCH: timeSeconds, OPENWIT_RELEASE_KEY: keyFile },
      stdout: "ignore",
      stderr: "pipe",
    },
  );
  const [status, stderr] = [await child.exited, await new Response(child.stderr).text()];
  if (status !== 0) throw new Error(`the build in ${sources} ended with ${status}: ${stderr}`);
}
