/** The indexer of the server: core/index/indexer.ts in the background thread, so that building an index stops no request. */
import type { IndexSource } from "../../core/index/build.ts";
import type { SegmentIndexer } from "../../core/index/indexer.ts";
import type { BackgroundThread } from "./thread.ts";

export interface BackgroundIndexer extends SegmentIndexer {
  /** Why the last build failed; `undefined` once one did not. */
  readonly failure: string | undefined;
}

/** Segments are indexed one after another. @param isUrgent whether somebody waits for them */
export function backgroundIndexer(thread: BackgroundThread, isUrgent = false): BackgroundIndexer {
  let last: Promise<unknown> = Promise.resolve();
  let failure: string | undefined;

  const build = async ({ id, signal, path }: IndexSource, abort?: AbortSignal): Promise<number> => {
    try {
      const { bytes } = await thread.run(
        { kind: "index", segment: { id, signal, path } },
        { isUrgent, ...abort === undefined ? {} : { abort } },
      );
      failure = undefined;
      return bytes!;
    } catch (error) {
      if (!abort?.aborted) failure = (error as Error).message;
      throw error;
    }
  };

  return {
    get failure() {
      return failure;
    },
    build(segment, abort) {
      const run = last.then(() => build(segment, abort));
      last = run.catch(() => {}); // the caller gets the error; the next one is built all the same
      return run;
    },
  };
}
