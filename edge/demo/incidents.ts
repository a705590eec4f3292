/**
 * What goes wrong in the demo shop, and when: one incident in every hour, at a time that the seed decides.
 * Whoever looks for it (a reader of the demo, a test, a benchmark of search) can ask here where it is.
 */
import { serviceIndex } from "./services.ts";

export interface Incident {
  readonly kind: "errors" | "latency";
  readonly service: string;
  readonly serviceIndex: number;
  /** Unix time, milliseconds. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Share of the service's calls that fail. */
  readonly errorRate: number;
  /** What its own durations are multiplied by. */
  readonly slowdown: number;
}

export const hourMs = 3_600_000;

/** The incident of hour `hour` (Unix hours): 4 to 10 minutes, wholly inside its hour. */
export function incidentOf(seed: number, hour: number): Incident {
  const bits = mix(mix(seed, 0x1ac1de27), hour);
  const service = prone[bits % prone.length];
  const fromMs = hour * hourMs + (5 + (bits >>> 8) % 44) * 60_000;
  const isErrors = (bits >>> 20 & 1) === 0;
  return {
    kind: isErrors ? "errors" : "latency",
    service,
    serviceIndex: serviceIndex(service),
    fromMs,
    toMs: fromMs + (4 + (bits >>> 24) % 7) * 60_000,
    errorRate: isErrors ? 0.35 : 0.01,
    slowdown: isErrors ? 1.2 : 9,
  };
}

/** Incidents that overlap [fromMs, toMs), in time order. */
export function incidentsBetween(seed: number, fromMs: number, toMs: number): Incident[] {
  const found: Incident[] = [];
  for (let hour = Math.floor(fromMs / hourMs); hour * hourMs < toMs; hour++) {
    const incident = incidentOf(seed, hour);
    if (incident.fromMs < toMs && incident.toMs > fromMs) found.push(incident);
  }
  return found;
}

/** A well-mixed 32-bit number of two (the finaliser of MurmurHash3): what is derived from the seed without state. */
export function mix(a: number, b: number): number {
  let hash = Math.imul(a ^ a >>> 16, 0x85ebca6b) ^ Math.imul(b + 0x9e3779b9 | 0, 0xc2b2ae35);
  hash = Math.imul(hash ^ hash >>> 15, 0x2c1b3c6d);
  hash = Math.imul(hash ^ hash >>> 12, 0x297a2d39);
  return (hash ^ hash >>> 15) >>> 0;
}

/** Services that incidents happen to. */
const prone = ["payment", "inventory", "catalog", "cart", "shipping", "auth", "recommendation"];
