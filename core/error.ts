/**
 * The one error of OpenWit. Whoever catches it can tell a client what happened, whether to try again,
 * and what to do about it, in each protocol that we speak.
 *
 * gRPC codes: google.rpc.Code. HTTP codes: RFC 9110, and OTLP 1.11 for which of them a client retries.
 */

/** How one kind of failure is said in each protocol. `exit` is the status of the command line. */
interface ErrorMapping {
  readonly grpc: number;
  readonly http: number;
  readonly exit: number;
  readonly retryable: boolean;
}

/** The closed set of codes, and the one table that maps them. */
export const errorMappings = {
  /** The request is understood and wrong: a bad flag, an unknown key, SQL that does not parse. */
  invalid_argument: { grpc: 3, http: 400, exit: 2, retryable: false },
  /** The bytes of a message cannot be decoded. */
  malformed: { grpc: 3, http: 400, exit: 1, retryable: false },
  /** Something that is refused by policy: a file-reading SQL function, a foreign `Host`. */
  forbidden: { grpc: 7, http: 403, exit: 1, retryable: false },
  unauthenticated: { grpc: 16, http: 401, exit: 1, retryable: false },
  not_found: { grpc: 5, http: 404, exit: 1, retryable: false },
  method_not_allowed: { grpc: 12, http: 405, exit: 1, retryable: false },
  unsupported_media_type: { grpc: 12, http: 415, exit: 1, retryable: false },
  /** A body, before or after decompression, is over its limit. */
  too_large: { grpc: 3, http: 413, exit: 1, retryable: false },
  /** A format or a version that this build does not know. */
  unsupported: { grpc: 12, http: 501, exit: 1, retryable: false },
  /** Another process holds what is asked for. */
  conflict: { grpc: 10, http: 409, exit: 1, retryable: false },
  /** Too much at once: memory or request slots. */
  overloaded: { grpc: 8, http: 429, exit: 1, retryable: true },
  /** The disk, or the budget for it, is full. */
  disk_full: { grpc: 14, http: 503, exit: 1, retryable: true },
  /** Starting, draining, or otherwise not ready. */
  unavailable: { grpc: 14, http: 503, exit: 1, retryable: true },
  /** A statement's own limit was reached. */
  deadline_exceeded: { grpc: 4, http: 504, exit: 1, retryable: false },
  cancelled: { grpc: 1, http: 499, exit: 1, retryable: false },
  /** Bytes on disk are not what was written. */
  corrupt: { grpc: 15, http: 500, exit: 1, retryable: false },
  /** The operating system refused a read, write or sync. */
  io: { grpc: 14, http: 503, exit: 1, retryable: true },
  /** A broken invariant: a bug of ours. */
  internal: { grpc: 13, http: 500, exit: 1, retryable: false },
} as const satisfies Record<string, ErrorMapping>;

export type ErrorCode = keyof typeof errorMappings;

export interface ErrorDetails {
  /** What to do about it, as a sentence fragment. */
  readonly hint?: string;
  /** Overrides what the code says by itself. */
  readonly retryable?: boolean;
  /** Milliseconds after which a retry has a chance; only for retryable errors. */
  readonly retryAfterMs?: number;
  /** Byte offset into the text at fault (SQL), counted from 0. */
  readonly position?: number;
  readonly cause?: unknown;
}

export class OpenWitError extends Error {
  override readonly name = "OpenWitError";
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;
  readonly position: number | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.hint = details.hint;
    this.retryable = details.retryable ?? errorMappings[code].retryable;
    this.retryAfterMs = details.retryAfterMs ?? (this.retryable ? 1_000 : undefined);
    this.position = details.position;
  }

  /** The documented shape in which HTTP answers and `--json` carry an error. */
  toJSON(): Record<string, unknown> {
    return {
      code: this.code,
      message: this.message,
      ...(this.hint === undefined ? {} : { hint: this.hint }),
      retryable: this.retryable,
      ...(this.position === undefined ? {} : { position: this.position }),
    };
  }
}

/** Any thrown value as an `OpenWitError`; what is not one already becomes `internal`, with its cause kept. */
export function toOpenWitError(error: unknown): OpenWitError {
  if (error instanceof OpenWitError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new OpenWitError("internal", message, { cause: error });
}

/** An invariant that stays on in production. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new OpenWitError("internal", `invariant broken: ${message}`);
}
