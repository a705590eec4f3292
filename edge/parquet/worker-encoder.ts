/**
 * The segment encoder of the server: the Parquet writer in a thread of its own, so that a flush does not stop requests.
 *
 * The thread starts with the first segment and ends when it was idle, for its heap goes with it, and after any
 * failure: what it was at when it failed, or was left, is not known.
 */
import { OpenWitError } from "../../core/error.ts";
import type { Signal } from "../../core/model/columns.ts";
import { type ChunkRows, packRows } from "../../core/parquet/slice.ts";
import type { SegmentEncoder, SegmentPart } from "../../core/segment/encoder.ts";
import { inTurns } from "../server/turns.ts";
import { cutsOf } from "./batches.ts";
import type { FromWorker, ToWorker } from "./protocol.ts";
import { SpareBuffers } from "./spare-buffers.ts";

export interface WorkerEncoderOptions {
  /** Milliseconds without work after which the thread ends. */
  readonly idleMs?: number;
}

export interface WorkerEncoder extends SegmentEncoder {
  /** Ends the thread; segments under way fail with `unavailable`. */
  close(): Promise<void>;
  /** Threads started so far, whether one is running now, and how many buffers were made for the batches it was sent. */
  stats(): { readonly started: number; readonly isRunning: boolean; readonly buffers: number };
  /** Why the last segment was not encoded; `undefined` once one was. */
  readonly failure: string | undefined;
}

/** Segments are encoded one after another. */
export function workerEncoder({ idleMs = 30_000 }: WorkerEncoderOptions = {}): WorkerEncoder {
  let thread: EncoderThread | undefined;
  let idle: ReturnType<typeof setTimeout> | undefined;
  let turn: Promise<void> = Promise.resolve();
  let started = 0;
  let isClosed = false;
  let failure: string | undefined;

  async function stop(): Promise<void> {
    clearTimeout(idle);
    const stopped = thread;
    thread = undefined;
    await stopped?.stop();
  }

  async function* encode(
    signal: Signal,
    parts: readonly SegmentPart[],
    keyValues: Readonly<Record<string, string>>,
  ): AsyncGenerator<Uint8Array> {
    const before = turn;
    const { promise, resolve: endTurn } = Promise.withResolvers<void>();
    turn = promise;
    let isReusable = false;
    try {
      await before;
      clearTimeout(idle);
      if (isClosed) throw closed();
      if (thread === undefined || thread.isBroken) {
        thread = new EncoderThread();
        started++;
      }
      yield* thread.encode(signal, parts, keyValues);
      isReusable = true;
      failure = undefined;
    } catch (error) {
      failure = (error as Error).message;
      throw error;
    } finally {
      if (isReusable && !isClosed) {
        idle = setTimeout(stop, idleMs);
        idle.unref?.();
      } else await stop();
      endTurn();
    }
  }

  return {
    encode,
    get failure() {
      return failure;
    },
    stats: () => ({ started, isRunning: thread !== undefined, buffers: thread?.buffers ?? 0 }),
    close: async () => {
      isClosed = true;
      thread?.fail(closed());
      await turn;
      await stop();
    },
  };
}

/** What the segment under way waits for. */
type Answer = Exclude<FromWorker, { kind: "spare" }>;

/** One worker, and the segment that it is at. */
class EncoderThread {
  readonly #worker = new Worker(new URL("./worker.ts", import.meta.url));
  readonly #inbox: Answer[] = [];
  readonly #spares = new SpareBuffers();
  readonly #exit = Promise.withResolvers<void>();
  #failure: OpenWitError | undefined;
  #wake: (() => void) | undefined;

  constructor() {
    this.#worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
      if (data.kind === "spare") return this.#spares.give(data.buffer);
      this.#inbox.push(data);
      this.#wake?.();
    };
    this.#worker.onerror = (event) =>
      this.fail(new OpenWitError("internal", `the segment encoder died: ${event.message}`));
    this.#worker.addEventListener("close", () => {
      this.fail(
        new OpenWitError("internal", "the segment encoder ended by itself", { hint: "out of memory?" }),
      );
      this.#exit.resolve();
    });
  }

  get buffers(): number {
    return this.#spares.made;
  }

  get isBroken(): boolean {
    return this.#failure !== undefined;
  }

  /** Makes the segment under way, and any later one, throw this. The first failure is the one that counts. */
  fail(error: OpenWitError): void {
    this.#failure ??= error;
    this.#wake?.();
  }

  /** The file's bytes. */
  async *encode(
    signal: Signal,
    parts: readonly SegmentPart[],
    keyValues: Readonly<Record<string, string>>,
  ): AsyncGenerator<Uint8Array> {
    const cuts = cutsOf(parts);
    this.#send({ kind: "begin", signal, keyValues });
    await this.#sendNext(cuts);
    for (;;) {
      const message = await this.#receive();
      switch (message.kind) {
        case "pull":
          await this.#sendNext(cuts);
          break;
        case "bytes":
          yield message.bytes;
          this.#send({ kind: "took" });
          break;
        case "done":
          return;
        case "error":
          throw new OpenWitError(message.code, message.message, { hint: message.hint });
      }
    }
  }

  async stop(): Promise<void> {
    this.#failure ??= closed();
    this.#worker.terminate();
    await this.#exit.promise;
  }

  /** A batch is 7 ms of this thread, so it is made in turns. */
  async #sendNext(cuts: Generator<ChunkRows>): Promise<void> {
    const { done, value } = cuts.next();
    if (done) return this.#send({ kind: "end" });
    const { batch, buffer } = await inTurns(packRows(value, (bytes) => this.#spares.take(bytes)));
    this.#send({ kind: "batch", batch, buffer }, [buffer]);
  }

  #send(message: ToWorker, transfer: Transferable[] = []): void {
    this.#worker.postMessage(message, transfer);
  }

  async #receive(): Promise<Answer> {
    while (this.#failure === undefined && this.#inbox.length === 0) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    if (this.#failure !== undefined) throw this.#failure;
    return this.#inbox.shift()!;
  }
}

function closed(): OpenWitError {
  return new OpenWitError("unavailable", "the segment encoder is closed", {
    hint: "the server is shutting down",
  });
}
