/** The service under the real systemd, with all that its unit forbids: systemd-root.ts. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, copyFileSync, existsSync, mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import { buildVersion } from "./other-version.ts";
import { SystemdRoot, systemdTrouble } from "./systemd-root.ts";

const built = process.env.OPENWIT_BINARY ??
  join(resolve(import.meta.dir, "../.."), `dist/openwit-linux-${process.arch}`);
const trouble = systemdTrouble();
if (trouble !== undefined) console.warn(`skipped: no systemd can be had here: ${trouble}`);

let box: SystemdRoot;
const url = "http://127.0.0.1:6318";

beforeAll(async () => {
  if (trouble !== undefined) return;
  if (!existsSync(built)) throw new Error(`${built} does not exist: run "npm run compile" first`);
  box = new SystemdRoot();
  put(built, "opt/openwit");
  await box.boot();
}, 90_000);
afterAll(async () => await box?.[Symbol.asyncDispose](), 60_000);

test.if(trouble === undefined)(
  "installed, it is proved to work, and runs as its own user with no right to spare",
  async () => {
    const { status, stdout, stderr } = await box.run("/opt/openwit", "install");
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toContain("It works: a record was sent to it and found");
    const pid = await property("MainPID");
    const state = await box.output("cat", `/proc/${pid}/status`);
    expect(state).toMatch(/^NoNewPrivs:\t1$/m);
    expect(state).toMatch(/^Seccomp:\t2$/m);
    expect(state).toMatch(/^Cap(Inh|Prm|Eff|Bnd|Amb):\t0{16}$/m);
    expect(await box.output("stat", "-c", "%U:%G %a", "/var/lib/openwit", "/etc/openwit/openwit.yaml")).toBe(
      "openwit:openwit 700\nroot:openwit 640",
    );
  },
  60_000,
);

test.if(trouble === undefined)(
  "to the service the system is read-only, the homes are empty, and /tmp is its own",
  async () => {
    const pid = await property("MainPID");
    await box.output("touch", "/tmp/of-the-machine");
    const within = (script: string) => box.run("nsenter", "-t", pid, "-m", "sh", "-c", script);
    for (const folder of ["/usr", "/etc", "/opt", "/var/log"]) {
      expect(await within(`touch ${folder}/x`)).toMatchObject({
        stderr: expect.stringContaining("Read-only"),
      });
    }
    expect((await within("ls -A /root")).stdout).toBe("");
    expect((await within("ls -A /tmp")).stdout).toBe("");
    expect((await within("touch /var/lib/openwit/x && rm /var/lib/openwit/x")).status).toBe(0);
  },
);

test.if(trouble === undefined)(
  "everything works under it: gRPC, flush, merge, index, queries",
  async () => {
    await box.output("/usr/bin/openwit", "demo", "--duration", "2s", "--backfill", "10m", "--rate", "200");
    for (const task of ["flush", "compact", "index?every=true"]) {
      const answer = JSON.parse(await box.output("curl", "-sS", "-XPOST", `${url}/api/v1/admin/${task}`));
      expect(answer).not.toHaveProperty("error");
    }
    const answer = await query(
      "SELECT count(*), count(DISTINCT trace_id) FROM logs WHERE match(body, 'order')",
    );
    expect(Number(answer[0][0])).toBeGreaterThan(0);
    expect(await box.output("journalctl", "-u", "openwit", "-p", "warning", "--no-pager", "-o", "cat", "-q"))
      .toBe("");
  },
  120_000,
);

test.if(trouble === undefined)("systemctl says how it is, and a reload is over when it returns", async () => {
  expect(await property("StatusText")).toMatch(/^ready, .* used$/);
  const pid = await property("MainPID");
  await box.output("sed", "-i", "s/^  #timeout: .*/  timeout: 7s/", "/etc/openwit/openwit.yaml");
  await box.output("kill", "-STOP", pid); // the reload begins a while after it was asked for
  const reload = box.output("systemctl", "reload", "openwit");
  await Bun.sleep(300);
  await box.output("kill", "-CONT", pid);
  await reload;
  expect(await property("ActiveState")).toBe("active");
  expect(await property("MainPID")).toBe(pid);
  await until(async () =>
    /reloaded.*search\.timeout/.test(await box.output("journalctl", "-u", "openwit", "-o", "cat"))
  );
});

