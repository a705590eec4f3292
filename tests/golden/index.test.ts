/** An index that an older version wrote answers as it did then; one of a newer version is refused and left alone. */
import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { evaluate } from "../../core/index/evaluate.ts";
import type { IndexPredicate } from "../../core/index/predicate.ts";
import { loadIndex } from "../../core/index/inspect.ts";
import { NodeDisk } from "../../edge/disk/disk.ts";
import { baseTimeNs } from "./segment-chunk.ts";

const segment = { id: "019b7c3f5e0011112222333344ff", signal: "logs", rows: 17_000 } as const;
const trace = (n: number) => n.toString(16).padStart(32, "a1");

const answers: [IndexPredicate, number[]][] = [
  [{ kind: "equal", field: "trace_id", value: trace(0) }, [0]],
  [{ kind: "equal", field: "trace_id", value: trace(1) }, [0, 1]],
  [{ kind: "equal", field: "trace_id", value: trace(3) }, [1, 2]],
  [{ kind: "equal", field: "trace_id", value: trace(9) }, []],
  [{ kind: "equal", field: "severity_number", value: "9" }, [0, 1, 2]],
  [{ kind: "equal", field: "severity_number", value: "10" }, []],
  [{ kind: "equal", field: "attributes.key0.1", value: "error" }, [0, 1, 2]],
  [{ kind: "equal", field: "attributes.key9.1", value: "error" }, []],
  [{ kind: "equal", field: "service_name", value: "GET /cart" }, [0, 1, 2]],
  [{ kind: "word", column: "body", word: "näive" }, [0, 1, 2]],
  [{ kind: "word", column: "body", word: "näiv" }, []],
  [{ kind: "part", column: "body", text: "heck", atStart: false, atEnd: false }, [0, 1, 2]],
  [{ kind: "part", column: "body", text: "heck", atStart: true, atEnd: false }, [0, 1, 2]], // a word too long to list
];

test("an index of format 1 answers as when it was written", async () => {
  const index = await loadIndex(new NodeDisk(import.meta.dirname), "index-v1-logs.idx", segment);
  index.verify();
  for (const [predicate, blocks] of answers) expect([predicate, [...evaluate(index, predicate)]]).toEqual([predicate, blocks]);
  expect(index.wordsWith("c", true, 100)).toEqual(["c", "cart", "checkout"]);
  const { min, max } = index.times();
  expect([...min]).toEqual([0n, 8_192n, 16_384n].map((row) => baseTimeNs + row * 50_000_000n));
  expect([...max]).toEqual([8_191n, 16_383n, 16_999n].map((row) => baseTimeNs + row * 50_000_000n));
  expect(index.fields()).toContain("attributes.key2.0");
});

test("an index of a newer version is refused", async () => {
  const bytes = readFileSync(join(import.meta.dirname, "index-v1-logs.idx"));
  bytes[4] = 2;
  const folder = mkdtempSync(join(tmpdir(), "openwit-golden-"));
  try {
    writeFileSync(join(folder, "newer.idx"), bytes);
    const opening = loadIndex(new NodeDisk(folder), "newer.idx", segment);
    expect(await opening.catch((error) => error)).toMatchObject({ code: "unsupported", hint: "openwit index rebuild" });
    expect(readFileSync(join(folder, "newer.idx")).equals(bytes)).toBe(true);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
