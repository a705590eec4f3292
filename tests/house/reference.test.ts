/** The references in docs/ say what the code's tables say. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { references } from "../../compile/reference.ts";

for (const [name, text] of Object.entries(references)) {
  test(`docs/${name} is what compile/reference.ts writes`, () => {
    const path = join(import.meta.dir, "../../docs", name);
    expect(readFileSync(path, "utf8")).toBe(text());
  });
}
