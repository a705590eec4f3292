/** Finds a Python that has a module: OPENWIT_TEST_PYTHON (set by .ci/run), or python3 of the path. */
import process from "node:process";

/** `undefined` when none has it: the test then says that it is skipped. */
export function findPython(module: string): string | undefined {
  for (const python of [process.env.OPENWIT_TEST_PYTHON, "python3"]) {
    if (python === undefined) continue;
    try {
      if (Bun.spawnSync([python, "-c", `import ${module}`]).success) return python;
    } catch { /* no such program */ }
  }
  return undefined;
}
