/**
 * A thread that answers questions about the data folder: it starts with the first one, and ends when it was idle, for its
 * heap goes with it. Should it die, what it was asked has no answer, and the next question starts another.
 */

/** People who ask come back after a while; such a thread takes some 30 MB meanwhile. */
const idleMs = 5 * 60_000;

export interface AskedThreadOptions<Answer> {
  /** Absolute: the first message that the thread gets. */
  readonly dataDir: string;
  open(): Worker;
  /** Told of each answer before who asked is. */
  onAnswer?(answer: Answer): void;
  onDied(message: string): void;
  /** Told when it has ended, whatever ended it: it knows nothing any more. */
  onEnd?(): void;
}

export interface AskedThread<Question, Answer> {
  /** `undefined` where it ended before it answered. @param question with the number that its answer has */
  ask(question: (ask: number) => Question): Promise<Answer | undefined>;
  /** Says something that has no answer; nothing while the thread does not run. */
  tell(message: Question): void;
  /** Questions that have no answer yet. */
  readonly waiting: number;
  /** Ends it; what it was asked has no answer. */
  close(): void;
}

export function askedThread<Question, Answer extends { readonly ask: number }>(
  options: AskedThreadOptions<Answer>,
): AskedThread<Question, Answer> {
  const waiting = new Map<number, (answer: Answer | undefined) => void>();
  let worker: Worker | undefined;
  let idle: ReturnType<typeof setTimeout> | undefined;
  let asked = 0;

  const stop = () => {
    clearTimeout(idle);
    worker?.terminate();
    worker = undefined;
    options.onEnd?.();
    for (const answer of waiting.values()) answer(undefined);
    waiting.clear();
  };

  const open = (): Worker => {
    const thread = options.open();
    thread.onmessage = ({ data }: MessageEvent<Answer>) => {
      options.onAnswer?.(data);
      waiting.get(data.ask)?.(data);
      waiting.delete(data.ask);
    };
    thread.onerror = ({ message }) => {
      options.onDied(message);
      stop();
    };
    thread.postMessage(options.dataDir);
    return thread;
  };

  return {
    ask(question) {
      const ask = ++asked;
      const { promise, resolve } = Promise.withResolvers<Answer | undefined>();
      waiting.set(ask, resolve);
      (worker ??= open()).postMessage(question(ask));
      clearTimeout(idle);
      idle = setTimeout(() => waiting.size === 0 && stop(), idleMs);
      idle.unref?.();
      return promise;
    },
    tell: (message) => worker?.postMessage(message),
    get waiting() {
      return waiting.size;
    },
    close: stop,
  };
}
