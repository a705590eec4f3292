/** The ports of a node: opened together, each behind its guard, and closed together. */
import type { Hono } from "hono";
import { OpenWitError } from "../../core/error.ts";
import { errorResponse } from "../api/app.ts";
import type { Config } from "../config/config.ts";
import { configKeys } from "../config/keys.ts";
import { isLoopback, type Listen, parseSize } from "../config/parse.ts";
import { newGuard } from "../http/guard.ts";
import { serveHttp } from "../http/serve.ts";
import { serveOtlpGrpc } from "../otlp/grpc.ts";
import { otlpHttp } from "../otlp/http.ts";
import type { ReceiverDeps } from "../otlp/receiver.ts";

/** Time for one OTLP request to arrive. */
export const requestTimeoutMs = 30_000;

/** Time for one API request, a long query and its rows included: the most that Bun.serve allows. */
const queryTimeoutMs = 255_000;

/** Of a request to OTLP/HTTP, whatever `ingestion.body_max` becomes while it runs: the app bounds what it takes. */
const otlpBodyBytesMost = parseSize(configKeys["ingestion.body_max"].most, "ingestion.body_max");

/** The app bounds what it takes; an archive has no bound but the disk's. */
const apiBytesMax = Number.MAX_SAFE_INTEGER;

/** URLs by which this machine reaches them. */
export interface Endpoints {
  readonly http: string;
  readonly otlp_http: string;
  readonly otlp_grpc: string;
}

interface Listener {
  readonly port: number;
  /** Requests that have begun and are not answered. */
  inFlight(): number;
  /** Where it is known. */
  connections?(): number;
  stop(deadlineMs: number): Promise<unknown>;
}

export class Listeners {
  /** How many there are to be. */
  readonly wanted = 3;
  readonly #open = new Map<string, Listener>();

  get open(): number {
    return this.#open.size;
  }

  /** By listener, as metrics have it. */
  load(): Readonly<Record<"inFlight" | "connections", { labels: { listener: string }; value: number }[]>> {
    const of = (measure: (listener: Listener) => number | undefined) =>
      [...this.#open].flatMap(([flag, each]) => {
        const value = measure(each);
        return value === undefined ? [] : [{ labels: { listener: flag.replaceAll("-", "_") }, value }];
      });
    return {
      inFlight: of((each) => each.inFlight()),
      connections: of((each) => each.connections?.()),
    };
  }

  /** @throws OpenWitError `conflict` for a port that is not to be had; those opened before stay open */
  async bindAll(config: Config, deps: ReceiverDeps, api: Hono): Promise<Endpoints> {
    const timeouts = { idleTimeoutMs: 120_000, requestTimeoutMs };
    const http = await this.#bind(config.http, "http", (listen) => {
      const guard = newGuard({ bindHost: listen.host });
      // Not by routes of a Hono around it: that would answer in its own words what the app has no route for.
      const fetch: Hono["fetch"] = (request, env) => {
        const refusal = guard(request.headers.get("Host"), request.headers.get("Origin"));
        return refusal === undefined ? api.fetch(request, env) : errorResponse(refusal);
      };
      return serveHttp({ fetch }, {
        ...listen,
        ...timeouts,
        requestTimeoutMs: queryTimeoutMs,
        requestBytesMax: apiBytesMax,
      });
    });
    const otlpHttpListener = await this.#bind(
      config.otlpHttp,
      "otlp-http",
      (listen) =>
        serveHttp(otlpHttp(deps, newGuard({ bindHost: listen.host })), {
          ...listen,
          ...timeouts,
          requestBytesMax: 2 * otlpBodyBytesMost,
        }),
    );
    const otlpGrpc = await this.#bind(
      config.otlpGrpc,
      "otlp-grpc",
      (listen) => serveOtlpGrpc(deps, newGuard({ bindHost: listen.host }), listen),
    );
    return {
      http: `http://${authority(config.http, http.port)}`,
      otlp_http: `http://${authority(config.otlpHttp, otlpHttpListener.port)}`,
      otlp_grpc: `http://${authority(config.otlpGrpc, otlpGrpc.port)}`,
    };
  }

  async stop(deadlineMs: number): Promise<void> {
    const listeners = [...this.#open.values()];
    this.#open.clear();
    await Promise.allSettled(listeners.map((listener) => listener.stop(deadlineMs)));
  }

  /** Opens a listener, or says which flag to change. */
  async #bind<L extends Listener>(
    listen: Listen,
    flag: string,
    serve: (listen: Listen) => L | Promise<L>,
  ): Promise<L> {
    try {
      const listener = await serve(listen);
      this.#open.set(flag, listener);
      return listener;
    } catch (cause) {
      throw new OpenWitError(
        "conflict",
        (cause as Error).message,
        { hint: `another program may hold the port; choose one with --${flag} host:port`, cause },
      );
    }
  }
}

function authority({ host }: Listen, port: number): string {
  const reachable = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
  return reachable.includes(":") ? `[${reachable}]:${port}` : `${reachable}:${port}`;
}

/** Whether every listener is for this machine alone. */
export function isLocalOnly(config: Config): boolean {
  return [config.http, config.otlpHttp, config.otlpGrpc].every(({ host }) => isLoopback(host));
}
