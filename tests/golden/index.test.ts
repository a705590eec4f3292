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

/** What every format knows. */
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

const error = { kind: "level", field: "severity_number", least: 17 } as const;
const anyError = { kind: "folded", field: "severity_text", value: "error" } as const;

/** What is known since format 2. */
const levels: [IndexPredicate, number[]][] = [
  [{ ...error, least: 9 }, [0, 1, 2]],
  [{ ...error, least: 13 }, [0, 1]],
  [error, [1]],
  [{ ...error, least: 21 }, []],
  [{ ...error, least: 16 }, [0, 1, 2]], // no threshold
  [{ ...anyError, value: "warn" }, [0, 2]],
  [anyError, [1, 2]], // the last block has a text beyond ASCII
  [{ kind: "pair", service: "checkout", with: error }, [1]],
  [{ kind: "pair", service: "GET /cart", with: error }, []],
  [{ kind: "pair", service: "GET /cart", with: { ...error, least: 13 } }, [0]],
  [{ kind: "pair", service: "GET /cart", with: { ...error, least: 9 } }, [0, 1, 2]], // by the service alone
  [{ kind: "pair", service: "checkout", with: anyError }, [1, 2]],
  [{ kind: "pair", service: "nobody", with: anyError }, [2]],
];

test.each([1, 2])("an index of format %d answers as when it was written", async (version) => {
  const index = await loadIndex(new NodeDisk(import.meta.dirname), `index-v${version}-logs.idx`, segment);
  index.verify();
  expect(index.header.formatVersion).toBe(version);
  for (const [predicate, blocks] of answers) expect([predicate, [...evaluate(index, predicate)]]).toEqual([predicate, blocks]);
  expect(index.wordsWith("c", true, 100)).toEqual(["c", "cart", "checkout"]);
  const { min, max } = index.times();
  expect([...min]).toEqual([0n, 8_192n, 16_384n].map((row) => baseTimeNs + row * 50_000_000n));
  expect([...max]).toEqual([8_191n, 16_383n, 16_999n].map((row) => baseTimeNs + row * 50_000_000n));
  expect(index.fields()).toContain("attributes.key2.0");
});

test("an index of format 2 knows levels, texts in any case, and both of a service", async () => {
  const index = await loadIndex(new NodeDisk(import.meta.dirname), "index-v2-logs.idx", segment);
  for (const [predicate, blocks] of levels) expect([predicate, [...evaluate(index, predicate)]]).toEqual([predicate, blocks]);
});

test("an index of format 1 leaves no row out for what it does not know", async () => {
  const index = await loadIndex(new NodeDisk(import.meta.dirname), "index-v1-logs.idx", segment);
  for (const [predicate] of levels) {
    const isOfService = predicate.kind === "pair";
    const all = isOfService ? evaluate(index, { kind: "equal", field: "service_name", value: predicate.service }) : [0, 1, 2];
    expect([predicate, [...evaluate(index, predicate)]]).toEqual([predicate, [...all]]);
  }
});

test("an index of a newer version is refused", async () => {
  const bytes = readFileSync(join(import.meta.dirname, "index-v2-logs.idx"));
  bytes[4] = 3;
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
