import { expect, test } from "bun:test";
import { OpenWitError } from "../../core/error.ts";
import type { Store } from "../../core/store/store.ts";
import { Drain } from "./drain.ts";

/** A store whose flushes are counted, and end when they are told to. */
function flushable() {
  const flushes: PromiseWithResolvers<void>[] = [];
  const store = {
    flush() {
      flushes.push(Promise.withResolvers<void>());
      return flushes.at(-1)!.promise;
    },
  } as unknown as Store;
  return { drain: new Drain(() => store), flushes };
}

const turn = () => new Promise((resolve) => setTimeout(resolve, 1));

test("what is under way is taken and flushed, and what comes after the order is refused, retryable", async () => {
  const { drain, flushes } = flushable();
  const request = Promise.withResolvers<string>();
  const underWay = drain.admit(() => request.promise);
  const drained = drain.begin();
  expect(drain.state).toBe("draining");
  const refused = await drain.admit(() => Promise.resolve("late")).catch((error) => error);
  expect(refused).toBeInstanceOf(OpenWitError);
  expect(refused).toMatchObject({ code: "unavailable", retryable: true, retryAfterMs: 5_000 });
  await turn();
  expect(flushes).toHaveLength(0);
  request.resolve("taken");
  expect(await underWay).toBe("taken");
  await turn();
  flushes[0].resolve();
  await drained;
  expect(drain.state).toBe("drained");
});

test("a drain that ended early does not count, and the next one flushes again", async () => {
  const { drain, flushes } = flushable();
  const first = drain.begin();
  await turn();
  drain.end();
  expect(await drain.admit(() => Promise.resolve("taken"))).toBe("taken");
  const second = drain.begin();
  flushes[0].resolve();
  await first;
  expect(drain.state).toBe("draining");
  await turn();
  flushes[1].resolve();
  await second;
  expect(drain.state).toBe("drained");
});

test("a flush that fails is told, records stay refused, and asking again tries again", async () => {
  const { drain, flushes } = flushable();
  const drained = drain.begin();
  await turn();
  flushes[0].reject(new OpenWitError("disk_full", "no room"));
  expect(await drained.catch((error) => error.message)).toBe("no room");
  expect(drain.state).toBe("draining");
  const again = drain.begin();
  await turn();
  flushes[1].resolve();
  await again;
  expect(drain.state).toBe("drained");
});
