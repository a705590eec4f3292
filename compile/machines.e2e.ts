/**
 * Executables for other machines than this one, run by qemu's user emulation: the one for arm64, and the baseline one on a
 * processor without any AVX. Each starts, takes records, answers a query, and says what it runs on.
 *
 * Skipped without qemu-user, and for arm64 without the C and C++ libraries of that machine (libc6-arm64-cross,
 * libstdc++6-arm64-cross). `-cpu Nehalem` is a processor of 2008: SSE4.2 and no AVX; that qemu refuses what such a processor
 * lacks is tried first, else the test would show nothing.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { buildExecutable } from "./compile.ts";
import { addonName, libraryName } from "./native/load.ts";
import { packageFile } from "./packages.ts";
import { targets } from "./targets.ts";

const armLibraries = "/usr/aarch64-linux-gnu";
const emulators = {
  arm64: {
    command: ["qemu-aarch64", "-L", armLibraries],
    missing: Bun.which("qemu-aarch64") === null
      ? "qemu-aarch64 is not installed"
      : existsSync(join(armLibraries, "lib/libstdc++.so.6"))
      ? undefined
      : "libstdc++6-arm64-cross is not installed",
    architecture: "arm64",
  },
  "x64-baseline": {
    command: ["qemu-x86_64", "-cpu", "Nehalem"],
    missing: process.arch !== "x64"
      ? "the libraries of x86-64 are not here"
      : Bun.which("qemu-x86_64") === null
      ? "qemu-x86_64 is not installed"
      : undefined,
    architecture: "x64",
  },
} as const;

let base: string;
beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), "openwit-machines-"));
});
afterAll(() => rmSync(base, { recursive: true, force: true }));

test.skipIf(emulators["x64-baseline"].missing !== undefined)("qemu refuses what the processor lacks", () => {
  const program = join(base, "vectors");
  writeFileSync(program, avx2Program());
  chmodSync(program, 0o755);
  const run = (cpu: string) => Bun.spawnSync(["qemu-x86_64", "-cpu", cpu, program]);
  expect(run("Haswell").exitCode).toBe(0);
  expect(run("Nehalem").signalCode).toBe("SIGILL");
});

test("what is loaded on arm64 is laid out for pages of 16 KiB and more", () => {
  const { runtimePackage, duckdbPackage } = targets.find(({ name }) => name === "arm64")!;
  const root = resolve(import.meta.dirname, "..");
  const files = [[runtimePackage, "bin/bun"], [duckdbPackage, libraryName], [duckdbPackage, addonName]];
  for (const [name, file] of files) {
    const alignments = segmentAlignments(readFileSync(packageFile(root, name, file)));
    expect(alignments.length).toBeGreaterThan(1);
    expect(Math.min(...alignments), file).toBeGreaterThanOrEqual(16_384);
  }
}, 140_000);

describe.each(Object.entries(emulators))(
  "the executable for %s",
  (name, { command, missing, architecture }) => {
    if (missing !== undefined) process.stderr.write(`the executable for ${name} is not tried: ${missing}\n`);

    test.skipIf(missing !== undefined)(
      "starts, takes a record, answers a query, and names its processor",
      async () => {
        const outfile = join(base, `openwit-${name}`);
        const target = targets.find((each) => each.name === name)!;
        await buildExecutable({ target, root: resolve(import.meta.dirname, ".."), outfile });
        const dataDir = join(base, `data-${name}`);
        const listeners = ["http", "otlp-http", "otlp-grpc"].flatMap((flag) => [`--${flag}`, "127.0.0.1:0"]);
        const child = Bun.spawn([
          ...command,
          outfile,
          "serve",
          "--config",
          "",
          "--data-dir",
          dataDir,
          ...listeners,
        ], {
          cwd: base,
          // With what a server needs of its runtime set (edge/server/runtime.ts) the process does not start over in its own
          // place, which for another machine's executable only a kernel with binfmt_misc could do.
          env: {
            PATH: process.env["PATH"]!,
            UV_THREADPOOL_SIZE: "16",
            BUN_JSC_useConcurrentGC: "0",
            XDG_CACHE_HOME: join(base, `cache-${name}`),
          },
          stdout: "ignore",
          stderr: "pipe",
        });
        try {
          const { http, otlp_http } = await endpoints(dataDir, child);
          const sent = await fetch(`${otlp_http}/v1/logs`, {
            method: "POST",
            headers: { "content-type": "application/json" },
            body: JSON.stringify(record),
          });
          expect(sent.status).toBe(200);
          const asked = await fetch(`${http}/api/v1/query`, {
            method: "POST",
            headers: { "content-type": "application/json" },
            body: JSON.stringify({ sql: "SELECT service_name, body FROM logs" }),
          });
          expect(await asked.json()).toMatchObject({ rows: [["emulated", "hello"]] });
          expect(await (await fetch(`${http}/api/v1/status`)).json()).toMatchObject({
            phase: "ready",
            cpu: { architecture, model: expect.any(String), features: expect.any(Array) },
            page_size: 4096,
          });
        } finally {
          child.kill("SIGKILL");
          await child.exited;
        }
      },
      140_000,
    );
  },
);

const record = {
  resourceLogs: [{
    resource: { attributes: [{ key: "service.name", value: { stringValue: "emulated" } }] },
    scopeLogs: [{ logRecords: [{ timeUnixNano: "1795650000000000000", body: { stringValue: "hello" } }] }],
  }],
};

async function endpoints(dataDir: string, child: Bun.Subprocess<"ignore", "ignore", "pipe">) {
  const file = join(dataDir, "run/server.json");
  const deadline = Date.now() + 100_000;
  while (!existsSync(file)) {
    if (child.exitCode !== null || Date.now() > deadline) {
      child.kill("SIGKILL");
      throw new Error(`it did not start: ${await new Response(child.stderr).text()}`);
    }
    await Bun.sleep(100);
  }
  return JSON.parse(readFileSync(file, "utf8")).endpoints as Record<"http" | "otlp_http", string>;
}

/** How the parts of a 64-bit ELF file that are loaded are aligned in memory, in bytes. */
function segmentAlignments(elf: Buffer): number[] {
  const at = Number(elf.readBigUInt64LE(32));
  const [bytes, count] = [elf.readUInt16LE(54), elf.readUInt16LE(56)];
  return Array.from(
    { length: count },
    (_, index) => elf.subarray(at + index * bytes, at + (index + 1) * bytes),
  )
    .filter((header) => header.readUInt32LE(0) === 1)
    .map((header) => Number(header.readBigUInt64LE(48)));
}

