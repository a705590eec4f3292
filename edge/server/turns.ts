/** Work of some milliseconds on the thread that takes requests and answers statements, so that these come between. */

/** About as long as a request takes. */
const turnMsMax = 1;

/** Runs steps to their end, as many in a turn of the event loop as begin within a millisecond. @throws what a step throws */
export async function inTurns<Result>(steps: Generator<void, Result, void>): Promise<Result> {
  for (;;) {
    const endMs = performance.now() + turnMsMax;
    do {
      const { done, value } = steps.next();
      if (done) return value;
    } while (performance.now() < endMs);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
