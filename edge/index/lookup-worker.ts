/**
 * The thread that looks into indexes: an entry point of its own. Files are read synchronously, and a disk that is
 * slow holds up nobody here but the questions themselves.
 */
import { toOpenWitError } from "../../core/error.ts";
import type { IndexedSegment } from "../../core/index/indexes.ts";
import { SidecarIndexes } from "../../core/index/sidecars.ts";
import { nodeIndexFiles } from "./files.ts";
import { encodeBlocks, type FromLookup, type ToLookup } from "./lookup-protocol.ts";

// deno-lint-ignore no-explicit-any -- the global of a worker; the checker knows that of a window
const thread = globalThis as any;

let indexes: SidecarIndexes | undefined;
/** By their numbers. */
const segments = new Map<number, IndexedSegment>();
let lines: FromLookup["lines"][number][] = [];
const told = new Set<string>();

/** The first message is the data folder's absolute path. */
thread.onmessage = ({ data }: MessageEvent<string | ToLookup>) => {
  if (typeof data === "string") {
    indexes = new SidecarIndexes(nodeIndexFiles(data), (level, message, { error, ...fields } = {}) => {
      const why = error === undefined ? {} : { error: toOpenWitError(error).message };
      lines.push({ level, message, fields: { ...fields, ...why } });
    });
  } else if (data.kind === "forget") forget(data.segment);
  else void answer(data);
};

function forget(number: number): void {
  const segment = segments.get(number);
  if (segment === undefined) return;
  segments.delete(number);
  told.delete(segment.id);
  indexes!.forget(segment.id);
}

async function answer(question: Exclude<ToLookup, { kind: "forget" }>): Promise<void> {
  const { ask } = question;
  for (const [number, segment] of question.told) segments.set(number, segment);
  if (question.kind === "times") {
    const times = await indexes!.blockTimes(segments.get(question.segment)!) ?? null;
    return send({ ask, times, ...news() });
  }
  const asked = Array.from(question.segments, (number) => segments.get(number)!);
  const blocks = encodeBlocks(await indexes!.candidatesOf(asked, question.predicate));
  send({ ask, blocks, ...news() }, [blocks.buffer]);
}

function news(): Pick<FromLookup, "unusable" | "lines"> {
  const { unusable } = indexes!;
  const fresh = told.size === unusable.size ? [] : [...unusable].filter(([id]) => !told.has(id));
  for (const [id] of fresh) told.add(id);
  const taken = lines;
  lines = [];
  return { unusable: fresh, lines: taken };
}

function send(message: FromLookup, transferred: ArrayBuffer[] = []): void {
  thread.postMessage(message, transferred);
}