test.if(trouble === undefined)(
  "a configuration that is broken by hand does not stop the next start",
  async () => {
    const file = "/etc/openwit/openwit.yaml";
    await box.output("sh", "-c", "echo OPENWIT_CONTROL_PLANE__TRIAL=2s >> /etc/default/openwit");
    await box.output("systemctl", "restart", "openwit");
    await Bun.sleep(4_000); // the configuration that runs has proved good by then
    await box.output("cp", "-p", file, "/etc/openwit/kept");
    await box.output("sh", "-c", `echo 'nonsense: [' >> ${file}`);
    await box.output("systemctl", "restart", "openwit");
    expect(await box.output("journalctl", "-u", "openwit", "-n", "30", "-o", "cat")).toMatch(
      /the configuration cannot be read: the last good one takes its place/,
    );
    expect(Number((await query("SELECT count(*) FROM logs"))[0][0])).toBeGreaterThan(0);
    await box.output("mv", "/etc/openwit/kept", file);
    await box.output("systemctl", "restart", "openwit");
  },
  60_000,
);

test.if(trouble === undefined)(
  "a service that is stopped in its tracks is killed by the watchdog, and comes back with its data",
  async () => {
    await box.output("mkdir", "-p", "/run/systemd/system/openwit.service.d");
    await box.output(
      "sh",
      "-c",
      "printf '[Service]\\nWatchdogSec=3\\n' > /run/systemd/system/openwit.service.d/test.conf",
    );
    await box.output("systemctl", "daemon-reload");
    await box.output("systemctl", "restart", "openwit");
    const rows = Number((await query("SELECT count(*) FROM logs"))[0][0]);
    const pid = await property("MainPID");
    await Bun.sleep(5_000);
    expect(await property("MainPID")).toBe(pid); // fed, it lives beyond the time
    await box.output("kill", "-STOP", pid);
    await until(async () => await property("MainPID") !== pid && await property("ActiveState") === "active");
    expect(await property("NRestarts")).toBe("1");
    expect(Number((await query("SELECT count(*) FROM logs"))[0][0])).toBe(rows);
    await box.output("rm", "-r", "/run/systemd/system/openwit.service.d");
    await box.output("systemctl", "daemon-reload");
  },
  60_000,
);

test.if(trouble === undefined)(
  "stopped under load it drains: every request that was acknowledged is there, within the time",
  async () => {
    await box.output("systemctl", "restart", "openwit");
    const before = Number((await query("SELECT count(*) FROM logs", "load"))[0][0]);
    const load = box.run("python3", "-c", sendWithoutPause);
    await Bun.sleep(3_000);
    const startMs = performance.now();
    await box.output("systemctl", "stop", "openwit");
    expect(performance.now() - startMs).toBeLessThan(20_000);
    expect(await property("Result")).toBe("success");
    expect(await property("ExecMainStatus")).toBe("0");
    const acknowledged = Number((await load).stdout);
    expect(acknowledged).toBeGreaterThan(50);
    await box.output("systemctl", "start", "openwit");
    expect(Number((await query("SELECT count(*) FROM logs", "load"))[0][0]) - before).toBe(acknowledged);
  },
  90_000,
);

test.if(trouble === undefined)("a bad version rolls back by itself; a good one takes over", async () => {
  const bad =
    "#!/bin/sh\ncase $1 in --version) echo openwit 9.9.9;; config) ;; *) echo it broke; exit 1;; esac\n";
  await box.output("sh", "-c", `cat > /opt/bad <<'END'\n${bad}END\n`);
  const refused = await box.run(
    ...[
      "/usr/bin/openwit",
      "upgrade",
      "/opt/bad",
      "--allow-unsigned",
      "--allow-unchecked",
      "--timeout",
      "20s",
    ],
  );
  expect(refused.status).toBe(1);
  expect(refused.stderr).toMatch(/it ended \d times.*runs again, and works/);
  expect(refused.stderr).toContain("| it broke");
  expect(await property("ActiveState")).toBe("active");

  const good = buildVersion("9.9.9", join(box.folder, "build"));
  await box.output("mkdir", "-p", "/opt/release");
  await box.write(good, "/opt/release/openwit-linux");
  await box.output("sh", "-c", "cd /opt/release && sha256sum openwit-linux > SHA256SUMS");
  const taken = await box.run(
    "/usr/bin/openwit",
    "upgrade",
    "/opt/release/openwit-linux",
    "--allow-unsigned",
  );
  expect(taken).toMatchObject({ status: 0, stderr: "" });
  expect(await box.output("/usr/bin/openwit", "--version")).toBe("openwit 9.9.9");
  expect((await statusOf()).version).toBe("9.9.9");
}, 120_000);

test.if(trouble === undefined)(
  "after the power went it is there again at the next boot, with its data",
  async () => {
    const rows = Number((await query("SELECT count(*) FROM logs"))[0][0]);
    expect(rows).toBeGreaterThan(0);
    await box.kill();
    await box.boot();
    await until(async () => await property("ActiveState") === "active");
    expect(Number((await query("SELECT count(*) FROM logs"))[0][0])).toBe(rows);
  },
  120_000,
);

