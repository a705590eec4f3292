/** Signals as people name them in URLs and flags. */
import { OpenWitError } from "../../core/error.ts";
import { type Signal, signals } from "../../core/model/columns.ts";
import { nearestWord } from "../config/parse.ts";

/** @throws OpenWitError `invalid_argument` */
export function parseSignal(text: string): Signal {
  if (text === "traces") return "spans";
  if ((signals as readonly string[]).includes(text)) return text as Signal;
  const near = nearestWord(text, [...signals, "traces"]);
  throw new OpenWitError("invalid_argument", `there is no signal ${JSON.stringify(text)}`, {
    hint: near === undefined ? `one of ${signals.join(", ")}` : `did you mean ${near}?`,
  });
}
