/**
 * What one visit to the shop is about: its user, order, address, product and numbers, each as text in a scratch
 * buffer and as a number, ready to be copied into the holes of templates (template.ts).
 *
 * A slot is filled once a visit (`visit`), once a record (`record`), or by the traffic itself (`outcome`:
 * duration and status). Filling allocates nothing.
 */
import { Buffer } from "node:buffer";
import { type Random, randomBelow } from "../../core/env/random.ts";

/** Index of a hole's value. */
export type Slot = number;

export type SlotScope = "visit" | "record" | "outcome";

const slotTable = {
  user: "visit",
  session: "visit",
  request: "visit",
  order: "visit",
  cart: "visit",
  ip: "visit",
  port: "visit",
  sku: "visit",
  product: "visit",
  category: "visit",
  agent: "visit",
  country: "visit",
  city: "visit",
  currency: "visit",
  amount: "visit",
  quantity: "visit",
  items: "visit",
  provider: "visit",
  card: "visit",
  tracking: "visit",
  warehouse: "visit",
  words: "visit",
  returning: "visit",
  thread: "record",
  hex: "record",
  bytes: "record",
  rows: "record",
  queue: "record",
  attempt: "record",
  ratio: "record",
  cached: "record",
  ms: "outcome",
  status: "outcome",
} as const satisfies Record<string, SlotScope>;

export type SlotName = keyof typeof slotTable;

const slotNames = Object.keys(slotTable) as SlotName[];
const slotBytesMax = 160;

/** The slot of a name. */
export function slotOf(name: string): Slot {
  const slot = slotNames.indexOf(name as SlotName);
  if (slot < 0) throw new Error(`a template names {${name}}; the scene has ${slotNames.join(", ")}`);
  return slot;
}

export function slotScope(slot: Slot): SlotScope {
  return slotTable[slotNames[slot]];
}

const S = Object.fromEntries(slotNames.map((name, slot) => [name, slot])) as Record<SlotName, Slot>;

export class Scene {
  readonly text: Uint8Array = new Uint8Array(slotNames.length * slotBytesMax);
  readonly starts: Int32Array = new Int32Array(slotNames.length).map((_, slot) => slot * slotBytesMax);
  readonly lengths: Int32Array = new Int32Array(slotNames.length);
  readonly numbers: Float64Array = new Float64Array(slotNames.length);

  constructor(public random: Random) {}

  /** Draws everything of scope `visit`. */
  newVisit(): void {
    const random = this.random;
    this.#int(S.user, 10_000 + randomBelow(random, 40_000), "u-");
    this.#hex(S.session, 16);
    this.#hex(S.request, 36);
    for (const dash of [8, 13, 18, 23]) this.text[this.starts[S.request] + dash] = 45;
    this.#int(S.order, 100_000_000 + randomBelow(random, 900_000_000), "ORD-");
    this.#hex(S.cart, 12);
    this.#ip(S.ip);
    this.#int(S.port, 32_768 + randomBelow(random, 28_000));
    const product = randomBelow(random, products.length);
    this.#pick(S.product, products, product);
    this.#pick(S.category, categories, product % categories.length);
    this.#int(S.sku, 40_000 + product * 37, "SKU-");
    this.#pick(S.agent, agents, randomBelow(random, agents.length));
    const place = randomBelow(random, cities.length);
    this.#pick(S.city, cities, place);
    this.#pick(S.country, countries, place);
    this.#pick(S.currency, currencies, place);
    this.#int(S.quantity, 1 + randomBelow(random, 4));
    this.#int(S.items, 1 + randomBelow(random, 9));
    this.#fraction(S.amount, 499 + randomBelow(random, 60_000), 2);
    this.#pick(S.provider, providers, randomBelow(random, providers.length));
    this.#int(S.card, 1000 + randomBelow(random, 9000));
    this.#int(S.tracking, 1_000_000_000 + randomBelow(random, 1_000_000_000), "1Z");
    this.#pick(S.warehouse, warehouses, randomBelow(random, warehouses.length));
    this.#pick(S.words, searches, randomBelow(random, searches.length));
    this.#pick(S.returning, truths, randomBelow(random, 2));
  }

  /** Draws these slots of scope `record`. */
  newRecord(slots: readonly Slot[]): void {
    for (let at = 0; at < slots.length; at++) this.#drawForRecord(slots[at]);
  }

  setOutcome(durationNs: number, status: number): void {
    this.#fraction(S.ms, Math.round(durationNs / 1e4), 2);
    this.#int(S.status, status);
  }

