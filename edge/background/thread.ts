/**
 * The thread of what can wait: indexes and merges, behind requests and statements, and one for all, for each thread has a
 * heap, a runtime and compiled code of its own. It starts with the first job, and ends when it was idle.
 *
 *   flush ── index, urgent ─┐
 *   merge, with its index ──┼─▶ thread ── one job works at a time; what is urgent first
 *   demand ─ index ─────────┘
 *
 * Where it stands too far back for the next job (only root may have a thread come forward) another takes its place, and it
 * ends with the jobs that it has. A job that is aborted is over when the thread has closed its files: what it wrote can be
 * removed then.
 */
import { OpenWitError } from "../../core/error.ts";
import type { Done, FromWorker, Job, ToWorker } from "./protocol.ts";
import { canGo, type Standing } from "./standing.ts";

export interface JobOptions {
  /** Whether somebody waits for it: the other jobs stand still meanwhile. */
  readonly isUrgent?: boolean;
  readonly abort?: AbortSignal;
}

const idleMs = 30_000;

export class BackgroundThread {
  #current: Thread | undefined;
  /** Those whose place was taken, and that have jobs. */
  readonly #retired = new Set<Thread>();
  #idle: ReturnType<typeof setTimeout> | undefined;
  #jobs = 0;
  #isClosed = false;

  /**
   * @param dataDir absolute
   * @param standing where the thread stands from the next job on
   * @param spawn begins a thread that answers as worker.ts does
   */
  constructor(
    readonly dataDir: string,
    readonly standing: () => Standing,
    readonly spawn: () => Worker = spawnWorker,
  ) {}

  /** Memory that the thread has, as far as it has told; 0 while there is none. */
  get heldBytes(): number {
    return this.#current?.heldBytes ?? 0;
  }

  /** @throws OpenWitError as the job does; `unavailable` when the thread is closed; the signal's reason */
  async run(job: Job, { isUrgent = false, abort }: JobOptions = {}): Promise<Done> {
    abort?.throwIfAborted();
    if (this.#isClosed) throw closed();
    clearTimeout(this.#idle);
    const thread = this.#threadAt(this.standing());
    const id = ++this.#jobs;
    const onAbort = () => thread.send({ kind: "abort", id });
    abort?.addEventListener("abort", onAbort, { once: true });
    try {
      const answer = await thread.ask({ kind: "job", id, isUrgent, job });
      abort?.throwIfAborted();
      if (answer.kind === "error") throw new OpenWitError(answer.code, answer.message, { hint: answer.hint });
      return answer.result;
    } finally {
      abort?.removeEventListener("abort", onAbort);
      this.#rest(thread);
    }
  }

  /** Ends the thread; what is under way fails with `unavailable`. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#idle);
    for (const thread of this.#retired) thread.end(closed());
    this.#current?.end(closed());
    this.#current = undefined;
  }

  #threadAt(wanted: Standing): Thread {
    const current = this.#current;
    if (current !== undefined && (current.isBroken || !canGo(current.standing, wanted))) {
      this.#current = undefined;
      this.#retired.add(current);
      this.#rest(current);
    }
    const thread = this.#current ??= new Thread(this.spawn(), this.dataDir, wanted);
    thread.go(wanted);
    return thread;
  }

  /** Ends a thread that has no jobs: soon the current one, another at once. */
  #rest(thread: Thread): void {
    if (thread.jobs > 0) return;
    const end = () => {
      thread.end(closed());
      this.#retired.delete(thread);
      if (this.#current === thread) this.#current = undefined;
    };
    if (thread !== this.#current || thread.isBroken) return end();
    clearTimeout(this.#idle);
    this.#idle = setTimeout(end, idleMs);
    this.#idle.unref?.();
  }
}

/** One worker, and the jobs that it has. */
class Thread {
  readonly #worker: Worker;
  readonly #held = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  readonly #jobs = new Map<number, PromiseWithResolvers<FromWorker>>();
  isBroken = false;

  constructor(worker: Worker, dataDir: string, public standing: Standing) {
    this.#worker = worker;
    this.send({ kind: "open", dataDir, held: this.#held });
    this.send({ kind: "go", standing });
    this.#worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#jobs.get(data.id)?.resolve(data);
    this.#worker.onerror = ({ message }) => this.#break(`died: ${message}`);
    this.#worker.addEventListener("close", () => this.#break("ended by itself"));
  }

  get jobs(): number {
    return this.#jobs.size;
  }

  get heldBytes(): number {
    return Atomics.load(this.#held, 0) * 1024;
  }

  async ask(question: ToWorker & { readonly kind: "job" }): Promise<FromWorker> {
    const answer = Promise.withResolvers<FromWorker>();
    this.#jobs.set(question.id, answer);
    this.send(question);
    try {
      return await answer.promise;
    } finally {
      this.#jobs.delete(question.id);
    }
  }

  send(message: ToWorker): void {
    this.#worker.postMessage(message);
  }

  go(standing: Standing): void {
    if (this.standing === standing) return;
    this.send({ kind: "go", standing });
    this.standing = standing;
  }

  end(reason: OpenWitError): void {
    this.#fail(reason);
    this.#worker.terminate();
  }

  #break(how: string): void {
    this.isBroken = true;
    this.#fail(new OpenWitError("internal", `the background thread ${how}`));
  }

  #fail(reason: OpenWitError): void {
    for (const { reject } of this.#jobs.values()) reject(reason);
  }
}

function spawnWorker(): Worker {
  return new Worker(new URL("./worker.ts", import.meta.url));
}

function closed(): OpenWitError {
  return new OpenWitError("unavailable", "the background thread is closed", {
    hint: "the server is shutting down",
  });
}
