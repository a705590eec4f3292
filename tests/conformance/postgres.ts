/**
 * A real PostgreSQL for tests: Debian's package, a cluster of its own in a temporary folder, on a Unix socket and a
 * free port. PostgreSQL refuses to run as root, so as root it runs as another user.
 */
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";

export class PostgresServer implements AsyncDisposable {
  #process: Bun.Subprocess | undefined;

  private constructor(readonly folder: string, readonly bin: string, readonly port: number) {}

  get url(): string {
    return `postgres://openwit:secret@127.0.0.1:${this.port}/postgres`;
  }

  /** Folder of PostgreSQL's programs; `undefined` where it is not installed. */
  static programs(): string | undefined {
    const root = "/usr/lib/postgresql";
    const versions = existsSync(root) ? readdirSync(root).sort((a, b) => Number(b) - Number(a)) : [];
    return versions.map((version) => join(root, version, "bin")).find((bin) =>
      existsSync(join(bin, "initdb")) && existsSync(join(bin, "postgres"))
    );
  }

  static async start(bin: string): Promise<PostgresServer> {
    const folder = mkdtempSync(join(tmpdir(), "openwit-postgres-"));
    chmodSync(folder, 0o755);
    const server = new PostgresServer(folder, bin, await freePort());
    const data = join(folder, "data");
    mkdirSync(data, { mode: 0o700 });
    if (isRoot) chownSync(data, nobody, nobody);
    const password = join(folder, "password");
    await Bun.write(password, "secret\n");
    server.#run(["initdb", "-D", data, "-U", "openwit", "-A", "scram-sha-256", "--pwfile", password, "-N"]);
    server.#makeCertificate(data);
    await server.resume();
    return server;
  }

  /** Starts it, or starts it again. */
  async resume(): Promise<void> {
    const options = [
      "-h",
      "127.0.0.1",
      "-p",
      String(this.port),
      "-k",
      join(this.folder, "data"),
      "-F",
      "-c",
      "ssl=on",
    ];
    this.#process = Bun.spawn([
      ...asNobody,
      join(this.bin, "postgres"),
      "-D",
      join(this.folder, "data"),
      ...options,
    ], {
      cwd: this.folder,
      stdout: "ignore",
      stderr: Bun.file(join(this.folder, "log")),
    });
    for (const deadline = Date.now() + 20_000;;) {
      const { exitCode } = Bun.spawnSync([
        ...asNobody,
        join(this.bin, "pg_isready"),
        "-h",
        "127.0.0.1",
        "-p",
        String(this.port),
      ]);
      if (exitCode === 0) return;
      if (this.#process.exitCode !== null || Date.now() > deadline) {
        throw new Error(`PostgreSQL did not start: ${await Bun.file(join(this.folder, "log")).text()}`);
      }
      await Bun.sleep(50);
    }
  }

  /** At once, whoever is connected. */
  async halt(): Promise<void> {
    this.#process?.kill("SIGQUIT");
    await this.#process?.exited;
  }

  /** It answers nobody until `thaw`: connections stand, nothing comes. */
  freeze(): void {
    this.#signalAll("STOP");
  }

  thaw(): void {
    this.#signalAll("CONT");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.thaw();
    await this.halt();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** setpriv becomes the server itself; its backends are its children. */
  #signalAll(signal: string): void {
    const pid = String(this.#process!.pid);
    const children = Bun.spawnSync(["pgrep", "-P", pid]).stdout.toString().split("\n").filter(Boolean);
    Bun.spawnSync(["kill", `-${signal}`, pid, ...children]);
  }

  /** TLS is offered to whoever asks for it. */
  #makeCertificate(data: string): void {
    const [key, certificate] = ["server.key", "server.crt"].map((name) => join(data, name));
    const what = ["-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "2"];
    const made = Bun.spawnSync(["openssl", "req", ...what, "-keyout", key, "-out", certificate]);
    if (!made.success) throw new Error(`openssl: ${made.stderr}`);
    for (const file of [key, certificate]) {
      chmodSync(file, 0o600);
      if (isRoot) chownSync(file, nobody, nobody);
    }
  }

  #run([program, ...args]: string[]): void {
    const { success, stderr } = Bun.spawnSync([...asNobody, join(this.bin, program), ...args], {
      cwd: this.folder,
    });
    if (!success) throw new Error(`${program}: ${stderr}`);
  }
}

const isRoot = process.geteuid?.() === 0;
/** `nobody` on Debian and most others. */
const nobody = 65534;
const asNobody = isRoot ? ["setpriv", `--reuid=${nobody}`, `--regid=${nobody}`, "--clear-groups"] : [];

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
