/**
 * What visitors of the demo shop do: each flow is a tree of operations over the services, with the spans and log
 * lines that it leaves. Data alone; traffic.ts walks it.
 *
 * Names of attributes: OpenTelemetry semantic conventions 1.37 where they have one.
 */
import { findProducts, lookUpProduct, readCart, recommend, signIn } from "./browse.ts";
import type { Flow, LogSpec, OperationSpec } from "./operation-spec.ts";
import { placeOrder, quoteShipping } from "./order.ts";
import type { AttributesSpec } from "./template.ts";

export const flows: readonly Flow[] = [
  page(30, "GET", "/", "/", 9, [{ ...signIn, chance: 0.4 }, recommend, lookUpProduct]),
  page(34, "GET", "/product/:sku", "/product/{sku}", 7, [
    lookUpProduct,
    { ...recommend, chance: 0.6 },
    readCart,
  ]),
  page(12, "GET", "/search", "/search", 8, [findProducts]),
  page(14, "POST", "/cart", "/cart", 5, [signIn, lookUpProduct, readCart]),
  page(6, "POST", "/checkout", "/checkout", 12, [placeOrder]),
  page(4, "GET", "/orders/:order", "/orders/{order}", 6, [signIn, quoteShipping]),
];

function page(
  weight: number,
  method: string,
  route: string,
  path: string,
  ms: number,
  calls: OperationSpec[],
): Flow {
  const failure = { type: "UpstreamError", message: "an upstream service failed after {ms} ms", stack: "" };
  const logs = accessLogs(method, path);
  const attributes = http(method, route, path);
  return {
    weight,
    root: {
      service: "frontend",
      name: `${method} ${route}`,
      kind: "server",
      ms,
      attributes,
      logs,
      calls,
      failure,
    },
  };
}

/** Attributes of an HTTP server's span. */
function http(method: string, route: string, path: string): AttributesSpec {
  return {
    "http.request.method": method,
    "http.route": route,
    "url.path": path,
    "url.scheme": "https",
    "http.response.status_code": "{status:int}",
    "client.address": "{ip}",
    "user_agent.original": "{agent}",
    "user.id": "{user}",
  };
}

/** The access log line of a web server, and the one of its failure. */
function accessLogs(method: string, path: string): LogSpec[] {
  const attributes: AttributesSpec = {
    "http.request.method": method,
    "url.path": path,
    "http.response.status_code": "{status:int}",
    "http.response.body.size": "{bytes:int}",
    "client.address": "{ip}",
    "user_agent.original": "{agent}",
    "session.id": "{session}",
    "duration_ms": "{ms:double}",
  };
  return [
    {
      at: "success",
      severity: "INFO",
      body: `{ip} - {user} "${method} ${path} HTTP/2.0" {status} {bytes} {ms}ms cache={cached} trace={hex}`,
      attributes,
    },
    {
      at: "failure",
      severity: "ERROR",
      body:
        `{ip} - {user} "${method} ${path} HTTP/2.0" {status} {bytes} {ms}ms upstream failed, request {hex}`,
      attributes: { ...attributes, "error.type": "upstream_error" },
    },
  ];
}
