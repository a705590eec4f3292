/**
 * `GET /health` and `GET /ready`: how each component is (edge/server/health.ts).
 *
 * `/health` is liveness: 200 for as long as the process can answer, whatever its disk is like, for a restart mends
 * none of that; 503 once its start has failed. `/ready` is 503 while a record would be refused or a question not
 * answered; `?for=records` and `?for=queries` ask for one of the two.
 */
import { type Context, Hono } from "hono";
import { OpenWitError } from "../../core/error.ts";
import type { NodeHealth } from "../server/health.ts";

export interface HealthHost {
  health(): NodeHealth;
}

export function healthRoutes(host: HealthHost): Hono {
  const app = new Hono();
  app.get("/health", (context) => {
    const health = host.health();
    return context.json(health, health.phase === "failed" ? 503 : 200);
  });
  app.get("/ready", (context) => {
    const health = host.health();
    const isReady = wantedOf(context).every((wanted) => health[wanted]);
    if (!isReady) context.header("Retry-After", "1");
    const { reasons } = health;
    return context.json(
      {
        status: isReady ? "ready" : "not ready",
        phase: health.phase,
        ...(isReady ? {} : { reason: reasons.join("; ") }),
        takes_records: health.takes_records,
        answers_queries: health.answers_queries,
        components: health.components,
      },
      isReady ? 200 : 503,
    );
  });
  return app;
}

type Ability = "takes_records" | "answers_queries";

/** @throws OpenWitError `invalid_argument` */
function wantedOf(context: Context): readonly Ability[] {
  const wanted = context.req.query("for");
  if (wanted === undefined) return ["takes_records", "answers_queries"];
  if (wanted === "records") return ["takes_records"];
  if (wanted === "queries") return ["answers_queries"];
  throw new OpenWitError("invalid_argument", `for is ${JSON.stringify(wanted)}; expected records or queries`);
}
