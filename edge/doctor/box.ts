/** Checks of the machine: processor, memory, limits, ports, the engine. */
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { availableParallelism } from "node:os";
import process from "node:process";
import type { Config } from "../config/config.ts";
import type { Listen } from "../config/parse.ts";
import { bytes } from "../cli/status.ts";
import { loadDuckDB } from "../duckdb/load.ts";
import { controlGroupBytes } from "../server/memory.ts";
import { pageBytes } from "../support/machine.ts";
import { type Check, fail, ok, warn } from "./check.ts";

export async function checkProcessor(): Promise<Check> {
  const cores = availableParallelism();
  const page = await pageBytes();
  const pages = page === undefined ? "" : `, pages of ${bytes(page)}`;
  const flags = /^(?:flags|Features)\s*:(.*)$/m.exec(await read("/proc/cpuinfo"))?.[1].split(" ") ?? [];
  const vectors = ["avx512f", "avx2", "asimd", "neon"].find((flag) => flags.includes(flag));
  const found = `${process.platform} ${process.arch}, ${cores} cores${pages}, ${
    vectors ?? "no vector instructions"
  }`;
  return process.arch === "x64" && flags.length > 0 && !flags.includes("sse4_2")
    ? warn("processor", found, "the runtime needs SSE4.2: use a machine from 2009 or later")
    : ok("processor", found);
}

/** Whether the limit fits what the machine, or the control group that we are in, has. */
export async function checkMemory(config: Config): Promise<Check> {
  const limit = config.memoryBytesMax;
  const total = Number(/^MemTotal:\s*(\d+) kB/m.exec(await read("/proc/meminfo"))?.[1] ?? Infinity) * 1024;
  const group = controlGroupBytes();
  const least = Math.min(total, group);
  const where = group < total ? "the control group" : "the machine";
  const found = `memory.limit ${bytes(limit)}, ${where} has ${
    Number.isFinite(least) ? bytes(least) : "no limit"
  }`;
  return limit > least * 0.8
    ? warn(
      "memory",
      found,
      "lower memory.limit, or allow more: other programs and the system need a fifth of it",
    )
    : ok("memory", found);
}

export async function checkOpenFiles(): Promise<Check> {
  const limit = /^Max open files\s+(\S+)/m.exec(await read("/proc/self/limits"))?.[1];
  if (limit === undefined) return ok("open files", "no limit known");
  return limit !== "unlimited" && Number(limit) < filesMin
    ? warn("open files", `at most ${limit}`, `allow ${filesMin} (ulimit -n, or LimitNOFILE= of the unit)`)
    : ok("open files", `at most ${limit}`);
}

/** A query opens each of its segments. */
const filesMin = 4_096;

/** The ports of a server that does not run must be free. */
export async function checkPorts(config: Config): Promise<Check[]> {
  const listeners = { http: config.http, "otlp-http": config.otlpHttp, "otlp-grpc": config.otlpGrpc };
  return await Promise.all(
    Object.entries(listeners).map(async ([flag, listen]) => {
      const at = `${listen.host}:${listen.port}`;
      const error = await bindError(listen);
      return error === undefined
        ? ok(`port ${flag}`, `${at} is free`)
        : fail(`port ${flag}`, `${at} cannot be bound: ${error}`, `choose another with --${flag} host:port`);
    }),
  );
}

/** Whether the SQL engine loads and answers. */
export async function checkEngine(): Promise<Check> {
  try {
    const { api } = await loadDuckDB();
    const instance = await api.DuckDBInstance.create(":memory:");
    const connection = await instance.connect();
    const rows = (await connection.runAndReadAll("SELECT version()")).getRows();
    connection.closeSync();
    instance.closeSync();
    return ok("SQL engine", `DuckDB ${rows[0][0]} answers`);
  } catch (error) {
    const why = error instanceof Error ? error.message.split("\n")[0] : String(error);
    return fail("SQL engine", `DuckDB does not load: ${why}`, "check that this build is for this machine");
  }
}

function bindError({ host, port }: Listen): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}

/** A file of procfs; empty where there is none. */
async function read(path: string): Promise<string> {
  return await readFile(path, "utf8").catch(() => "");
}
