/**
 * What a release promises where nothing can be written but the data: every file system of the machine is made read-only
 * in a mount namespace of its own (mount_namespaces(7)), /tmp as well, and the executable runs as a user without a
 * name. And what a control group allows is all that is taken. Both need root.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";

const built = process.env.OPENWIT_BINARY ??
  join(resolve(import.meta.dir, "../.."), `dist/openwit-linux-${process.arch}`);
const isRoot = process.geteuid?.() === 0;
const canIsolate = isRoot && Bun.spawnSync(["unshare", "--mount", "true"]).exitCode === 0;
if (!canIsolate) console.warn("skipped: without root there is no mount namespace to make read-only");
const groups = isRoot ? memoryGroups() : undefined;
if (groups === undefined) console.warn("skipped: no control group for memory can be made here");

const base = mkdtempSync(join(tmpdir(), "openwit-read-only-"));
const uid = 54321;

beforeAll(() => {
  if (!existsSync(built)) throw new Error(`${built} does not exist: run "npm run compile" first`);
  chmodSync(base, 0o755);
  mkdirSync(join(base, "release"));
  // As a release is unpacked: from a tarball, by tar.
  const tarball = join(base, "openwit.tar");
  const name = built.slice(built.lastIndexOf("/") + 1);
  const pack = Bun.spawnSync(
    ["tar", "-cf", tarball, "-C", join(built, ".."), `--transform=s/.*/openwit/`, name],
  );
  expect(pack.exitCode).toBe(0);
  expect(Bun.spawnSync(["tar", "-xf", tarball, "-C", join(base, "release")]).exitCode).toBe(0);
});
afterAll(() => rmSync(base, { recursive: true, force: true }));

test.if(canIsolate)(
  "unpacked, it runs as a user without a name on a read-only system, and answers",
  async () => {
    const data = join(base, "data");
    mkdirSync(data);
    const script = `
      mount --make-rprivate /
      mount -t tmpfs tmpfs ${data} -o uid=${uid},gid=${uid},mode=700
      # In the order of mounting, and but for the kernel's own: those a namespace may not change.
      cut -d' ' -f2 /proc/self/mounts | while read -r at; do
        case $at in ${data}|/proc|/proc/*|/sys|/sys/*|/dev|/dev/*) ;; *) mount -o remount,bind,ro "$at" 2>/dev/null || :;; esac
      done
      for at in / /tmp /var/tmp /usr; do
        if touch "$at/openwit-probe" 2>/dev/null; then echo "$at can be written to"; exit 9; fi
      done
      exec setpriv --reuid=${uid} --regid=${uid} --clear-groups --no-new-privs sh -ec '
        "$0" serve --data-dir "$1" --http 127.0.0.1:0 --otlp-http 127.0.0.1:0 --otlp-grpc 127.0.0.1:0 2>"$1/log" &
        server=$!
        trap "kill $server; cat $1/log >&2" EXIT
        for i in $(seq 300); do [ -e "$1/run/server.json" ] && break; sleep 0.1; done
        otlp=$(sed -n "s/.*otlp_http\\": \\"\\([^\\"]*\\).*/\\1/p" "$1/run/server.json")
        "$0" demo --duration 1s --backfill 1m --protocol http --endpoint "$otlp" >"$1/demo" 2>&1
        "$0" query --data-dir "$1" --format csv "SELECT count(*) > 0 AS found FROM logs"
        trap - EXIT
        kill $server
        wait $server
      ' ${join(base, "release/openwit")} ${data}`;
    const child = Bun.spawn(["unshare", "--mount", "sh", "-ec", script], {
      cwd: "/",
      env: { PATH: process.env.PATH! },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const [stdout, stderr, status] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    expect({ status, stdout: stdout.trim().split("\n"), stderr }).toMatchObject({
      status: 0,
      stdout: ["found", "true"],
    });
  },
  120_000,
);

test.if(groups !== undefined)("a control group's memory bounds what it takes, and it says so", async () => {
  const group = join(groups!.folder, `openwit-test-${process.pid}`);
  mkdirSync(group);
  try {
    writeFileSync(join(group, groups!.limitFile), String(400 * 1024 * 1024));
    const data = join(base, "bounded");
    const flags = ["http", "otlp-http", "otlp-grpc"].flatMap((flag) => [`--${flag}`, "127.0.0.1:0"]);
    const child = Bun.spawn(
      [
        "sh",
        "-c",
        `echo $$ > ${group}/cgroup.procs && exec "$@"`,
        "sh",
        built,
        "serve",
        "--data-dir",
        data,
        ...flags,
      ],
      { stdin: "ignore", stdout: "ignore", stderr: "pipe" },
    );
    const record = join(data, "run/server.json");
    for (let tries = 0; !existsSync(record) && tries < 300; tries++) await Bun.sleep(100);
    const { http } = JSON.parse(readFileSync(record, "utf8")).endpoints;
    const { limits } = await (await fetch(`${http}/api/v1/status`)).json();
    expect(limits).toMatchObject({
      memory_bytes: 340 * 1024 * 1024,
      notes: ["memory.limit is 340 MiB and not 512 MiB: the control group (MemoryMax=) has 400 MiB"],
    });
    child.kill("SIGTERM");
    await child.exited;
    expect(await new Response(child.stderr).text()).toContain("Limits     340.0 MiB of memory");
  } finally {
    rmdirSync(group);
  }
}, 60_000);

/** Where a group with a limit of memory can be made, in either version of control groups. */
function memoryGroups(): { folder: string; limitFile: string } | undefined {
  const own = readFileSync("/proc/self/cgroup", "utf8");
  const first = /^\d+:(?:[^:\n]*,)?memory(?:,[^:\n]*)?:(.*)$/m.exec(own)?.[1];
  const candidates = first === undefined
    ? [{ folder: "/sys/fs/cgroup", limitFile: "memory.max" }]
    : [{ folder: `/sys/fs/cgroup/memory${first}`, limitFile: "memory.limit_in_bytes" }, {
      folder: "/sys/fs/cgroup/memory",
      limitFile: "memory.limit_in_bytes",
    }];
  for (const candidate of candidates) {
    const probe = join(candidate.folder, `openwit-probe-${process.pid}`);
    try {
      mkdirSync(probe);
      const isBounded = existsSync(join(probe, candidate.limitFile));
      rmdirSync(probe);
      if (isBounded) return candidate;
    } catch { /* not here: the next one */ }
  }
  return undefined;
}
