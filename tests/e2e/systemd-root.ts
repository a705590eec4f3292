/**
 * A systemd of its own: the real one of this machine as process 1 of its own namespaces, over a copy-on-write layer of
 * this machine's files, in a control group of its own and without a network but its loopback. Nothing that runs in it
 * touches the machine. It needs root, overlayfs and cgroups 2.
 */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";

const systemd = ["/lib/systemd/systemd", "/usr/lib/systemd/systemd"].find((path) => existsSync(path));

/** Why there can be none here; `undefined` when there can. */
export function systemdTrouble(): string | undefined {
  if (process.geteuid?.() !== 0) return "it needs root";
  if (systemd === undefined) return "there is no systemd";
  if (controlGroups() === undefined) return "there are no cgroups 2";
  for (const program of ["unshare", "nsenter", "ip", "dbus-daemon", "curl", "python3"]) {
    if (Bun.which(program) === null) return `there is no ${program}`;
  }
  // One layer over another, as in a container whose own root is one, is not to be had.
  const { exitCode } = Bun.spawnSync(["unshare", "--mount", "sh", "-ec", tryLayer, tmpdir()], {
    stderr: "ignore",
  });
  return exitCode === 0 ? undefined : "overlayfs cannot be mounted over /";
}

const tryLayer = `
base=$(mktemp -d "$0/openwit-layer-XXXXXX")
trap 'umount "$base/root" 2>/dev/null; rm -rf "$base"' EXIT
mkdir "$base/upper" "$base/work" "$base/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$base/upper,workdir=$base/work" "$base/root"
`;

export class SystemdRoot implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "openwit-systemd-"));
  readonly #group = join(controlGroups()!, `openwit-test-${process.pid}`);
  #init: Bun.Subprocess | undefined;
  #pid = 0;

  constructor() {
    chmodSync(this.folder, 0o755);
    for (const name of ["upper", "work", "root"]) mkdirSync(join(this.folder, name));
    writeFileSync(join(this.folder, "boot.sh"), boot);
  }

  /** Where a file of the layer is put before a boot. */
  at(path: string): string {
    return join(this.folder, "upper", path);
  }

  /** Boots, and resolves when everything that belongs to it has been started. */
  async boot(): Promise<void> {
    mkdirSync(this.#group, { recursive: true });
    const isolate =
      `echo $$ > ${this.#group}/cgroup.procs && exec unshare --mount --pid --net --uts --ipc --cgroup ` +
      `--fork --kill-child sh -e ${this.folder}/boot.sh ${this.folder} ${systemd}`;
    this.#init = Bun.spawn(["sh", "-c", isolate], { stdin: "ignore", stdout: "ignore", stderr: "pipe" });
    const deadline = Date.now() + 60_000;
    let state = "";
    while (Date.now() < deadline) {
      this.#pid = childOf(this.#init.pid) ?? 0;
      if (this.#pid !== 0) {
        state = (await this.run("systemctl", "is-system-running")).stdout.trim();
        if (["running", "degraded"].includes(state)) return;
      }
      if (this.#init.exitCode !== null) break;
      await Bun.sleep(100);
    }
    throw new Error(`systemd did not boot: ${state}`);
  }

  /** The power goes: nothing is said goodbye to, and what was not written is lost as far as it is in this layer. */
  async kill(): Promise<void> {
    if (this.#init === undefined) return;
    this.#init.kill("SIGKILL"); // and by --kill-child all that it contains
    await this.#init.exited;
    this.#init = undefined;
    await removeGroups(this.#group);
  }

  async run(...command: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
    return await this.#enter(command, "ignore");
  }

  /** Puts a file of the machine into the layer while that is in use. */
  async write(file: string, path: string): Promise<void> {
    const { status, stderr } = await this.#enter(["sh", "-c", `cat > ${path}`], Bun.file(file));
    if (status !== 0) throw new Error(stderr);
  }

  async #enter(command: string[], stdin: "ignore" | Bun.BunFile) {
    const child = Bun.spawn(
      ["nsenter", "-t", String(this.#pid), "-m", "-p", "-n", "-u", "-i", "-C", "-r", "-w", ...command],
      { env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/" }, stdin, stdout: "pipe", stderr: "pipe" },
    );
    const [stdout, stderr, status] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    return { status, stdout, stderr };
  }

  /** stdout of a command that must succeed. */
  async output(...command: string[]): Promise<string> {
    const { status, stdout, stderr } = await this.run(...command);
    if (status !== 0) throw new Error(`${command.join(" ")}: ${status}: ${stderr}${stdout}`);
    return stdout.trim();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The first process in the namespaces: `unshare` has one child. */
function childOf(pid: number): number | undefined {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
    return children === "" ? undefined : Number(children.split(" ")[0]);
  } catch {
    return undefined; // gone
  }
}

/** Where the second version of control groups is mounted. */
function controlGroups(): string | undefined {
  const mounts = existsSync("/proc/self/mounts") ? readFileSync("/proc/self/mounts", "utf8") : "";
  return /^\S+ (\S+) cgroup2 /m.exec(mounts)?.[1];
}

async function removeGroups(group: string): Promise<void> {
  for (let attempt = 0; existsSync(group) && attempt < 50; attempt++) {
    try {
      removeGroup(group);
    } catch {
      await Bun.sleep(100); // processes that were killed are still leaving
    }
  }
}

function removeGroup(group: string): void {
  for (const entry of readdirSync(group, { withFileTypes: true })) {
    if (entry.isDirectory()) removeGroup(join(group, entry.name));
  }
  rmdirSync(group);
}

/** Runs in the new namespaces, as their first process, and becomes systemd. */
const boot = `
base=$1 root=$1/root
mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=/,upperdir=$base/upper,workdir=$base/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs tmpfs "$root/dev" -o mode=755
for device in null zero full random urandom tty; do
  : > "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts devpts "$root/dev/pts" -o newinstance,ptmxmode=0666
ln -s pts/ptmx "$root/dev/ptmx"
mount -t tmpfs tmpfs "$root/dev/shm" -o mode=1777
mount -t tmpfs tmpfs "$root/run" -o mode=755
mount -t tmpfs tmpfs "$root/tmp" -o mode=1777
ip link set lo up
mkdir -p "$root/.machine"
cd "$root"
pivot_root . .machine
umount -l /.machine
exec env -i container=openwit PATH=/usr/sbin:/usr/bin:/sbin:/bin "$2" --system --unit=multi-user.target \\
  --log-target=null --show-status=false
`;
