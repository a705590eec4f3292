/**
 * An HTTP/1.1 listener over Bun.serve: bounded bodies, time-outs, and a stop that lets requests finish.
 */
import type { Hono } from "hono";
import { OpenWitError } from "../../core/error.ts";

export interface ServeOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Beyond this a connection is cut without a word; the app refuses politely at less. */
  readonly requestBytesMax: number;
  /** Time without a byte on a connection between requests, in milliseconds; up to 255 s. */
  readonly idleTimeoutMs: number;
  /** Time for a request from its headers to its answer, in milliseconds; up to 255 s. */
  readonly requestTimeoutMs: number;
}

export interface HttpListener {
  readonly host: string;
  readonly port: number;
  /** Requests that have begun and are not answered. */
  inFlight(): number;
  /**
   * Takes no new connections, waits for requests in flight until the deadline, then cuts what is left.
   * @returns whether all were answered.
   */
  stop(deadlineMs: number): Promise<boolean>;
}

/** @throws OpenWitError `conflict` (the port is taken), `io` */
export function serveHttp(app: Pick<Hono, "fetch">, options: ServeOptions): HttpListener {
  let inFlight = 0;
  let onIdle: (() => void) | undefined;
  const requestTimeoutS = seconds(options.requestTimeoutMs);
  const server = listen({
    hostname: options.host.replace(/^\[|\]$/g, ""),
    port: options.port,
    maxRequestBodySize: options.requestBytesMax,
    idleTimeout: seconds(options.idleTimeoutMs),
    async fetch(request, server) {
      inFlight++;
      // Bun's idle time-out runs from the headers on whether or not bytes of the body arrive.
      server.timeout(request, requestTimeoutS);
      try {
        return await app.fetch(request, { server });
      } finally {
        if (--inFlight === 0) onIdle?.();
      }
    },
  });
  return {
    host: options.host,
    port: server.port!,
    inFlight: () => inFlight,
    async stop(deadlineMs) {
      server.stop(false).catch(() => {}); // settles only when every connection is gone; the cut below reports
      if (inFlight > 0) {
        const { promise, resolve } = Promise.withResolvers<void>();
        const timer = setTimeout(resolve, deadlineMs);
        onIdle = resolve;
        await promise;
        clearTimeout(timer);
      }
      const finished = inFlight === 0;
      // A handler returns before its answer is on the wire: give that one turn of the loop.
      if (finished) await new Promise((resolve) => setTimeout(resolve, 10));
      await server.stop(true);
      return finished;
    },
  };
}

function listen(options: Bun.Serve.Options<undefined>): Bun.Server<undefined> {
  try {
    return Bun.serve(options);
  } catch (cause) {
    const where = `${(options as { hostname?: string }).hostname}:${(options as { port?: number }).port}`;
    if ((cause as { code?: string }).code === "EADDRINUSE") {
      throw new OpenWitError("conflict", `cannot listen on ${where}: the port is taken`, {
        hint: "stop the other program, or choose another port",
        cause,
      });
    }
    throw new OpenWitError("io", `cannot listen on ${where}: ${(cause as Error).message}`, { cause });
  }
}

function seconds(ms: number): number {
  return Math.min(255, Math.max(1, Math.ceil(ms / 1_000)));
}