test.if(trouble === undefined)("uninstalled with everything, nothing is left", async () => {
  const { status, stderr } = await box.run(
    "/usr/bin/openwit",
    "uninstall",
    "--purge",
    "--purge-data",
    "--yes",
  );
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  for (
    const path of ["/usr/bin/openwit", "/usr/lib/openwit", "/etc/openwit/openwit.yaml", "/var/lib/openwit"]
  ) {
    expect((await box.run("test", "-e", path)).status).toBe(1);
  }
  expect(await property("LoadState")).toBe("not-found");
}, 60_000);

test.if(trouble === undefined).each([["/srv/my data %1"], ["/home/wit"]])(
  "a data folder at %p is given to the service, wherever that is",
  async (dataDir) => {
    const installed = await box.run("/opt/openwit", "install", "--data-dir", dataDir);
    expect(installed).toMatchObject({ status: 0, stderr: "" });
    expect(await box.output("stat", "-c", "%U %a", dataDir)).toBe("openwit 700");
    const pid = await property("MainPID");
    const homes = await box.output("nsenter", "-t", pid, "-m", "ls", "-A", "/home");
    expect(homes).toBe(dataDir === "/home/wit" ? "wit" : "");
    await box.output("/usr/bin/openwit", "uninstall", "--purge", "--purge-data", "--yes");
    expect((await box.run("test", "-e", dataDir)).status).toBe(1);
  },
  60_000,
);

test.if(trouble === undefined)(
  "a user without root has a service too, which lives without a session",
  async () => {
    await box.output("useradd", "--create-home", "ada");
    await box.output("loginctl", "enable-linger", "ada");
    const uid = await box.output("id", "-u", "ada");
    const home = "/home/ada";
    await until(async () => (await box.run("test", "-S", `/run/user/${uid}/systemd/private`)).status === 0);
    const asAda = (...command: string[]) =>
      box.run(
        ...["setpriv", `--reuid=${uid}`, `--regid=${uid}`, "--init-groups", "env", "-C", "/"],
        ...[`HOME=${home}`, `XDG_RUNTIME_DIR=/run/user/${uid}`, "USER=ada", ...command],
      );
    const { status, stdout, stderr } = await asAda("/opt/openwit", "install", "--user");
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toContain("It works: a record was sent to it and found");
    expect((await asAda("systemctl", "--user", "show", "-P", "StatusText", "openwit")).stdout).toMatch(
      /^ready, /,
    );
    expect((await asAda(`${home}/.local/bin/openwit`, "uninstall", "--user", "--purge")).status).toBe(0);
    expect((await asAda("ls", "-A", `${home}/.local/share/openwit`)).stdout).toContain("wal");
  },
  60_000,
);

async function property(name: string): Promise<string> {
  return await box.output("systemctl", "show", `--property=${name}`, "--value", "openwit");
}

async function query(sql: string, tenant = "default"): Promise<unknown[][]> {
  const answer = await box.output(
    ...["curl", "-sS", "-XPOST", `${url}/api/v1/query`, "-H", "Content-Type: application/json"],
    ...["-H", `X-Scope-OrgID: ${tenant}`, "-d", JSON.stringify({ sql })],
  );
  const { rows, error } = JSON.parse(answer);
  if (error) throw new Error(JSON.stringify(error));
  return rows;
}

async function statusOf(): Promise<{ version: string }> {
  return JSON.parse(await box.output("curl", "-sS", `${url}/api/v1/status`));
}

function put(file: string, path: string): void {
  mkdirSync(join(box.at(path), ".."), { recursive: true });
  copyFileSync(file, box.at(path));
  chmodSync(box.at(path), 0o755);
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (Date.now() < deadline) {
    if (await isSo().catch(() => false)) return;
    await Bun.sleep(200);
  }
  throw new Error(`it did not come to be so within 30 s: ${await property("StatusText")}`);
}

/** Sends one record a request from eight threads until nothing is taken any more; prints how many were acknowledged. */
const sendWithoutPause = `
import http.client, json, threading, time, uuid
count, lock = 0, threading.Lock()
def send():
    global count
    connection = http.client.HTTPConnection("127.0.0.1", 4318, timeout=20)
    refused = 0
    while refused < 3:
        body = {"resourceLogs": [{"scopeLogs": [{"logRecords": [
            {"timeUnixNano": str(time.time_ns()), "body": {"stringValue": str(uuid.uuid4())}}]}]}]}
        try:
            connection.request("POST", "/v1/logs", json.dumps(body),
                               {"Content-Type": "application/json", "X-Scope-OrgID": "load"})
            answer = connection.getresponse()
            answer.read()
            if answer.status == 200:
                with lock: count += 1
            else: refused += 1
        except OSError:
            refused += 1
            connection.close()
        except http.client.HTTPException:
            refused += 1
            connection.close()
threads = [threading.Thread(target=send) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(count)
`;
