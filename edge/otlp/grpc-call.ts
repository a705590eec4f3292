/**
 * One unary gRPC call on an HTTP/2 stream: its headers checked, its message gathered under the budget, handed
 * on, and answered once with trailers.
 *
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md and compression.md; OTLP 1.11 "OTLP/gRPC".
 *
 * Invariants: (1) a call is answered at most once, and accounted exactly once. (2) What it holds is given back
 * when nothing of it is in use any more, also when the client has long gone. (3) After an early answer the
 * upload is read on and dropped, with a cap: clients that write all before they listen would hang.
 */
import type http2 from "node:http2";
import { OpenWitError, toOpenWitError } from "../../core/error.ts";
import type { IngestResult } from "../../core/ingest/request.ts";
import { exportResponse, refusalOf, statusMessage } from "./answer.ts";
import { overloaded } from "./budget.ts";
import { type Coding, codings, parseCoding } from "./decompress.ts";
import { encodeGrpcMessage, frameMessage, MessageReader, parseGrpcTimeout } from "./grpc-message.ts";
import {
  drainingError,
  type Export,
  type Progress,
  receive,
  type ReceiverDeps,
  tenantOf,
} from "./receiver.ts";

/** Serves an Export call. */
export function serveExport(
  deps: ReceiverDeps,
  target: Export,
  stream: http2.ServerHttp2Stream,
  headers: http2.IncomingHttpHeaders,
): void {
  const progress: Progress = { wireBytes: 0, bodyBytes: 0 };
  const reservation = deps.budget.open();
  let isOver = false; // answered, or nobody is left to answer
  let isReading = true;
  let reader: MessageReader | undefined = new MessageReader(deps.limits.wireBytesMax, deps.budget.buffers);

  // A refused upload may go on for seconds: what has arrived of it must not be held meanwhile.
  const giveBack = () => {
    reader = undefined;
    reservation[Symbol.dispose]();
  };
  const end = (result: IngestResult | undefined, code: "ok" | OpenWitError["code"]) => {
    isOver = true;
    clearTimeout(uploadTimer);
    clearTimeout(callTimer);
    deps.onRequest({
      protocol: "otlp-grpc",
      signal: target.signal,
      code,
      ...progress,
      rows: result?.rows ?? 0,
      rejected: result?.rejected ?? 0,
      duplicate: result?.duplicate ?? false,
    });
  };
  const fail = (thrown: unknown) => {
    const error = toOpenWitError(thrown);
    if (isReading) giveBack();
    if (isOver) return;
    end(undefined, error.code);
    if (error.code === "internal" || error.code === "corrupt") {
      deps.log("error", "an OTLP/gRPC call failed", { method: target.method, error: error.stack });
    }
    refuseCall(stream, error);
  };
  const onTimeout = (what: string) => () =>
    fail(new OpenWitError("deadline_exceeded", `the call ended unanswered: ${what}`, { retryable: true }));

  const uploadTimer = setTimeout(
    onTimeout(`its message did not arrive within ${deps.limits.bodyTimeoutMs} ms`),
    deps.limits.bodyTimeoutMs,
  );
  let callTimer: ReturnType<typeof setTimeout> | undefined;

  stream.on("close", () => {
    if (isReading) giveBack();
    if (!isOver) end(undefined, "cancelled");
  });

  let call: CallHeaders;
  try {
    call = parseCall(deps, headers);
  } catch (error) {
    return fail(error);
  }
  // Longer than a timer can hold is no time-out.
  if (call.timeoutMs !== undefined && call.timeoutMs < 2 ** 31) {
    callTimer = setTimeout(onTimeout("the client's own deadline has passed"), call.timeoutMs);
  }

  stream.on("data", (chunk: Uint8Array) => {
    if (isOver) return;
    progress.wireBytes += chunk.length;
    try {
      reader!.push(chunk);
      // The whole of what is announced, at once: were it taken by and by, many uploads would each get a
      // part and none to its end. Pausing the stream instead is no way: Bun buffers paused streams whole.
      const lacking = reader!.announcedBytes - reservation.bytes;
      if (lacking > 0) reservation.grow(lacking);
    } catch (error) {
      fail(error);
    }
  });

  stream.on("end", async () => {
    if (isOver) return;
    clearTimeout(uploadTimer);
    isReading = false;
    const whole = reader!;
    reader = undefined;
    try {
      const message = whole.finish();
      if (message.isCompressed && call.coding === "identity") {
        throw new OpenWitError(
          "malformed",
          "the message is flagged as compressed, and grpc-encoding names no coding",
        );
      }
      const result = await receive(
        deps,
        {
          signal: target.signal,
          tenant: call.tenant,
          protocol: "otlp-grpc",
          encoding: "protobuf",
          coding: message.isCompressed ? call.coding : "identity",
          wire: message.bytes,
        },
        reservation,
        progress,
      );
      if (isOver) return;
      end(result, "ok");
      answerCall(stream, exportResponse(result));
    } catch (error) {
      fail(error);
    } finally {
      whole.release(); // the request is settled: nothing reads its bytes any more
      reservation[Symbol.dispose]();
    }
  });
}

