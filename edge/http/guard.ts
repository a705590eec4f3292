/**
 * Who may speak to a listener, by the names that the client used: the `Host` (or `:authority`) that it
 * asked for and the `Origin` of the page that made it ask.
 *
 * A loopback listener needs no login, so a page from elsewhere must not reach it through a name of its own
 * that resolves to 127.0.0.1 (DNS rebinding): only loopback names and the configured ones are answered.
 * Any other listener demands keys or an explicit `insecure`, and is reached by names that we cannot know;
 * there only the `Origin` is checked, against the `Host` of the same request.
 *
 * Host: RFC 9112 section 3.2. Origin: RFC 6454, Fetch standard.
 */
import type { MiddlewareHandler } from "hono";
import { OpenWitError } from "../../core/error.ts";

export interface GuardOptions {
  /** The address that the listener is bound to, without the port. */
  readonly bindHost: string;
  /** Further names that are answered, such as `box.local`; without ports. */
  readonly allowedHosts?: readonly string[];
}

/** The refusal for a request that names `host` and comes from `origin`, or `undefined` when it may pass. */
export type Guard = (
  host: string | null | undefined,
  origin: string | null | undefined,
) => OpenWitError | undefined;

export function newGuard(options: GuardOptions): Guard {
  const bindHost = bareHost(options.bindHost);
  const loopbackOnly = isLoopback(bindHost);
  const names = new Set([bindHost, ...(options.allowedHosts ?? []).map(bareHost)]);
  const isOurs = (name: string) => isLoopback(name) || names.has(name);

  return (host, origin) => {
    if (!host) {
      return new OpenWitError("invalid_argument", "the request has no Host", { hint: "send a Host header" });
    }
    if (loopbackOnly && !isOurs(hostName(host))) {
      return new OpenWitError("forbidden", `host ${quote(host)} is not served by this loopback listener`, {
        hint: "use localhost or 127.0.0.1, or add the name to the allowed hosts",
      });
    }
    if (!origin) return undefined;
    const from = originHost(origin);
    if (from !== undefined && names.has(hostName(from))) return undefined;
    if (from !== undefined && (loopbackOnly ? isLoopback(hostName(from)) : from === host.toLowerCase())) {
      return undefined;
    }
    return new OpenWitError("forbidden", `origin ${quote(origin)} may not call this listener`, {
      hint: "open the page from this box, or add its host to the allowed hosts",
    });
  };
}

/** The guard before every route of an app; its refusal is thrown for the app's `onError` to answer. */
export function httpGuard(guard: Guard): MiddlewareHandler {
  return async (context, next) => {
    const refusal = guard(context.req.header("host"), context.req.header("origin"));
    if (refusal !== undefined) throw refusal;
    await next();
  };
}

/** Whether a bare host (no port, no brackets) can only mean this machine. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || isLoopbackIpv4(host.replace(/^::ffff:/, ""));
}

function isLoopbackIpv4(host: string): boolean {
  return /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host); // all four parts: 127.evil.example is a name
}

/** The name of a `Host` header or authority, without its port. */
function hostName(host: string): string {
  const ipv6 = /^\[([^\]]*)\](?::\d*)?$/.exec(host);
  return bareHost(ipv6 !== null ? ipv6[1] : host.replace(/:\d*$/, ""));
}

function bareHost(host: string): string {
  return host.trim().toLowerCase().replace(/^\[|\]$/g, "").replace(/\.$/, "");
}

/** `host[:port]` of an origin, or `undefined` for an opaque one such as `null`. */
function originHost(origin: string): string | undefined {
  return /^https?:\/\/([^/?#@\s]+)$/i.exec(origin)?.[1].toLowerCase();
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}
