/** How a flow of the demo shop is written down: operations that call each other, with their spans and log lines. */
import type { AttributesSpec } from "./template.ts";

export interface Flow {
  /** How often, relative to the others. */
  readonly weight: number;
  readonly root: OperationSpec;
}

export interface OperationSpec {
  readonly service: string;
  readonly name: string;
  readonly kind: "internal" | "server" | "client" | "producer" | "consumer";
  /** Median of its own time, without its calls, in milliseconds. */
  readonly ms: number;
  readonly attributes: AttributesSpec;
  readonly logs?: readonly LogSpec[];
  readonly calls?: readonly OperationSpec[];
  /** Probability that it happens at all; 1 when absent. */
  readonly chance?: number;
  /** How it fails when it does; one that cannot has none. */
  readonly failure?: FailureSpec;
  /** Handled later in a trace of its own, linked to this span. */
  readonly publishes?: OperationSpec;
}

export interface FailureSpec {
  readonly type: string;
  readonly message: string;
  readonly stack: string;
}

export interface LogSpec {
  /** When: as it begins, when it has gone well, or when it has failed. */
  readonly at: "start" | "success" | "failure";
  readonly severity: "TRACE" | "DEBUG" | "INFO" | "WARN" | "ERROR" | "FATAL";
  readonly chance?: number;
  /** Text with holes, or the attributes of a map. */
  readonly body: string | AttributesSpec;
  readonly eventName?: string;
  readonly attributes: AttributesSpec;
}

/** Attributes of a gRPC server's span. */
export function rpc(service: string, method: string, more: AttributesSpec = {}): AttributesSpec {
  return {
    "rpc.system": "grpc",
    "rpc.service": service,
    "rpc.method": method,
    "network.peer.port": "{port:int}",
    ...more,
  };
}

export function database(
  service: string,
  system: string,
  statement: string,
  ms: number,
  table: string,
): OperationSpec {
  return {
    service,
    name: `${statement.split(" ")[0]} ${table}`,
    kind: "client",
    ms,
    attributes: {
      "db.system.name": system,
      "db.namespace": "shop",
      "db.collection.name": table,
      "db.query.text": statement,
      "db.response.returned_rows": "{rows:int}",
      "server.address": `${system}.shop.svc`,
    },
    logs: [{
      at: "success",
      severity: "DEBUG",
      chance: 0.3,
      body: `executed ${statement} in {ms} ms, {rows} rows, connection {thread} of pool ${system}-main`,
      attributes: {
        "db.system.name": system,
        "db.collection.name": table,
        "db.response.returned_rows": "{rows:int}",
        "duration_ms": "{ms:double}",
        "thread.name": "{thread}",
        "pool.waiting": "{queue:int}",
        "db.prepared": true,
        "code.function.name": `store.query_${table}`,
      },
    }],
    failure: {
      type: "TimeoutError",
      message: `statement on ${table} cancelled after {ms} ms: no connection free in pool ${system}-main`,
      stack:
        `TimeoutError: no connection free\n    at Pool.acquire (/app/db/pool.js:118:13)\n    at Store.query (/app/db/store.js:44:21)\n    at processTicksAndRejections (node:internal/process/task_queues:105:5)`,
    },
  };
}
