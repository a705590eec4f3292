/**
 * The services of the demo shop, and the OTLP resource and scope of each of their pods, encoded once.
 *
 * Names of attributes: OpenTelemetry semantic conventions 1.37.
 */
import { ProtobufWriter } from "./encode.ts";
import { writeConstant } from "./template.ts";

export interface Service {
  readonly name: string;
  readonly version: string;
  readonly language: "nodejs" | "go" | "java" | "python" | "dotnet" | "rust";
  readonly port: number;
  readonly team: string;
}

export const services: readonly Service[] = [
  { name: "frontend", version: "4.18.2", language: "nodejs", port: 8080, team: "web" },
  { name: "auth", version: "2.7.0", language: "go", port: 8081, team: "identity" },
  { name: "catalog", version: "3.1.4", language: "go", port: 3550, team: "browse" },
  { name: "recommendation", version: "1.9.1", language: "python", port: 8085, team: "browse" },
  { name: "cart", version: "5.0.3", language: "dotnet", port: 7070, team: "purchase" },
  { name: "checkout", version: "6.2.0", language: "go", port: 5050, team: "purchase" },
  { name: "payment", version: "2.14.7", language: "nodejs", port: 50051, team: "payments" },
  { name: "inventory", version: "1.4.9", language: "java", port: 8090, team: "logistics" },
  { name: "shipping", version: "0.12.1", language: "rust", port: 50052, team: "logistics" },
  { name: "email", version: "1.2.5", language: "python", port: 6060, team: "purchase" },
];

export function serviceIndex(name: string): number {
  const index = services.findIndex((service) => service.name === name);
  if (index < 0) throw new Error(`the demo shop has no service ${name}`);
  return index;
}

/** One running instance: what one OTLP resource stands for. */
export interface Pod {
  readonly service: number;
  /** Field 1 of ResourceLogs, ResourceSpans and ResourceMetrics, tag included. */
  readonly resource: Uint8Array;
  /** Field 1 of ScopeLogs, ScopeSpans and ScopeMetrics, tag included. */
  readonly scope: Uint8Array;
}

/** Pods of all services, `perService` of each: pod p of service s stands at `s * perService + p`. */
export function newPods(perService: number): Pod[] {
  return services.flatMap((service, index) =>
    Array.from({ length: perService }, (_, replica) => ({
      service: index,
      resource: encodeResource(service, index, replica),
      scope: encodeScope(service),
    }))
  );
}

/** Field 3 of Resource… and Scope… messages. */
export const schemaUrl: Uint8Array = encoded((writer) =>
  writer.stringField(3, "https://opentelemetry.io/schemas/1.37.0")
);

function encodeResource(service: Service, index: number, replica: number): Uint8Array {
  const id = (index * 7919 + replica * 104_729 + 0x5eed) >>> 0;
  const node = `edge-node-${1 + (index + replica) % 4}`;
  const pod = `${service.name}-${id.toString(36).padStart(6, "0")}-${(id * 31 % 0xfffff).toString(36)}`;
  const attributes = {
    "service.name": service.name,
    "service.version": service.version,
    "service.namespace": "shop",
    "service.instance.id": pod,
    "deployment.environment.name": "production",
    "k8s.cluster.name": "edge-1",
    "k8s.namespace.name": "shop",
    "k8s.deployment.name": service.name,
    "k8s.pod.name": pod,
    "k8s.node.name": node,
    "host.name": node,
    "host.arch": replica % 2 === 0 ? "arm64" : "amd64",
    "process.pid": 1 + id % 900,
    "telemetry.sdk.name": "opentelemetry",
    "telemetry.sdk.language": service.language,
    "telemetry.sdk.version": "1.37.0",
    "team.oncall": [`${service.team}-primary`, `${service.team}-secondary`],
  };
  return encoded((writer) => {
    const resource = writer.open(1);
    for (const [key, value] of Object.entries(attributes)) writeConstant(writer, 1, key, value);
    writer.close(resource);
  });
}

function encodeScope(service: Service): Uint8Array {
  return encoded((writer) => {
    const scope = writer.open(1);
    writer.stringField(1, `shop.${service.name}`);
    writer.stringField(2, service.version);
    writeConstant(writer, 3, "scope.kind", "automatic");
    writer.close(scope);
  });
}

function encoded(write: (writer: ProtobufWriter) => void): Uint8Array {
  const writer = new ProtobufWriter(1024);
  write(writer);
  return writer.take();
}
