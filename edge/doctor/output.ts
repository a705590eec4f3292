/** Asks a program of the system, as far as there is one. */
import process from "node:process";

/** What it prints, without space at the ends; `undefined` when it is not there, fails, or takes too long. */
export async function output(command: readonly string[]): Promise<string | undefined> {
  try {
    const child = Bun.spawn([...command], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "ignore",
      timeout: timeoutMs,
      env: { ...process.env, LC_ALL: "C" },
    });
    const text = await new Response(child.stdout).text();
    return await child.exited === 0 ? text.trim() : undefined;
  } catch {
    return undefined; // no such program
  }
}

const timeoutMs = 3_000;
