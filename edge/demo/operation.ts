/**
 * The operations of a flow (operation-spec.ts), compiled: all that does not change from record to record is laid out
 * as bytes.
 *
 * opentelemetry-proto 1.11: logs.v1.LogRecord and trace.v1.Span.
 */
import { ProtobufWriter, wireVarint } from "./encode.ts";
import type { LogSpec, OperationSpec } from "./operation-spec.ts";
import type { Slot } from "./scene.ts";
import { serviceIndex, services } from "./services.ts";
import {
  type AttributesTemplate,
  compileAttributes,
  compileText,
  recordSlots,
  type TextTemplate,
} from "./template.ts";

/** An operation ready to run. */
export interface Operation {
  readonly service: number;
  readonly ownNs: number;
  readonly span: SpanTemplate;
  /** The caller's span of it, where it is called from another service. */
  readonly client: SpanTemplate | undefined;
  readonly starts: readonly LogTemplate[];
  readonly successes: readonly LogTemplate[];
  readonly failures: readonly LogTemplate[];
  readonly calls: readonly { readonly operation: Operation; readonly chance: number }[];
  readonly failure: FailureTemplate | undefined;
  /** Whether it fails by itself, and not only because of what it calls. */
  readonly isProne: boolean;
  readonly publishes: Operation | undefined;
}

export interface SpanTemplate {
  /** Fields 5 (name) and 6 (kind). */
  readonly nameAndKind: Uint8Array;
  readonly attributes: AttributesTemplate;
  readonly recordSlots: readonly Slot[];
  /** Where a trace comes in from outside: carries a trace state. */
  readonly isEdge: boolean;
}

export interface FailureTemplate {
  readonly message: TextTemplate;
  readonly attributes: AttributesTemplate;
}

export interface LogTemplate {
  readonly chance: number;
  /** Fields 2 and 3. */
  readonly severity: Uint8Array;
  readonly bodyText: TextTemplate | undefined;
  readonly bodyMap: AttributesTemplate | undefined;
  /** Field 12, or nothing. */
  readonly eventName: Uint8Array;
  readonly attributes: AttributesTemplate;
  readonly recordSlots: readonly Slot[];
}

export function compileOperation(spec: OperationSpec): Operation {
  const logs = (at: LogSpec["at"]) => (spec.logs ?? []).filter((log) => log.at === at).map(compileLog);
  return {
    service: serviceIndex(spec.service),
    ownNs: spec.ms * 1e6,
    span: compileSpan(spec.name, spec.kind, spec.attributes, spec.service === "frontend"),
    client: spec.kind === "server"
      ? compileSpan(spec.name, "client", clientAttributes(spec), false)
      : undefined,
    starts: logs("start"),
    successes: logs("success"),
    failures: logs("failure"),
    calls: (spec.calls ?? []).map((call) => ({
      operation: compileOperation(call),
      chance: call.chance ?? 1,
    })),
    failure: spec.failure === undefined ? undefined : {
      message: compileText(spec.failure.message),
      attributes: compileAttributes(3, {
        "exception.type": spec.failure.type,
        "exception.message": spec.failure.message,
        "exception.stacktrace": spec.failure.stack,
        "exception.escaped": true,
      }),
    },
    isProne: spec.kind === "server" && spec.service !== "frontend" || spec.kind === "consumer",
    publishes: spec.publishes === undefined ? undefined : compileOperation(spec.publishes),
  };
}

function clientAttributes(spec: OperationSpec): Record<string, string | number> {
  const service = services[serviceIndex(spec.service)];
  const [rpcService, method] = spec.name.split("/");
  return {
    "rpc.system": "grpc",
    "rpc.service": rpcService,
    "rpc.method": method ?? "",
    "server.address": `${service.name}.shop.svc`,
    "server.port": service.port,
    "rpc.response.status_code": "{status:int}",
  };
}

function compileSpan(
  name: string,
  kind: keyof typeof spanKinds,
  spec: OperationSpec["attributes"],
  isEdge: boolean,
): SpanTemplate {
  const writer = new ProtobufWriter(64);
  writer.stringField(5, name);
  writer.varintField(6, spanKinds[kind]);
  const attributes = compileAttributes(9, spec);
  return { nameAndKind: writer.take(), attributes, recordSlots: attributes.recordSlots, isEdge };
}

function compileLog(spec: LogSpec): LogTemplate {
  const severity = new ProtobufWriter(16);
  severity.tag(2, wireVarint);
  severity.varint(severityNumbers[spec.severity]);
  severity.stringField(3, spec.severity);
  const eventName = new ProtobufWriter(32);
  if (spec.eventName !== undefined) eventName.stringField(12, spec.eventName);
  const attributes = compileAttributes(6, spec.attributes);
  const bodyText = typeof spec.body === "string" ? compileText(spec.body + requestSuffix) : undefined;
  const bodyMap = typeof spec.body === "string" ? undefined : compileAttributes(1, spec.body);
  return {
    chance: spec.chance ?? 1,
    severity: severity.take(),
    bodyText,
    bodyMap,
    eventName: eventName.take(),
    attributes,
    recordSlots: [
      ...new Set([
        ...recordSlots(bodyText?.slots ?? []),
        ...(bodyMap?.recordSlots ?? []),
        ...attributes.recordSlots,
      ]),
    ],
  };
}

/** What the shop's logging library ends every line with. */
const requestSuffix = " request_id={request} session={session}";

const severityNumbers = { TRACE: 1, DEBUG: 5, INFO: 9, WARN: 13, ERROR: 17, FATAL: 21 } as const;
const spanKinds = { internal: 1, server: 2, client: 3, producer: 4, consumer: 5 } as const;
