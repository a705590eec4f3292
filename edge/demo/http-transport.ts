/** OTLP/HTTP with protobuf bodies, over fetch. */
import { OpenWitError } from "../../core/error.ts";
import { exportPaths, type OtlpClientOptions, protobufFields, type Transport, unreachable } from "./send.ts";

export function httpTransport({ endpoint, tenant, timeoutMs }: OtlpClientOptions): Transport {
  return {
    async post(signal, body, isGzip, abort) {
      const url = new URL(exportPaths[signal].http, endpoint);
      const headers: Record<string, string> = { "content-type": "application/x-protobuf" };
      if (tenant !== undefined) headers["x-scope-orgid"] = tenant;
      if (isGzip) headers["content-encoding"] = "gzip";
      let response: Response, answer: Uint8Array;
      try {
        response = await fetch(url, { method: "POST", headers, body: body as BodyInit, signal: abort });
        answer = new Uint8Array(await response.arrayBuffer());
      } catch (cause) {
        if ((cause as Error).name === "TimeoutError") throw noAnswer(endpoint, timeoutMs, cause);
        if (abort.aborted) throw new OpenWitError("cancelled", "sending was stopped", { cause });
        if ((cause as { code?: unknown }).code === "Malformed_HTTP_Response") throw noHttp(endpoint, cause);
        throw unreachable(endpoint, cause);
      }
      if (response.ok) return answer;
      throw refusal(response, answer);
    },
    close: () => {},
  };
}

/** What listens there speaks something else: HTTP/2 alone, as gRPC does, most of the time. */
function noHttp(endpoint: string, cause: unknown): OpenWitError {
  return new OpenWitError("invalid_argument", `${new URL(endpoint).host} does not speak HTTP/1.1`, {
    hint: "OTLP/HTTP is on port 4318; for OTLP/gRPC use --protocol grpc and port 4317",
    cause,
  });
}

/** An answer that did not come in time: whether the records were taken is not known. */
export function noAnswer(endpoint: string, timeoutMs: number, cause: unknown): OpenWitError {
  const { host } = new URL(endpoint);
  return new OpenWitError("deadline_exceeded", `${host} did not answer within ${timeoutMs} ms`, {
    retryable: true,
    cause,
  });
}

/** What OTLP/HTTP says by its status; 429, 502, 503 and 504 alone are tried again. */
function refusal(response: Response, answer: Uint8Array): OpenWitError {
  const isProtobuf = response.headers.get("content-type")?.startsWith("application/x-protobuf") ?? false;
  let detail = isProtobuf ? "" : new TextDecoder().decode(answer.subarray(0, 300));
  for (const { field, bytes } of isProtobuf ? protobufFields(answer) : []) {
    if (field === 2) detail = new TextDecoder().decode(bytes);
  }
  const message = `the server answered ${response.status}${detail === "" ? "" : `: ${detail}`}`;
  if (![429, 502, 503, 504].includes(response.status)) {
    return new OpenWitError(response.status === 413 ? "too_large" : "invalid_argument", message);
  }
  const after = response.headers.get("retry-after");
  const retryAfterMs = after === null ? undefined : retryAfter(after);
  return new OpenWitError(response.status === 429 ? "overloaded" : "unavailable", message, { retryAfterMs });
}

/** RFC 9110: seconds, or a date. */
function retryAfter(text: string): number | undefined {
  if (/^\d+$/.test(text)) return Number(text) * 1_000;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}
