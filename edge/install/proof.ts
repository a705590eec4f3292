/**
 * Whether a service works, proved by using it: it is ready, it is the version that it should be, and a record sent
 * over OTLP is found by SQL. The record goes to a tenant of its own, beside nobody's data.
 */
import { OpenWitError } from "../../core/error.ts";
import { readEndpoints } from "../server/discovery.ts";

/** Where a proof's records are. */
export const proofTenant = "openwit-check";

/** What a service that runs is asked and told. */
export interface Prover {
  /** @returns how it answers now, or why it does not */
  look(): Promise<Sight>;
  /** Sends a record and finds it. @throws OpenWitError with what went wrong */
  roundTrip(endpoints: Sight & { kind: "ready" }): Promise<void>;
}

export type Sight =
  | {
    readonly kind: "ready";
    readonly version: string;
    readonly pid: number;
    readonly http: string;
    readonly otlpHttp: string;
    readonly otlpGrpc: string;
  }
  | { readonly kind: "not-ready"; readonly reason: string };

const answerMsMax = 10_000;

/** @param dataDir of the service, whose `run/server.json` says where it listens */
export function proverOf(dataDir: string, id: () => string): Prover {
  return {
    look: () => look(dataDir),
    roundTrip: async (sight) => await roundTrip(sight, id()),
  };
}

async function look(dataDir: string): Promise<Sight> {
  const record = await readEndpoints(dataDir);
  if (record === undefined) return { kind: "not-ready", reason: `nothing serves ${dataDir} yet` };
  const { http, otlp_http: otlpHttp, otlp_grpc: otlpGrpc } = record.endpoints;
  try {
    const signal = AbortSignal.timeout(answerMsMax);
    const ready = await (await fetch(`${http}/ready`, { signal })).json();
    if (ready.status !== "ready") {
      return {
        kind: "not-ready",
        reason: `it is not ready: ${[ready.reasons ?? ready.reason].flat().join("; ")}`,
      };
    }
    const { version, pid } = await (await fetch(`${http}/api/v1/status`, { signal })).json();
    return { kind: "ready", version, pid, http, otlpHttp, otlpGrpc };
  } catch (error) {
    return { kind: "not-ready", reason: `${http} does not answer: ${(error as Error).message}` };
  }
}

async function roundTrip(
  { http, otlpHttp }: { readonly http: string; readonly otlpHttp: string },
  id: string,
): Promise<void> {
  const body = `openwit was installed: check ${id}`;
  const record = { timeUnixNano: `${Date.now()}000000`, body: { stringValue: body } };
  await post(`${otlpHttp}/v1/logs`, {
    resourceLogs: [{
      resource: { attributes: [{ key: "service.name", value: { stringValue: "openwit-check" } }] },
      scopeLogs: [{ logRecords: [record] }],
    }],
  }, "a record could not be sent");
  const sql = `SELECT count(*) AS n FROM logs WHERE body = '${body}'`;
  const answer = await post(`${http}/api/v1/query`, { sql }, "the record could not be asked for");
  const found = Number((answer as { rows: unknown[][] }).rows[0][0]);
  if (found !== 1) {
    throw new OpenWitError("internal", `one record was sent and acknowledged, and ${found} were found`);
  }
}

async function post(url: string, body: unknown, failure: string): Promise<unknown> {
  let response: Response;
  try {
    response = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Scope-OrgID": proofTenant },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(answerMsMax),
    });
  } catch (cause) {
    throw new OpenWitError("unavailable", `${failure}: ${(cause as Error).message}`, { cause });
  }
  const text = await response.text();
  if (!response.ok) {
    throw new OpenWitError("unavailable", `${failure}: HTTP ${response.status} ${text.slice(0, 300)}`);
  }
  return JSON.parse(text);
}
