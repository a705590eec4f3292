/**
 * A catalog database none of whose calls waits for ever: one that does not answer in time is closed, with whatever it
 * was at, and the caller gets an error. A connection into the void and an engine that hangs look like that.
 */
import type { Clock } from "../env/clock.ts";
import { OpenWitError } from "../error.ts";
import type { CatalogDatabase } from "./database.ts";

export interface CallLimits {
  /** For a call that has to open the database first. */
  readonly openMsMax: number;
  readonly runMsMax: number;
  readonly closeMsMax: number;
}

export const defaultCallLimits: CallLimits = { openMsMax: 60_000, runMsMax: 60_000, closeMsMax: 5_000 };

export function boundedDatabase(
  database: CatalogDatabase,
  clock: Clock,
  { openMsMax, runMsMax, closeMsMax }: CallLimits = defaultCallLimits,
): CatalogDatabase {
  const close = () => within(clock, database.close(), closeMsMax).catch(() => {}); // it is given up: nobody waits for it
  const guarded = async <Result>(call: () => Promise<Result>): Promise<Result> => {
    const ms = database.isOpen ? runMsMax : openMsMax;
    try {
      return await within(clock, call(), ms);
    } catch (error) {
      if (error instanceof TooLate) await close();
      throw error;
    }
  };
  return {
    run: (statements) => guarded(() => database.run(statements)),
    maintain: () => guarded(() => database.maintain()),
    get isOpen() {
      return database.isOpen;
    },
    get timesRenewed() {
      return database.timesRenewed;
    },
    close,
  };
}

class TooLate extends OpenWitError {}

/** @throws OpenWitError `unavailable` when it takes longer */
export async function within<Result>(clock: Clock, work: Promise<Result>, ms: number): Promise<Result> {
  const stop = new AbortController();
  const late = clock.sleep(ms, stop.signal).then(() => {
    throw new TooLate("unavailable", `the catalog has not answered within ${ms} ms`);
  });
  late.catch(() => {}); // the work has ended before
  try {
    return await Promise.race([work, late]);
  } finally {
    stop.abort();
  }
}
