/** One OpenWit in a temporary folder, as a process of its own: what the end-to-end tests drive. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { bunPath } from "../../compile/bun.mjs";

const root = resolve(import.meta.dir, "../..");

/** The built executable when there is one (dist/), else the sources under Bun. */
export function openwitCommand(): string[] {
  const built = process.env.OPENWIT_BINARY ?? join(root, `dist/openwit-linux-${process.arch}`);
  return existsSync(built) ? [built] : [bunPath(), join(root, "cmd/openwit.ts")];
}

export interface Endpoints {
  http: string;
  otlp_http: string;
  otlp_grpc: string;
}

export class Box implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "openwit-e2e-"));
  readonly dataDir: string;
  endpoints!: Endpoints;
  stderr = "";
  #process: Bun.Subprocess<"ignore", "ignore", "pipe"> | undefined;

  /** @param dataDir where the data lies, when not in the box's own folder */
  constructor(readonly flags: string[] = [], dataDir?: string) {
    this.dataDir = dataDir ?? join(this.folder, "data");
  }

  get pid(): number {
    return this.#process!.pid;
  }

  /** Starts a server and resolves when it is ready. */
  async start(): Promise<this> {
    const record = join(this.dataDir, "run/server.json");
    rmSync(record, { force: true });
    const listeners = ["http", "otlp-http", "otlp-grpc"].flatMap((flag) => [`--${flag}`, "127.0.0.1:0"]);
    this.#process = Bun.spawn(
      [...openwitCommand(), "serve", "--data-dir", this.dataDir, ...listeners, ...this.flags],
      { cwd: this.folder, stdin: "ignore", stdout: "ignore", stderr: "pipe" },
    );
    this.#collect(this.#process.stderr);
    const deadline = Date.now() + 30_000;
    while (Date.now() < deadline) {
      if (this.#process.exitCode !== null) throw new Error(`openwit serve ended: ${this.stderr}`);
      if (existsSync(record)) {
        this.endpoints = JSON.parse(readFileSync(record, "utf8")).endpoints;
        // Not whether it takes records: it may have been started on a full disk.
        const ready = await fetch(`${this.endpoints.http}/ready`).then(
          async (response) => (await response.json()).phase === "ready",
          () => false,
        );
        if (ready) return this;
      }
      await Bun.sleep(10);
    }
    throw new Error(`openwit serve was not ready in 30 s: ${this.stderr}`);
  }

  /** SIGKILL: nothing is said goodbye to. */
  async kill(): Promise<void> {
    this.#process!.kill("SIGKILL");
    await this.#process!.exited;
  }

  /** SIGTERM; resolves with the exit status. */
  async stop(): Promise<number> {
    this.#process!.kill("SIGTERM");
    return await this.#process!.exited;
  }

  /** First column of the first row. */
  async value(sql: string, headers: Record<string, string> = {}): Promise<unknown> {
    return (await this.rows(sql, headers))[0][0];
  }

  async rows(sql: string, headers: Record<string, string> = {}): Promise<unknown[][]> {
    const response = await fetch(`${this.endpoints.http}/api/v1/query`, {
      method: "POST",
      headers: { "Content-Type": "application/json", ...headers },
      body: JSON.stringify({ sql, limit: 1_000_000 }),
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(JSON.stringify(answer));
    return answer.rows;
  }

  async get<Answer>(path: string): Promise<Answer> {
    return await (await fetch(this.endpoints.http + path)).json();
  }

  async post(path: string): Promise<Response> {
    return await fetch(this.endpoints.http + path, { method: "POST" });
  }

  /** Runs `openwit` with arguments in the box's folder. */
  async run(...args: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
    return await runOpenwit(args, this.folder);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process !== undefined && this.#process.exitCode === null) await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #collect(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const bytes of stream) this.stderr += decoder.decode(bytes, { stream: true });
  }
}

export async function runOpenwit(
  args: string[],
  cwd: string = tmpdir(),
  stdin = "",
): Promise<{ status: number; stdout: string; stderr: string }> {
  const child = Bun.spawn([...openwitCommand(), ...args], {
    cwd,
    stdin: new TextEncoder().encode(stdin),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, status] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { status, stdout, stderr };
}
