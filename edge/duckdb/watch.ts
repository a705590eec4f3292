/**
 * Ends statements before the process grows beyond its ceiling.
 *
 * The engine counts sorted, joined and grouped rows against its memory limit, but neither the states of some
 * aggregates (a median of 10^9 rows took 2 GB) nor the values within a vector. Both grow over many vectors, between
 * which a statement can be interrupted: so resident memory is looked at while statements run. Over the ceiling, or
 * when it has grown by much since a statement began and is high, one ends: one that holds many rows (core/query/heavy.ts)
 * before one that does not, and of like ones that which has run longest, for growing takes time and a short one is
 * hardly the cause.
 */
import { OpenWitError } from "../../core/error.ts";

export interface WatchEnv {
  /** Resident memory of the process now. */
  residentBytes(): number;
  /** Gives memory that was freed back to the system: it may take a tenth of a second. */
  relieve(): void;
  monotonicMs(): number;
}

/** A statement while the engine works for it. */
export interface Watched {
  readonly startedMs: number;
  /** Whether it holds many rows, as far as could be told before it ran. */
  readonly isHeavy?: boolean;
  /** Resident memory then. */
  readonly beganBytes: number;
  /** Whether it is the answer on its way that grows from here on, not the statement. */
  isAnswering?: boolean;
  /** Whether memory was seen to grow by much meanwhile, and was not given back yet. */
  tookMuch?: boolean;
  /** Interrupts it; the reason becomes its error. */
  stop(reason: OpenWitError): void;
}

export class MemoryWatch {
  readonly #running = new Set<Watched>();
  #timer: ReturnType<typeof setInterval> | undefined;
  #stopped: Watched | undefined;
  #restUntilMs = -Infinity;
  #relievedMs = -Infinity;

  constructor(readonly env: WatchEnv, readonly bytesMax: number) {}

  /** Watches a statement until what it returns is called. */
  enter(statement: Watched): () => void {
    this.#running.add(statement);
    this.#timer ??= setInterval(() => this.look(), lookEveryMs);
    return () => {
      this.#running.delete(statement);
      const nowMs = this.env.monotonicMs();
      const wasStopped = this.#stopped === statement;
      if (wasStopped) {
        this.#stopped = undefined;
        this.#restUntilMs = nowMs + restMs;
        this.#relieve(nowMs);
        statement.tookMuch = false;
      }
      if (this.#running.size > 0) return;
      clearInterval(this.#timer);
      this.#timer = undefined;
    };
  }

  /**
   * A statement has been closed: what the allocators keep of it would make the next one look like its taker, or begin it
   * so high that a state which doubles passes the ceiling. What others take, records that arrive say, is no reason:
   * requests would stand still after each statement.
   */
  closed({ beganBytes, tookMuch = false }: Pick<Watched, "beganBytes" | "tookMuch">): void {
    const nowMs = this.env.monotonicMs();
    if (tookMuch) return this.#relieve(nowMs);
    if (nowMs - this.#relievedMs < relieveEveryMs) return;
    const bytes = this.env.residentBytes();
    const isHigh = bytes >= this.bytesMax * highShare;
    if (isHigh && bytes - beganBytes >= this.bytesMax * leftShare) this.#relieve(nowMs);
  }

  look(): void {
    const nowMs = this.env.monotonicMs();
    if (this.#stopped !== undefined || nowMs < this.#restUntilMs) return;
    let bytes = this.env.residentBytes();
    for (const each of this.#running) {
      if (!each.isAnswering && bytes - each.beganBytes >= this.bytesMax * muchShare) each.tookMuch = true;
    }
    if (bytes < this.bytesMax * highShare) return;
    const grown = [...this.#running].some((each) => this.#hasGrown(each, bytes));
    if (bytes >= this.bytesMax && !grown && nowMs - this.#relievedMs >= relieveEveryMs) {
      this.#relieve(nowMs); // nobody's doing, then: answers that are read leave garbage behind
      bytes = this.env.residentBytes();
    }
    let longest: Watched | undefined;
    for (const each of this.#running) {
      if (nowMs - each.startedMs < runMsMin) continue;
      if (bytes < this.bytesMax && !this.#hasGrown(each, bytes)) continue;
      if (longest === undefined || endsBefore(each, longest)) longest = each;
    }
    if (longest === undefined) return;
    this.#stopped = longest;
    const mebibytes = (count: number) => `${Math.round(count / 1024 / 1024)} MiB`;
    longest.stop(
      new OpenWitError(
        "overloaded",
        `memory is used up: the process has ${mebibytes(bytes)} of ${mebibytes(this.bytesMax)}, and this ` +
          "statement ran longest",
        {
          hint: "narrow the time range or aggregate less; memory.limit sets the ceiling",
          retryAfterMs: 1_000,
        },
      ),
    );
  }

  #relieve(nowMs: number): void {
    this.#relievedMs = nowMs;
    this.env.relieve();
  }

  #hasGrown({ beganBytes, isAnswering }: Watched, bytes: number): boolean {
    if (isAnswering) return false;
    return bytes - Math.max(beganBytes, this.bytesMax * restShare) >= this.bytesMax * growthShare;
  }
}

function endsBefore(a: Watched, b: Watched): boolean {
  const [isAHeavy, isBHeavy] = [a.isHeavy ?? false, b.isHeavy ?? false];
  return isAHeavy === isBHeavy ? a.startedMs < b.startedMs : isAHeavy;
}

/** Statements were seen to grow by 1 GB a second; a look takes some 20 µs. */
const lookEveryMs = 4;
/** After one has ended, its memory takes a moment to be given back. */
const restMs = 100;
const highShare = 0.7;
/**
 * More than search.memory_max lets the engine take. The states that it does not count double their buffers, so what has
 * grown by this much may be about to do it again: 323 MiB of a median became 491 within one vector, and at 45% 667.
 */
const growthShare = 0.36;
/**
 * What a box has at rest: who begins with less may grow as far. The engine's own limit is 35%, and a scan that uses it all
 * was ended when it began low, where there is most room.
 */
const restShare = 0.41;
/** Who has taken this leaves allocators full of it, and garbage. */
const muchShare = 0.18;
/** Less of it is what others have taken meanwhile, or not worth to stop requests for. */
const leftShare = 0.1;
/** It takes some 50 ms. */
const relieveEveryMs = 250;
/** What ran shorter has not grown by much. */
const runMsMin = 50;