/** A static ELF file that runs one instruction of AVX2, `vpaddb ymm0, ymm0, ymm0`, and ends with 0. */
function avx2Program(): Uint8Array {
  const address = 0x400000n;
  const code = Uint8Array.of(
    ...[0xc5, 0xfd, 0xfc, 0xc0], // vpaddb ymm0, ymm0, ymm0
    ...[0x31, 0xff], // xor edi, edi
    ...[0xb8, 60, 0, 0, 0], // mov eax, 60 (exit)
    ...[0x0f, 0x05], // syscall
  );
  const head = Buffer.alloc(64 + 56);
  head.write("\x7fELF\x02\x01\x01", 0, "latin1");
  head.writeUInt16LE(2, 16); // an executable
  head.writeUInt16LE(0x3e, 18); // of x86-64
  head.writeUInt32LE(1, 20);
  head.writeBigUInt64LE(address + BigInt(head.length), 24); // where it begins
  head.writeBigUInt64LE(64n, 32); // the program header
  head.writeUInt16LE(64, 52);
  head.writeUInt16LE(56, 54);
  head.writeUInt16LE(1, 56);
  head.writeUInt32LE(1, 64); // to be loaded,
  head.writeUInt32LE(5, 68); // to be read and executed
  head.writeBigUInt64LE(address, 80);
  head.writeBigUInt64LE(address, 88);
  head.writeBigUInt64LE(BigInt(head.length + code.length), 96);
  head.writeBigUInt64LE(BigInt(head.length + code.length), 104);
  head.writeBigUInt64LE(0x1000n, 112);
  return Buffer.concat([head, code]);
}
