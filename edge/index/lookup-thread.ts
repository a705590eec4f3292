/**
 * The indexes of a server's data folder, asked in a thread of its own: a statement may have to look into hundreds of
 * files, which would take this thread's time from the requests.
 *
 * Should it die, segments are scanned, and the next question starts another.
 */
import type { Log } from "../../core/env/log.ts";
import type { IndexedSegment, StoreIndexes } from "../../core/index/indexes.ts";
import { askedThread } from "../server/asked-thread.ts";
import { decodeBlocks, type FromLookup, type Told, type ToLookup } from "./lookup-protocol.ts";

/** @param dataDir absolute */
export function lookupThread(dataDir: string, log: Log): StoreIndexes {
  const unusable = new Map<string, string>();
  /** Numbers of the segments that the thread knows, by their ids. */
  const numbers = new Map<string, number>();
  let numbered = 0;
  const thread = askedThread<ToLookup, FromLookup>({
    dataDir,
    open: () => new Worker(new URL("./lookup-worker.ts", import.meta.url)),
    onAnswer({ unusable: more, lines }) {
      for (const [id, why] of more) unusable.set(id, why);
      for (const { level, message, fields } of lines) log(level, message, fields);
    },
    onDied: (message) =>
      log("error", "the thread that looks into indexes died; segments are scanned until it is back", {
        message,
      }),
    onEnd: () => numbers.clear(),
  });

  const numberOf = ({ id, signal, path, rows }: IndexedSegment, told: Told["told"][number][]): number => {
    const known = numbers.get(id);
    if (known !== undefined) return known;
    numbers.set(id, ++numbered);
    told.push([numbered, { id, signal, path, rows }]);
    return numbered;
  };

  return {
    unusable,
    async candidatesOf(segments, predicate) {
      const usable = segments.filter(({ id }) => !unusable.has(id));
      if (usable.length === 0) return segments.map(() => undefined);
      const told: Told["told"][number][] = [];
      const answer = await thread.ask((ask) => ({
        kind: "candidates",
        ask,
        segments: Uint32Array.from(usable, (segment) => numberOf(segment, told)),
        told,
        predicate,
      }));
      const { blocks } = answer ?? {};
      if (blocks === undefined) return segments.map(() => undefined);
      // `unusable` may have grown since; `usable` is in the order of the segments.
      let at = 0;
      return segments.map((segment) =>
        segment === usable[at] ? decodeBlocks(blocks, at++, segment.rows) : undefined
      );
    },
    async blockTimes(segment) {
      if (unusable.has(segment.id)) return undefined;
      const told: Told["told"][number][] = [];
      const answer = await thread.ask((ask) => ({
        kind: "times",
        ask,
        segment: numberOf(segment, told),
        told,
      }));
      return answer?.times ?? undefined;
    },
    forget(id) {
      unusable.delete(id);
      const segment = numbers.get(id);
      if (segment === undefined) return;
      numbers.delete(id);
      thread.tell({ kind: "forget", segment });
    },
    close: () => thread.close(),
  };
}
