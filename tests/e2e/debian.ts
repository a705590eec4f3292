/**
 * A clean root of Debian, made by mmdebstrap and kept for the next run, and commands in it: in namespaces of their own,
 * so that what they start ends with them, without systemd, as in a container.
 */
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";

/** Why there can be no clean root on this machine; `undefined` where there can, and then its archive is there. */
export async function whyNoRoot(): Promise<string | undefined> {
  if (process.geteuid!() !== 0) return "it needs root";
  const missing = ["mmdebstrap", "unshare", "chroot"].find((name) => Bun.which(name) === null);
  if (missing !== undefined) return `${missing} is not installed`;
  const able = Bun.spawnSync(["unshare", "--mount", "--pid", "--fork", "true"]);
  if (able.exitCode !== 0) return "namespaces are refused";
  if (existsSync(archive())) return undefined;
  mkdirSync(dirname(archive()), { recursive: true });
  const unfinished = `${archive()}.${process.pid}.tar`;
  const packages = "adduser,libstdc++6,init-system-helpers";
  const made = await run([
    "mmdebstrap",
    "--variant=minbase",
    `--include=${packages}`,
    "bookworm",
    unfinished,
  ]);
  if (made.status !== 0) {
    rmSync(unfinished, { force: true });
    return `mmdebstrap makes no root: ${made.stderr.trim().split("\n").at(-1)}`;
  }
  renameSync(unfinished, archive());
  return undefined;
}

/** The root as it was made, for this run and later ones. */
function archive(): string {
  return join(process.env["OPENWIT_CI_CACHE"] ?? join(homedir(), ".cache/openwit-ci"), "debian-root.tar");
}

export class DebianRoot {
  readonly path = mkdtempSync(join(tmpdir(), "openwit-root-"));

  /** From the archive that `whyNoRoot` made. */
  async make(): Promise<void> {
    const { status, stderr } = await run(["tar", "--numeric-owner", "-xf", archive(), "-C", this.path]);
    if (status !== 0) throw new Error(`tar ended with ${status}: ${stderr}`);
  }

  /** Runs a script of sh in the root. `before` runs outside, in the same namespaces, where $root names it. */
  async run(script: string, before = ":") {
    const outside =
      `root=$1; mount -t proc proc "$root/proc"; ${before}; exec chroot "$root" /bin/sh -c "$2"`;
    const child = Bun.spawn(
      [
        "unshare",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "sh",
        "-ec",
        outside,
        "sh",
        this.path,
        script,
      ],
      {
        env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C" },
        stdout: "pipe",
        stderr: "pipe",
      },
    );
    const [status, stdout, stderr] = await Promise.all([
      child.exited,
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    return { status, stdout, stderr };
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

async function run(command: string[]): Promise<{ status: number; stderr: string }> {
  const child = Bun.spawn(command, { stdout: "ignore", stderr: "pipe" });
  const [status, stderr] = await Promise.all([child.exited, new Response(child.stderr).text()]);
  return { status, stderr };
}
