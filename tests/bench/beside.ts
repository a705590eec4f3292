/**
 * What answers take while records arrive, and what they take without, by turns: a stretch of the one, a stretch of the
 * other, and so on, so that both meet the same data and the same moods of a machine that others use as well.
 */
import { type LoadReport, prepareLoad } from "./load.ts";
import { percentile } from "./machine.ts";
import type { Times } from "./needles-table.ts";
import type { ServerUnderTest } from "./server.ts";

export interface BesideTimes {
  readonly quiet: Times;
  readonly beside: Times;
}

export interface BesideReport {
  /** By the names of the queries; those that were answered in both kinds of stretch. */
  readonly times: ReadonlyMap<string, BesideTimes>;
  /** Records a second while they were sent. */
  readonly perSecond: number;
  readonly failures: number;
  /** Requests that were refused and sent again. */
  readonly retries: number;
  /** Queries beside it that were refused. */
  readonly refused: number;
}

export interface BesideOptions {
  /** Records a second. */
  readonly rate: number;
  /** Of each kind. */
  readonly stretches: number;
  /** Of a stretch in which records are sent. */
  readonly seconds: number;
}

/** What a stretch begins with is not counted: the first seconds after silence are no steady ingest. */
const settleMs = 2_000;
/** Until what has arrived is flushed and merged as far as that comes at once. */
const quietenMs = 2_500;

/** @param queries each asks once @param say told of progress */
export async function measureBeside(
  server: ServerUnderTest,
  queries: ReadonlyMap<string, () => Promise<unknown>>,
  { rate, stretches, seconds }: BesideOptions,
  say: (text: string) => void,
): Promise<BesideReport> {
  const quiet = samplesOf(queries), beside = samplesOf(queries);
  const reports: LoadReport[] = [];
  let refused = 0;
  for (let stretch = 0; stretch < stretches; stretch++) {
    const load = await prepareLoad({
      endpoint: server.otlpGrpc,
      protocol: "grpc",
      compression: "none",
      signal: "logs",
      records: rate * seconds,
      batchRecords: 1_000,
      concurrency: 8,
      connections: 2,
      seed: 9 + stretch,
      rate,
    });
    const untilMs = performance.now() + seconds * 500;
    await askInTurn(queries, quiet, () => performance.now() >= untilMs);
    let isOver = false;
    const running = load.run().finally(() => isOver = true);
    await Bun.sleep(settleMs);
    refused += await askInTurn(queries, beside, () => isOver);
    reports.push(await running);
    say(`beside: ${stretch + 1} of ${stretches} stretches`);
    await Bun.sleep(quietenMs);
  }
  const sum = (of: (report: LoadReport) => number) =>
    reports.reduce((total, report) => total + of(report), 0);
  return {
    times: new Map(
      [...queries.keys()]
        .filter((name) => quiet.get(name)!.length > 0 && beside.get(name)!.length > 0)
        .map((name) => [name, { quiet: timesOf(quiet.get(name)!), beside: timesOf(beside.get(name)!) }]),
    ),
    perSecond: sum(({ records }) => records) / sum(({ wallSeconds }) => wallSeconds),
    failures: sum(({ failures }) => failures),
    retries: sum(({ retries }) => retries),
    refused,
  };
}

type SampleLists = ReadonlyMap<string, number[]>;

function samplesOf(queries: ReadonlyMap<string, unknown>): SampleLists {
  return new Map([...queries.keys()].map((name) => [name, []]));
}

/** One query after the other, so that each has its share of flushes and collections. Returns how many were refused. */
async function askInTurn(
  queries: ReadonlyMap<string, () => Promise<unknown>>,
  samples: SampleLists,
  isOver: () => boolean,
): Promise<number> {
  let refused = 0;
  while (!isOver()) {
    for (const [name, ask] of queries) {
      if (isOver()) break;
      const beganMs = performance.now();
      try {
        await ask();
        samples.get(name)!.push(performance.now() - beganMs);
      } catch (error) {
        if (!/answered 429/.test(String(error))) throw error;
        refused++; // for want of memory: counted, for a box that refuses has not answered faster
      }
    }
  }
  return refused;
}

function timesOf(samples: readonly number[]): Times {
  return { p50: percentile(samples, 0.5), p95: percentile(samples, 0.95) };
}
