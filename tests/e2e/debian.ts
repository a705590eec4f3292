/**
 * A clean root of Debian, made by mmdebstrap and kept for the next run, and commands in it: in namespaces of their own,
 * so that what they start ends with them, without systemd, as in a container.
 */
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";

/** Why there can be no clean root on this machine; `undefined` where there can. */
export function whyNoRoot(): string | undefined {
  if (process.geteuid!() !== 0) return "it needs root";
  const missing = ["mmdebstrap", "unshare", "chroot"].find((name) => Bun.which(name) === null);
  if (missing !== undefined) return `${missing} is not installed`;
  const able = Bun.spawnSync(["unshare", "--mount", "--pid", "--fork", "true"]);
  return able.exitCode === 0 ? undefined : "namespaces are refused";
}

export class DebianRoot {
  readonly path = mkdtempSync(join(tmpdir(), "openwit-root-"));

  /** @throws Error when Debian's archive cannot be reached and no root was kept */
  async make(): Promise<void> {
    const kept = join(
      process.env["OPENWIT_CI_CACHE"] ?? join(homedir(), ".cache/openwit-ci"),
      "debian-root.tar",
    );
    if (!existsSync(kept)) {
      mkdirSync(join(kept, ".."), { recursive: true });
      const unfinished = `${kept}.${process.pid}.tar`;
      const packages = "adduser,libstdc++6,init-system-helpers";
      await told(["mmdebstrap", "--variant=minbase", `--include=${packages}`, "bookworm", unfinished]);
      renameSync(unfinished, kept);
    }
    await told(["tar", "--numeric-owner", "-xf", kept, "-C", this.path]);
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

async function told(command: string[]): Promise<void> {
  const child = Bun.spawn(command, { stdout: "ignore", stderr: "pipe" });
  const [status, stderr] = await Promise.all([child.exited, new Response(child.stderr).text()]);
  if (status !== 0) throw new Error(`${command[0]} ended with ${status}: ${stderr.slice(-2000)}`);
}
