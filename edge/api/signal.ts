/** Signals as people name them in URLs and flags. */
import { OpenWitError } from "../../core/error.ts";
import { type Signal, signals } from "../../core/model/columns.ts";

/** @throws OpenWitError `invalid_argument` */
export function parseSignal(text: string): Signal {
  if (text === "traces") return "spans";
  if ((signals as readonly string[]).includes(text)) return text as Signal;
  throw new OpenWitError("invalid_argument", `there is no signal ${JSON.stringify(text)}`, {
    hint: `one of ${signals.join(", ")}`,
  });
}

/** The column that a person searches for text. */
export const textColumnOf: Readonly<Record<Signal, string>> = {
  logs: "body",
  spans: "name",
  metrics: "metric_name",
};
