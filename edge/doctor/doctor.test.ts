import { expect, test } from "bun:test";
import { layoutOf, unitOptions } from "../install/layout.ts";
import { mountOf } from "../support/machine.ts";
import { systemdUnit } from "../systemd/unit.ts";
import { checkSelf, isOpenToOthers } from "./running.ts";
import { judgeState, judgeUnit, parseState } from "./service.ts";

const layout = layoutOf({ scope: "system" }, {});
const well = "ActiveState=active\nSubState=running\nUnitFileState=enabled\nNRestarts=0\nResult=success\n" +
  "WatchdogUSec=1min\nNeedDaemonReload=no";

function statuses(changed: string): Record<string, string> {
  const lines = changed.split("\n").filter((line) => line !== "");
  const kept = well.split("\n").filter((line) =>
    !lines.some((other) => other.split("=")[0] === line.split("=")[0])
  );
  const checks = judgeState(parseState([...kept, ...lines].join("\n")), layout);
  for (const { status, hint } of checks) {
    expect([status, hint === undefined]).toEqual([status, status === "ok"]);
  }
  return Object.fromEntries(checks.map(({ check, status }) => [check, status]));
}

test("a service that runs, is enabled and watched is well, and each thing that is not is named", () => {
  expect(statuses("")).toEqual({ service: "ok", watchdog: "ok" });
  expect(statuses("ActiveState=inactive")).toMatchObject({ service: "warn" });
  expect(statuses("ActiveState=failed\nResult=exit-code")).toMatchObject({ service: "fail" });
  expect(statuses("UnitFileState=disabled")).toMatchObject({ service: "warn" });
  expect(statuses("NRestarts=7")).toMatchObject({ service: "warn" });
  expect(statuses("WatchdogUSec=infinity")).toMatchObject({ watchdog: "warn" });
  expect(statuses("NeedDaemonReload=yes")).toMatchObject({ "unit loaded": "warn" });
});

test("a unit is told from the one of this version by its settings, and not by its comments", () => {
  const unit = systemdUnit(unitOptions(layout));
  expect(judgeUnit(unit, "a.service", layout)).toMatchObject({ status: "ok" });
  expect(judgeUnit(`# mine\n\n${unit}`, "a.service", layout)).toMatchObject({ status: "ok" });
  const elsewhere = layoutOf({ scope: "system", prefix: "/opt", dataDir: "/srv/telemetry" }, {});
  expect(judgeUnit(systemdUnit(unitOptions(elsewhere)), "a.service", layout)).toMatchObject({ status: "ok" });
  const older = unit.replace("LimitNOFILE=65536", "LimitNOFILE=1024");
  expect(judgeUnit(older, "a.service", layout)).toMatchObject({
    status: "warn",
    found: expect.stringContaining("lacks LimitNOFILE=65536, has LimitNOFILE=1024"),
  });
});

test("a port is open to others unless it listens on loopback alone", () => {
  const line = (address: string, state = "0A") =>
    `   1: ${address}:10DD 00000000:0000 ${state} 00000000:00000000`;
  expect(isOpenToOthers(line("0100007F"), 4317)).toBe(false);
  expect(isOpenToOthers(line("00000000000000000000000001000000"), 4317)).toBe(false);
  expect(isOpenToOthers(line("0000000000000000FFFF00000100007F"), 4317)).toBe(false);
  expect(isOpenToOthers(line("00000000"), 4317)).toBe(true);
  expect(isOpenToOthers(line("0A01A8C0"), 4317)).toBe(true);
  expect(isOpenToOthers(line("00000000000000000000000000000000"), 4317)).toBe(true);
  expect(isOpenToOthers(line("00000000", "01"), 4317)).toBe(false);
  expect(isOpenToOthers(line("00000000"), 4318)).toBe(false);
});

test("a server that has run for long and stored nothing of itself is a finding", () => {
  expect(checkSelf('openwit_self_records_total{signal="logs"} 12\n', 600, 60_000)).toMatchObject({
    status: "ok",
  });
  expect(checkSelf("", 600, 60_000)).toMatchObject({ status: "fail" });
  expect(checkSelf("", 30, 60_000)).toMatchObject({ status: "ok" });
  expect(checkSelf("", 600, 0)).toMatchObject({ status: "ok" });
  expect(
    checkSelf('openwit_self_records_total 2\nopenwit_self_dropped_total{reason="refused"} 9\n', 600, 60_000),
  )
    .toMatchObject({ status: "warn" });
});

test("a path lies on the longest mount that holds it, and the later of two on one folder", () => {
  const mounts =
    "/dev/sda1 / ext4 rw 0 0\n/dev/sdb1 /var/lib ext4 rw,noatime 0 0\ntmpfs /var/lib tmpfs rw 0 0\n" +
    "/dev/sdc1 /mnt/my\\040disk xfs rw 0 0\n";
  expect(mountOf(mounts, "/var/lib/openwit")).toMatchObject({ device: "tmpfs", type: "tmpfs" });
  expect(mountOf(mounts, "/var/library")).toMatchObject({ device: "/dev/sda1" });
  expect(mountOf(mounts, "/mnt/my disk/data")).toMatchObject({ device: "/dev/sdc1", on: "/mnt/my disk" });
});
