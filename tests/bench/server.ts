/** The server under measurement: the built executable when there is one, else the sources, in a process of its own. */
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import process from "node:process";

const root = join(import.meta.dir, "../..");

/** How to run `openwit`, without its arguments. `executable` overrides the search. */
export function openwitCommand(executable?: string): string[] {
  const built = join(root, `dist/openwit-linux-${process.arch}`);
  if (executable !== undefined) return [executable];
  return existsSync(built) ? [built] : [process.execPath, join(root, "cmd/openwit.ts")];
}

export interface ServerUnderTest {
  readonly pid: number;
  /** From its start until it was ready. */
  readonly readyMs: number;
  /** Resolves with its exit status. */
  readonly ended: Promise<number>;
  readonly http: string;
  readonly otlpGrpc: string;
  readonly otlpHttp: string;
  /** User and system time of all its threads so far, seconds. */
  cpuSeconds(): number;
  /** Time for which its main thread wanted to run and had no core, so far, seconds. */
  waitedSeconds(): number;
  /** Resident memory now and at its highest, bytes. */
  resident(): { readonly now: number; readonly peak: number };
  /** Sum over all labels of one of its metrics; 0 when it has none of that name. */
  metric(name: string): Promise<number>;
  /** Rows of a SQL query. */
  query(sql: string): Promise<unknown[]>;
  /** Asks for a flush and waits until no row is in memory only. */
  flush(): Promise<void>;
  /** SIGTERM, and the wait for its end. */
  stop(): Promise<void>;
}

export interface StartOptions {
  /** More flags of `openwit serve`. */
  readonly flags?: readonly string[];
  /** Time that it gets to be ready. */
  readonly readyMsMax?: number;
  /** More of its environment. */
  readonly settings?: Readonly<Record<string, string>>;
}

export async function startServer(
  command: string[],
  dataDir: string,
  { flags = [], readyMsMax = 15_000, settings = {} }: StartOptions = {},
): Promise<ServerUnderTest> {
  const [http, otlpHttp, otlpGrpc] = await Promise.all([freePort(), freePort(), freePort()]);
  const listeners = ["--http", http, "--otlp-http", otlpHttp, "--otlp-grpc", otlpGrpc];
  const logPath = `${dataDir}.log`;
  const beganMs = performance.now();
  const child = Bun.spawn([...command, "serve", "--data-dir", dataDir, ...listeners, ...flags], {
    cwd: root,
    env: { ...process.env, ...settings },
    stdout: "ignore",
    stderr: Bun.file(logPath),
  });
  const api = `http://${http}`;
  const server = {
    pid: child.pid,
    ended: child.exited,
    http: api,
    otlpGrpc: `http://${otlpGrpc}`,
    otlpHttp: `http://${otlpHttp}`,
    cpuSeconds: () => cpuSeconds(child.pid),
    waitedSeconds: () => waitedSeconds(child.pid),
    resident: () => resident(child.pid),
    metric: async (name: string) => sumOfMetric(await (await fetch(`${api}/metrics`)).text(), name),
    async query(sql: string) {
      const response = await fetch(`${api}/api/v1/query`, {
        method: "POST",
        headers: { "content-type": "application/json", "accept": "application/json" },
        body: JSON.stringify({ sql }),
      });
      if (!response.ok) throw new Error(`the query answered ${response.status}: ${await response.text()}`);
      return ((await response.json()) as { rows: unknown[] }).rows;
    },
    async flush() {
      const response = await fetch(`${api}/api/v1/admin/flush`, { method: "POST" });
      if (!response.ok) throw new Error(`the flush answered ${response.status}: ${await response.text()}`);
      const left = await this.metric("openwit_memtable_rows");
      if (left > 0) throw new Error(`${left} rows are in memory only, after a flush`);
    },
    async stop() {
      child.kill("SIGTERM");
      const status = await child.exited;
      if (status !== 0) throw new Error(`the server ended with status ${status}; its log is ${logPath}`);
    },
  };
  while (performance.now() - beganMs < readyMsMax) {
    if (child.exitCode !== null) {
      throw new Error(`the server did not start:\n${readFileSync(logPath, "utf8")}`);
    }
    const ready = await fetch(`${api}/ready`).then((response) => response.ok, () => false); // not listening yet
    if (ready) return { ...server, readyMs: performance.now() - beganMs };
    await Bun.sleep(50);
  }
  child.kill("SIGKILL");
  throw new Error(
    `the server was not ready within ${readyMsMax / 1_000} s:\n${readFileSync(logPath, "utf8")}`,
  );
}

/** The sum of a metric's samples in Prometheus text. */
export function sumOfMetric(text: string, name: string): number {
  let sum = 0;
  for (const line of text.split("\n")) {
    if (line.startsWith(`${name}{`) || line.startsWith(`${name} `)) {
      sum += Number(line.slice(line.lastIndexOf(" ") + 1));
    }
  }
  return sum;
}

/** proc(5): fields 14 and 15 of stat, in ticks of 1/100 s on every Linux that we run on. */
function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" "); // the name before it may hold spaces
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** The kernel's Documentation/scheduler/sched-stats.rst: ran, waited (both nanoseconds), turns. */
function waitedSeconds(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, "utf8").split(" ")[1]) / 1e9;
}

function resident(pid: number): { now: number; peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const kibibytes = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? NaN) * 1024;
  return { now: kibibytes("VmRSS"), peak: kibibytes("VmHWM") };
}

function freePort(): Promise<string> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.on("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address() as { port: number };
      probe.close(() => resolve(`127.0.0.1:${address.port}`));
    });
  });
}
