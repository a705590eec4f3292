import { expect, test } from "bun:test";
import { openSlots, type SlotLimits, type Slots, statementsAtOnce } from "./slots.ts";

const forever = new AbortController().signal;

function slotsOf(count: number, limits: Partial<SlotLimits> = {}): Slots {
  return openSlots({ count, waitingMax: 100, tenantWaitingMax: 100, ...limits });
}

/** Queues one statement a name and says in which order they get the slot, each giving it back at once. */
function orderOf(slots: Slots, tenants: readonly string[], isContinuing = false): string[] {
  const order: string[] = [];
  for (const tenant of tenants) {
    slots.take(tenant, forever, isContinuing).then((done) => {
      order.push(tenant);
      done();
    });
  }
  return order;
}

test("slots are given in the order in which a tenant asked for them", async () => {
  const slots = slotsOf(1);
  const order: number[] = [];
  const release = await slots.take("a", forever);
  const waiting = [1, 2, 3].map(async (each) => {
    const done = await slots.take("a", forever);
    order.push(each);
    done();
  });
  release();
  release(); // a second time gives nothing back
  await Promise.all(waiting);
  expect(order).toEqual([1, 2, 3]);
  expect(slots.stats).toMatchObject({ running: 0, waiting: 0 });
});

test("tenants take turns, however many statements one of them sent before", async () => {
  const slots = slotsOf(1);
  const release = await slots.take("a", forever);
  const order = orderOf(slots, ["a", "a", "a", "b", "b", "c"]);
  expect(slots.stats).toMatchObject({ running: 1, waiting: 6 });
  release();
  await Bun.sleep(0);
  expect(order.join("")).toBe("abcaba");
});

test("a tenant never holds every slot while there is more than one", async () => {
  const slots = slotsOf(3);
  const first = await slots.take("a", forever);
  await slots.take("a", forever);
  let isThird = false;
  const third = slots.take("a", forever).then(() => isThird = true);
  const other = await slots.take("b", forever); // at once, for one was kept
  await Bun.sleep(0);
  expect(isThird).toBe(false);
  other();
  await Bun.sleep(0);
  expect(isThird).toBe(false);
  first();
  await third;
});

test("reading the rows of a statement goes before beginning another of the tenant", async () => {
  const slots = slotsOf(1, { tenantWaitingMax: 1 });
  const release = await slots.take("a", forever);
  const order: string[] = [];
  const note = (name: string, isContinuing: boolean) =>
    slots.take("a", forever, isContinuing).then((done) => (order.push(name), done()));
  const all = [note("begin", false), note("read", true), note("read again", true)];
  release();
  await Promise.all(all);
  expect(order).toEqual(["read", "read again", "begin"]);
});

test("who stops waiting takes no slot", async () => {
  const slots = slotsOf(1);
  const abort = new AbortController();
  const release = await slots.take("a", forever);
  const gone = slots.take("b", abort.signal);
  abort.abort(new Error("gone"));
  await expect(gone).rejects.toThrow("gone");
  expect(slots.stats.waiting).toBe(0);
  release();
  (await slots.take("b", forever))();
});

test("who would wait behind too many is refused with the bound that was met, and counted", async () => {
  const slots = slotsOf(1, { waitingMax: 3, tenantWaitingMax: 2 });
  await slots.take("a", forever);
  orderOf(slots, ["a", "a"]);
  await expect(slots.take("a", forever)).rejects.toMatchObject({
    code: "overloaded",
    retryable: true,
    retryAfterMs: 1_000,
    message: expect.stringContaining("of this tenant"),
  });
  orderOf(slots, ["b"]);
  await expect(slots.take("c", forever)).rejects.toMatchObject({
    code: "overloaded",
    message: expect.not.stringContaining("of this tenant"),
  });
  expect(slots.stats.refused).toEqual({ tenant: 1, all: 1 });
  orderOf(slots, ["a"], true); // what has begun is never refused
  expect(slots.stats.waiting).toBe(4);
});

test.each(
  [
    [undefined, 1, 1],
    [undefined, 2, 1],
    [undefined, 4, 2],
    [undefined, 64, 8],
    ["16", 2, 8],
    ["nonsense", 4, 2],
  ] as const,
)("a pool of %p on %p processors leaves half its threads to files: %p", (size, processors, expected) => {
  expect(statementsAtOnce(size, processors)).toBe(expected);
});

test("with fewer slots those that run go on, and with more those that wait begin at once", async () => {
  const slots = openSlots({ count: 3, waitingMax: 9, tenantWaitingMax: 9 });
  const release = await Promise.all(["a", "b", "c"].map((tenant) => slots.take(tenant, forever)));
  slots.resize({ count: 1, waitingMax: 1, tenantWaitingMax: 1 });
  let began = 0;
  const waiting = slots.take("d", forever).then(() => began++);
  await expect(slots.take("e", forever)).rejects.toMatchObject({ code: "overloaded" });
  release[0]();
  release[1]();
  await Bun.sleep(1);
  expect([began, slots.stats.running]).toEqual([0, 1]);
  slots.resize({ count: 2, waitingMax: 1, tenantWaitingMax: 1 });
  await waiting;
  expect([began, slots.stats.running]).toEqual([1, 2]);
});
