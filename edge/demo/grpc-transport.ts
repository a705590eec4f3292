/** OTLP/gRPC: unary calls over one HTTP/2 connection, which is opened when needed and again after it was lost. */
import { Buffer } from "node:buffer";
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type IncomingHttpHeaders,
} from "node:http2";
import { OpenWitError } from "../../core/error.ts";
import { noAnswer } from "./http-transport.ts";
import {
  exportPaths,
  isRefused,
  type OtlpClientOptions,
  protobufFields,
  type Transport,
  unreachable,
} from "./send.ts";

export function grpcTransport({ endpoint, tenant, timeoutMs }: OtlpClientOptions): Transport {
  let session: ClientHttp2Session | undefined;
  let lost: unknown;
  let isGreeted = false;

  const open = () => {
    if (session !== undefined && !session.closed && !session.destroyed) return session;
    lost = undefined;
    isGreeted = false;
    const opened = session = connect(endpoint, { settings: { initialWindowSize: 1 << 20 } });
    opened.on("error", (error) => lost = error); // the streams of the session fail with it and report it
    const silent = setTimeout(
      async () => {
        if (await speaksHttp1(endpoint)) opened.destroy(lost = noGrpc(endpoint));
      },
      settingsMsMax,
    );
    opened.once("close", () => clearTimeout(silent));
    opened.once("remoteSettings", () => {
      isGreeted = true;
      clearTimeout(silent);
    });
    return opened;
  };

  return {
    post: (signal, body, isGzip, abort) =>
      new Promise((resolve, reject) => {
        abort.throwIfAborted();
        const stream = open().request({
          ":method": "POST",
          ":path": exportPaths[signal].grpc,
          "content-type": "application/grpc+proto",
          "te": "trailers",
          "grpc-timeout": `${timeoutMs}m`,
          ...(isGzip ? { "grpc-encoding": "gzip" } : {}),
          ...(tenant === undefined ? {} : { "x-scope-orgid": tenant }),
        });
        const onAbort = () => stream.close(8); // CANCEL
        const finish = (act: () => void) => {
          abort.removeEventListener("abort", onAbort);
          act();
        };
        abort.addEventListener("abort", onAbort, { once: true });
        answerOf(stream).then(
          (answer) => finish(() => resolve(answer)),
          async (error) => {
            if (!isGreeted && !abort.aborted && !isRefused(lost) && await speaksHttp1(endpoint)) {
              lost = noGrpc(endpoint);
            }
            const timedOut = (abort.reason as Error | undefined)?.name === "TimeoutError";
            const told = error instanceof OpenWitError
              ? error
              : lost instanceof OpenWitError
              ? lost
              : timedOut
              ? noAnswer(endpoint, timeoutMs, error)
              : abort.aborted
              ? new OpenWitError("cancelled", "sending was stopped", { cause: error })
              : unreachable(endpoint, lost ?? error);
            finish(() => reject(told));
          },
        );
        stream.end(frame(body, isGzip));
      }),
    close: () => session?.close(),
  };
}

/**
 * An HTTP/2 server says its settings first of all (RFC 9113, section 3.4). One of HTTP/1.1 cuts the connection, or says nothing
 * for as long as it waits for the rest of what it takes for a request: after this long it is asked in its own tongue.
 */
const settingsMsMax = 1_000;

async function speaksHttp1(endpoint: string): Promise<boolean> {
  try {
    await (await fetch(endpoint, { method: "HEAD", signal: AbortSignal.timeout(2_000) })).body?.cancel();
    return true;
  } catch {
    return false; // slow, or something else: the time-out of the request tells of that
  }
}

function noGrpc(endpoint: string): OpenWitError {
  const { host } = new URL(endpoint);
  return new OpenWitError("invalid_argument", `${host} answers HTTP/1.1 and does not speak gRPC`, {
    hint: grpcHint,
  });
}

const grpcHint = "OTLP/gRPC is on port 4317; for OTLP/HTTP use --protocol http and port 4318";

/** Length-prefixed message: a compression flag, four bytes of length, the message. */
function frame(body: Uint8Array, isGzip: boolean): Buffer {
  const framed = Buffer.allocUnsafe(5 + body.length);
  framed[0] = isGzip ? 1 : 0;
  framed.writeUInt32BE(body.length, 1);
  framed.set(body, 5);
  return framed;
}

function answerOf(stream: ClientHttp2Stream): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let status: IncomingHttpHeaders | undefined;
    let httpStatus = 0;
    stream.on("response", (headers) => {
      httpStatus = Number(headers[":status"]);
      if (headers["grpc-status"] !== undefined) status = headers; // an answer of trailers alone
    });
    stream.on("trailers", (trailers) => status = trailers);
    stream.on("data", (part: Buffer) => parts.push(part));
    stream.on("error", reject);
    stream.on("close", () => {
      if (status === undefined) {
        return reject(
          httpStatus === 0 || httpStatus === 200
            ? new Error("the connection was lost before an answer")
            : new OpenWitError(
              "invalid_argument",
              `the server answered HTTP ${httpStatus}: it does not speak gRPC`,
              { hint: grpcHint },
            ),
        );
      }
      const code = Number(status["grpc-status"]);
      if (code !== 0) return reject(refusal(code, status));
      resolve(Buffer.concat(parts).subarray(5));
    });
  });
}

/** gRPC codes that OTLP calls retryable; RESOURCE_EXHAUSTED (8) only together with RetryInfo. */
const retryableCodes = [1, 4, 10, 11, 14, 15];

function refusal(code: number, trailers: IncomingHttpHeaders): OpenWitError {
  let text = String(trailers["grpc-message"] ?? "");
  try {
    text = decodeURIComponent(text);
  } catch { /* not percent-encoded after all: shown as it came */ }
  const message = `the server answered gRPC status ${code}: ${text}`;
  const details = trailers["grpc-status-details-bin"];
  const retryAfterMs = details === undefined ? undefined : retryDelay(Buffer.from(String(details), "base64"));
  if (code === 8 && retryAfterMs !== undefined) {
    return new OpenWitError("overloaded", message, { retryAfterMs });
  }
  if (retryableCodes.includes(code)) return new OpenWitError("unavailable", message, { retryAfterMs });
  return new OpenWitError(code === 8 ? "too_large" : "invalid_argument", message);
}

/** google.rpc.Status → details (3) → Any → value (2) → RetryInfo.retry_delay (1) → seconds (1), nanos (2). */
function retryDelay(status: Uint8Array): number | undefined {
  for (const { field, bytes } of protobufFields(status)) {
    if (field !== 3) continue;
    const any = [...protobufFields(bytes)];
    const type = Buffer.from(any.find((each) => each.field === 1)?.bytes ?? []).toString();
    if (!type.endsWith("/google.rpc.RetryInfo")) continue;
    const info = any.find((each) => each.field === 2)?.bytes ?? new Uint8Array();
    const delay = [...protobufFields(info)].find((each) => each.field === 1)?.bytes ?? new Uint8Array();
    const part = (field: number) =>
      [...protobufFields(delay)].find((each) => each.field === field)?.value ?? 0;
    return part(1) * 1_000 + part(2) / 1e6;
  }
  return undefined;
}