  #drawForRecord(slot: Slot): void {
    const random = this.random;
    switch (slot) {
      case S.thread:
        return this.#pick(slot, threads, randomBelow(random, threads.length));
      case S.hex:
        return this.#hex(slot, 12);
      case S.bytes:
        return this.#int(slot, 180 + randomBelow(random, 48_000));
      case S.rows:
        return this.#int(slot, 1 + randomBelow(random, 48));
      case S.queue:
        return this.#int(slot, randomBelow(random, 240));
      case S.attempt:
        return this.#int(slot, 1 + randomBelow(random, 4));
      case S.ratio:
        return this.#fraction(slot, randomBelow(random, 10_000), 4);
      case S.cached:
        return this.#pick(slot, truths, randomBelow(random, 2));
    }
  }

  #pick(slot: Slot, pool: readonly Uint8Array[], index: number): void {
    const value = pool[index];
    const start = this.starts[slot];
    for (let at = 0; at < value.length; at++) this.text[start + at] = value[at];
    this.lengths[slot] = value.length;
    this.numbers[slot] = index;
  }

  #int(slot: Slot, value: number, prefix = ""): void {
    const start = this.starts[slot];
    let at = start;
    for (let from = 0; from < prefix.length; from++) this.text[at++] = prefix.charCodeAt(from);
    this.lengths[slot] = this.#digits(at, value) - start;
    this.numbers[slot] = value;
  }

  /** `scaled / 10^places`, with that many decimals. */
  #fraction(slot: Slot, scaled: number, places: 2 | 4): void {
    const start = this.starts[slot], unit = places === 2 ? 100 : 10_000;
    const whole = Math.floor(scaled / unit);
    let at = this.#digits(start, whole);
    this.text[at++] = 46;
    let rest = scaled - whole * unit;
    for (let digit = places - 1; digit >= 0; digit--) {
      this.text[at + digit] = 48 + rest % 10;
      rest = Math.floor(rest / 10);
    }
    this.lengths[slot] = at + places - start;
    this.numbers[slot] = scaled / unit;
  }

  #hex(slot: Slot, digits: number): void {
    const start = this.starts[slot];
    let bits = 0;
    for (let at = 0; at < digits; at++) {
      if (at % 8 === 0) bits = this.random.uint32();
      this.text[start + at] = hexDigits[bits & 15];
      bits >>>= 4;
    }
    this.lengths[slot] = digits;
  }

  #ip(slot: Slot): void {
    const start = this.starts[slot];
    const bits = this.random.uint32();
    let at = this.#digits(start, 80 + (bits & 63));
    for (let shift = 8; shift <= 24; shift += 8) {
      this.text[at++] = 46;
      at = this.#digits(at, bits >>> shift & 255);
    }
    this.lengths[slot] = at - start;
  }

  /** Decimal digits of a whole number at `at`; returns where they end. */
  #digits(at: number, value: number): number {
    let digits = 1;
    for (let bound = 10; value >= bound; bound *= 10) digits++;
    for (let to = at + digits - 1; to >= at; to--) {
      const rest = Math.floor(value / 10);
      this.text[to] = 48 + value - rest * 10;
      value = rest;
    }
    return at + digits;
  }
}

const hexDigits: Uint8Array = Buffer.from("0123456789abcdef");
const pool = (...texts: string[]): Uint8Array[] => texts.map((text) => Buffer.from(text));

const truths = pool("false", "true");
const threads = pool(
  ...["exec", "worker", "io"].flatMap((kind) => [1, 2, 3, 4, 5, 6, 7, 8].map((n) => `${kind}-${n}`)),
);
const products = pool(
  ...["Trail", "Alpine", "Harbor", "Nordic", "Canyon", "Meadow", "Summit", "Café"].flatMap((line) =>
    ["tent", "lamp", "backpack", "stove", "jacket", "mug", "boots", "map", "bottle"].map((item) =>
      `${line} ${item}`
    )
  ),
);
const categories = pool("camping", "clothing", "kitchen", "footwear", "travel");
const agents = pool(
  "Mozilla/5.0 (X11; Linux x86_64; rv:141.0) Gecko/20100101 Firefox/141.0",
  "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) Safari/604.1",
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/139.0.0.0 Safari/537.36",
  "ShopApp/7.14.2 (Android 15; Pixel 9)",
  "ShopApp/7.13.0 (iOS 18.4; iPhone16,1)",
  "Googlebot/2.1 (+http://www.google.com/bot.html)",
);
const cities = pool(
  "Berlin",
  "München",
  "Paris",
  "London",
  "New York",
  "Austin",
  "Kraków",
  "Zürich",
  "Bengaluru",
);
const countries = pool("DE", "DE", "FR", "GB", "US", "US", "PL", "CH", "IN");
const currencies = pool("EUR", "EUR", "EUR", "GBP", "USD", "USD", "PLN", "CHF", "INR");
const providers = pool("stripe", "adyen", "paypal", "klarna");
const warehouses = pool("fra-1", "ams-2", "lhr-1", "ewr-3", "dfw-1");
const searches = pool(
  "tent 2 person",
  "gas stove",
  "rain jacket",
  "hiking boots 43",
  "headlamp",
  "water bottle 1l",
  "map alps",
);
