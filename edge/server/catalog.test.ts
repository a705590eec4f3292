import { expect, test } from "bun:test";
import type { SegmentMeta } from "../../core/manifest/manifest.ts";
import type { BatchRecord } from "../../core/system/batches.ts";
import { withoutOwn } from "./catalog.ts";

test("what a node says of itself is not in the history, and what others sent is", () => {
  const told: unknown[] = [];
  const listener = withoutOwn({
    batch: ({ tenant }) => told.push(["batch", tenant]),
    added: (segments) => told.push(["added", ...segments.map(({ id }) => id)]),
    retired: (ids, successors) => told.push(["retired", ...ids, "to", ...successors.map(({ id }) => id)]),
  });
  const segment = (id: string, tenant: string) => ({ id, tenant }) as SegmentMeta;
  for (const tenant of ["_system", "shop"]) listener.batch({ tenant } as BatchRecord);
  listener.added([segment("a", "_system"), segment("b", "shop")]);
  listener.retired(["a"], [segment("c", "_system")]);
  listener.retired(["b"], [segment("d", "shop")]);
  listener.retired(["d"], []);
  expect(told).toEqual([
    ["batch", "shop"],
    ["added", "b"],
    ["retired", "b", "to", "d"],
    ["retired", "d", "to"],
  ]);
});
