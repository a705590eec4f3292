/** What a server takes: how long one request waits for its acknowledgement, and how many records a second fit through. */
import { type Batch, Shop } from "../demo/shop.ts";
import { type OtlpClient, otlpClient } from "../demo/send.ts";
import { signals } from "../../core/model/columns.ts";
import { OpenWitError } from "../../core/error.ts";
import { quantile } from "./disk.ts";

export interface Acknowledgements {
  readonly requests: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface Intake {
  readonly records: number;
  readonly bytes: number;
  readonly recordsPerSecond: number;
  /** Requests that were refused for memory or disk, and come again. */
  readonly refused: number;
}

/** Records that are made at once, before they are sent and while no clock runs. */
const roundRecords = 40_000;

const concurrency = 4;

/** Small requests, one after another, as one agent sends them. */
export async function measureAcknowledgements(
  endpoint: string,
  ms: number,
  abort: AbortSignal,
): Promise<Acknowledgements> {
  const client = newClient(endpoint);
  const story = batches({ rate: 100, seed: 11 });
  const times: number[] = [];
  try {
    const startedMs = performance.now();
    while (times.length < 20 || performance.now() - startedMs < ms) {
      abort.throwIfAborted();
      const { signal, body } = story.next().value!;
      const beforeMs = performance.now();
      await client.send(signal, body, abort);
      times.push(performance.now() - beforeMs);
    }
  } finally {
    client.close();
  }
  return { requests: times.length, p50Ms: quantile(times, 0.5), p99Ms: quantile(times, 0.99) };
}

/** As many records as it takes: large requests, four at a time, until they have been under way for `ms`. */
export async function measureIntake(endpoint: string, ms: number, abort: AbortSignal): Promise<Intake> {
  const client = newClient(endpoint);
  const story = batches({ rate: 20_000, seed: 12 });
  let records = 0, bytes = 0, refused = 0, sendingMs = 0;
  const work = async (queue: Batch[]) => {
    for (let batch = queue.pop(); batch !== undefined; batch = queue.pop()) {
      try {
        await client.send(batch.signal, batch.body, abort);
        records += batch.records;
        bytes += batch.body.length;
      } catch (thrown) {
        if (!(thrown instanceof OpenWitError) || !thrown.retryable || abort.aborted) throw thrown;
        refused++;
        queue.push(batch);
        await Bun.sleep(Math.min(thrown.retryAfterMs ?? 100, 1_000));
      }
    }
  };
  try {
    while (sendingMs < ms) {
      abort.throwIfAborted();
      const queue: Batch[] = [];
      for (let made = 0; made < roundRecords;) {
        const batch = story.next().value!;
        made += batch.records;
        queue.push(batch);
      }
      const beforeMs = performance.now();
      await Promise.all(Array.from({ length: concurrency }, () => work(queue)));
      sendingMs += performance.now() - beforeMs;
    }
  } finally {
    client.close();
  }
  return { records, bytes, recordsPerSecond: records / sendingMs * 1_000, refused };
}

function newClient(endpoint: string): OtlpClient {
  return otlpClient({ endpoint, protocol: "grpc", compression: "none", timeoutMs: 30_000 });
}

/** The shop's last hours, second by second, without an end. */
function* batches({ rate, seed }: { rate: number; seed: number }): Generator<Batch, undefined, undefined> {
  const shop = new Shop({ rate, seed, signals, isSteady: true });
  const startMs = Math.floor(Date.now() / 1_000) * 1_000 - 3_600_000;
  for (let second = startMs;; second += 1_000) yield* shop.generate(second, second + 1_000);
}
