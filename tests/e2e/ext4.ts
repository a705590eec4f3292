/**
 * An ext4 of its own on a loop device, from which the power can be taken: the EXT4_IOC_SHUTDOWN ioctl drops everything
 * that was not synced, the journal not flushed; mounted again, its journal is replayed. Needs root, mount, mkfs.ext4.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";

export class Ext4 {
  readonly #folder = mkdtempSync(join(tmpdir(), "openwit-cut-"));
  readonly #image = join(this.#folder, "ext4.img");
  readonly mountPoint = join(this.#folder, "mnt");
  /** Why it cannot be had here; `undefined` when it can. */
  readonly whyNot: string | undefined;

  constructor() {
    this.whyNot = this.#prepare();
  }

  /** What `mount` says of its failure; empty when it succeeded. So do the others. */
  mount(): string {
    return sh("mount", "-o", "loop", this.#image, this.mountPoint);
  }

  unmount(): string {
    return sh("umount", this.mountPoint);
  }

  /** EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH (Linux, fs/ext4/ext4.h). */
  cut(): string {
    const script = "import fcntl, os, struct, sys\n" +
      "fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))";
    return sh("python3", "-c", script, this.mountPoint);
  }

  remove(): void {
    sh("umount", "-l", this.mountPoint);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #prepare(): string | undefined {
    if (process.getuid?.() !== 0) return "only root may mount";
    const failed = sh("truncate", "-s", "256M", this.#image) || sh("mkfs.ext4", "-q", this.#image) ||
      sh("mkdir", this.mountPoint) || this.mount();
    if (failed !== "") return failed;
    const cannot = this.cut();
    this.unmount();
    return cannot === "" ? undefined : cannot;
  }
}

function sh(...command: string[]): string {
  try {
    const { success, stderr, exitCode } = Bun.spawnSync(command);
    return success ? "" : `${command[0]}: ${stderr.toString().trim() || `status ${exitCode}`}`;
  } catch (error) {
    return `${command[0]}: ${(error as Error).message}`;
  }
}
