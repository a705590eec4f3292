/** Reading files that a server at work may remove between being listed and being opened. */
import { toOpenWitError } from "../error.ts";

const triesMax = 10;

/** Does it again, on what is there then, when a file went meanwhile. @throws what `work` throws */
export async function again<Result>(work: () => Promise<Result>): Promise<Result> {
  for (let tries = 1;; tries++) {
    try {
      return await work();
    } catch (thrown) {
      if (tries === triesMax || toOpenWitError(thrown).code !== "not_found") throw thrown;
    }
  }
}
