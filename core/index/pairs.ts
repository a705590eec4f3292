/**
 * Conditions that an index knows together: the errors of one service. Most blocks have rows of it, and most have
 * errors, but few have its errors.
 */
import { foldedColumnOf, foldedValue, levelOf, serviceColumn, thresholdBelow } from "./fields.ts";
import type { Signal } from "../model/columns.ts";
import { and, type IndexPredicate, or, type PairPredicate } from "./predicate.ts";

/** The same predicate, with what stands together in an AND asked for as pairs. */
export function withPairs(predicate: IndexPredicate, signal: Signal): IndexPredicate {
  if (predicate.kind === "or") return or(predicate.of.map((each) => withPairs(each, signal)));
  if (predicate.kind !== "and") return predicate;
  const of = predicate.of.map((each) => withPairs(each, signal));
  const ofServices = of.find((each) => servicesIn(each) !== undefined);
  const others = conditionsIn(of, signal);
  if (ofServices === undefined || others.length === 0) return and(of);
  const services = servicesIn(ofServices)!;
  // What a pair says alone is not asked for again.
  const left = of.filter((each) =>
    each !== ofServices && each.kind !== "folded" &&
    !(each.kind === "level" && others.some((other) => other.kind === "level" && other.least >= each.least))
  );
  const pairs = others.map((other) =>
    or(services.map((service): PairPredicate => ({ kind: "pair", service, with: other })))
  );
  return and([...left, ...pairs]);
}

/** The services of which a predicate wants one. */
function servicesIn(predicate: IndexPredicate): readonly string[] | undefined {
  if (predicate.kind === "equal") return predicate.field === serviceColumn ? [predicate.value] : undefined;
  if (predicate.kind !== "or") return undefined;
  const services = predicate.of.map((each) =>
    each.kind === "equal" && each.field === serviceColumn ? each.value : undefined
  );
  return services.every((each) => each !== undefined) ? services : undefined;
}

/** What is known together with a service, of the members of an AND. */
function conditionsIn(of: readonly IndexPredicate[], signal: Signal): PairPredicate["with"][] {
  const conditions: PairPredicate["with"][] = [];
  const level = levelOf[signal];
  if (level !== undefined) {
    const { column, thresholds, pairedFrom } = level;
    const least = thresholdBelow(thresholds, leastIn({ kind: "and", of }, column) ?? -Infinity);
    if (least !== undefined && least >= pairedFrom) conditions.push({ kind: "level", field: column, least });
  }
  const folded = foldedColumnOf[signal];
  for (const each of of) {
    if (each.kind !== "folded" && each.kind !== "equal" || each.field !== folded) continue;
    const value = foldedValue(each.value);
    if (value !== undefined) conditions.push({ kind: "folded", field: folded, value });
  }
  return conditions;
}

/** What a number is at least in rows that meet a predicate. */
function leastIn(predicate: IndexPredicate, column: string): number | undefined {
  switch (predicate.kind) {
    case "level":
      return predicate.field === column ? predicate.least : undefined;
    case "equal":
      return predicate.field === column ? Number(predicate.value) : undefined;
    case "and":
    case "or": {
      const each = predicate.of.map((one) => leastIn(one, column));
      const known = each.filter((one) => one !== undefined);
      if (predicate.kind === "and") return known.length === 0 ? undefined : Math.max(...known);
      return known.length < each.length ? undefined : Math.min(...known);
    }
  }
}