/** Answers with a message and status OK. */
export function answerCall(stream: http2.ServerHttp2Stream, message: Uint8Array): void {
  if (stream.destroyed) return;
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.end(message.length === 0 ? emptyFrame : frameMessage(message));
}

/** Answers with a status other than OK, and lets the rest of the upload go by. */
export function refuseCall(stream: http2.ServerHttp2Stream, error: OpenWitError): void {
  if (stream.destroyed || stream.headersSent) return;
  const refusal = refusalOf(error);
  stream.respond(
    {
      ":status": 200,
      "content-type": "application/grpc",
      "grpc-status": String(refusal.grpc),
      "grpc-message": encodeGrpcMessage(refusal.message),
      "grpc-accept-encoding": supportedCodings,
      ...(refusal.retryAfterMs === undefined
        ? {}
        : { "grpc-status-details-bin": Buffer.from(statusMessage(refusal)).toString("base64") }),
    },
    { endStream: true },
  );
  discardUpload(stream);
}

/** Reads on and drops what comes, until the client ends, or a number of bytes or a time is over. */
export function discardUpload(stream: http2.ServerHttp2Stream): void {
  let dropped = 0;
  const timer = setTimeout(() => stream.close(), discardTimeoutMs);
  stream.on("data", (chunk: Uint8Array) => {
    dropped += chunk.length;
    if (dropped > discardBytesMax) stream.close();
  });
  stream.on("close", () => clearTimeout(timer));
  stream.resume();
}

const discardBytesMax = 64 * 1024 * 1024;
const discardTimeoutMs = 5_000;
const emptyFrame = frameMessage(new Uint8Array(0));
const supportedCodings = codings.join(",");

interface CallHeaders {
  readonly tenant: string;
  readonly coding: Coding;
  readonly timeoutMs: number | undefined;
}

function parseCall(deps: ReceiverDeps, headers: http2.IncomingHttpHeaders): CallHeaders {
  if (deps.isDraining()) throw drainingError();
  deps.admit?.();
  const name = text(headers["grpc-encoding"]);
  const coding = parseCoding(name);
  if (coding === undefined) {
    throw new OpenWitError(
      "unsupported",
      `grpc-encoding ${JSON.stringify(name!.slice(0, 40))} is not supported`,
      {
        hint: `send one of ${codings.join(", ")}`,
      },
    );
  }
  const tenant = tenantOf(text(headers["x-scope-orgid"]), text(headers["index-id"]));
  const timeoutMs = parseGrpcTimeout(text(headers["grpc-timeout"]));
  const announced = Number(headers["content-length"] ?? 0);
  if (deps.budget.isOver(announced)) throw overloaded(deps.budget);
  return { tenant, coding, timeoutMs };
}

/** A header that was sent twice becomes a list, which no parser takes. */
function text(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header.join(", ") : header;
}
