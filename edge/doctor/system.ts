/** Checks of the system round the server: swap, what kind of volume the data is on, time, the machine's own watchdog. */
import { readdir, readFile, realpath } from "node:fs/promises";
import { basename } from "node:path";
import { bytes } from "../cli/status.ts";
import { mountOf } from "../support/machine.ts";
import { type Check, ok, warn } from "./check.ts";
import { output } from "./output.ts";

/** A database that is swapped out answers in seconds, and swap on a flash card wears it. */
export async function checkSwap(): Promise<Check> {
  const info = await read("/proc/meminfo");
  const of = (name: string) => Number(new RegExp(`^${name}:\\s*(\\d+) kB`, "m").exec(info)?.[1] ?? 0) * 1024;
  const [total, free] = [of("SwapTotal"), of("SwapFree")];
  if (total === 0) return ok("swap", "none");
  const used = total - free;
  const devices = (await read("/proc/swaps")).split("\n").slice(1).flatMap((line) =>
    line.split(/\s+/)[0] || []
  );
  const onFlash = devices.some((device) => device.startsWith("/dev/mmcblk"));
  const found = `${bytes(used)} of ${bytes(total)} used`;
  if (onFlash) {
    return warn("swap", `${found}, on a flash card`, "swapoff it, or use zram: swap wears the card");
  }
  return used > total / 2
    ? warn("swap", found, "lower memory.limit, or give the box more memory: what is swapped out is slow")
    : ok("swap", found);
}

/** What the data lies on, and whether every reading is written down there. */
export async function checkVolume(dataDir: string): Promise<Check[]> {
  const mount = mountOf(await read("/proc/self/mounts"), await realpath(dataDir));
  if (mount === undefined) return [];
  const device = basename(mount.device);
  const [, card] = /^(mmcblk\d+)/.exec(device) ?? [];
  const kind = card === undefined ? "" : (await read(`/sys/block/${card}/device/type`)).trim();
  const found = `${mount.device} on ${mount.on}, ${mount.type}`;
  const options = mount.options.split(",");
  if (options.includes("ro")) {
    return [
      warn("volume", `${found}, mounted read-only`, "its file system has had errors: see dmesg, then fsck"),
    ];
  }
  if (kind === "SD") {
    return [warn(
      "volume",
      `${found}: an SD card, which wears out and loses data in power cuts`,
      "an SSD at USB lasts for years; with a card, processing.flush_age: 15m writes it less, and openwit export keeps a copy",
    )];
  }
  const everyRead = !["noatime", "relatime", "lazytime"].some((option) => options.includes(option));
  return [
    everyRead
      ? warn("volume", `${found}: each reading of a file is written down`, "mount it with noatime")
      : ok("volume", found),
  ];
}

/** Hours are closed, and records go, by this clock. */
export async function checkTimeSync(): Promise<Check> {
  const said = await output(["timedatectl", "show", "--property=NTPSynchronized", "--value"]);
  if (said === "yes") return ok("time sync", "the clock is kept by the network's");
  if (said === "no") {
    return warn(
      "time sync",
      "the clock is not kept by the network's",
      "timedatectl set-ntp true, or install chrony; a box without a network needs a clock with a battery",
    );
  }
  const chrony = await output(["chronyc", "-n", "tracking"]);
  if (chrony === undefined) return ok("time sync", "nothing here tells of it (timedatectl, chronyc)");
  return /^Leap status\s*:\s*Normal/m.test(chrony)
    ? ok("time sync", "chrony keeps the clock")
    : warn("time sync", "chrony runs and has no source", "chronyc sources says why");
}

/** Of the machine: what starts a box anew whose kernel hangs, where nobody can press a button. */
export async function checkMachineWatchdog(): Promise<Check> {
  const devices = (await readdir("/dev").catch(() => [])).filter((name) => /^watchdog\d*$/.test(name));
  if (devices.length === 0) return ok("machine watchdog", "there is none");
  const armed = await output(["systemctl", "show", "--property=RuntimeWatchdogUSec", "--value"]);
  if (armed === undefined) {
    return ok("machine watchdog", `/dev/${devices[0]}; nothing here tells whether it is used`);
  }
  return armed === "0" || armed === "infinity" || armed === ""
    ? warn(
      "machine watchdog",
      `/dev/${devices[0]} is there, and not used`,
      "RuntimeWatchdogSec=20s in /etc/systemd/system.conf has a box that hangs start anew",
    )
    : ok("machine watchdog", `systemd feeds it every ${armed}`);
}

/** A file of procfs or sysfs; empty where there is none. */
async function read(path: string): Promise<string> {
  return await readFile(path, "utf8").catch(() => "");
}
