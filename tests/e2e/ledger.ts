/** Clients that send batches of logs as exporters do, and the ledger of what they were told. */
import { expect } from "bun:test";
import type { Box } from "./box.ts";

const clients = 8;
const batchRecords = 20;

interface Batch {
  readonly name: string;
  readonly body: string;
}

export class Ledger {
  /** In the order of their acknowledgements. */
  readonly acknowledged = new Set<string>();
  /** Not answered at first: they may have been stored long before their place in the order. */
  readonly #cutOff = new Set<string>();
  /** Answers other than success, with their status. */
  readonly refused: string[] = [];
  #unsettled: Batch[] = [];
  #sent = 0;

  /** @param bodyBytes of noise in each record, so that segments take room */
  constructor(readonly bodyBytes = 0) {}

  /** Sends from eight clients, first what was not acknowledged before, the same bytes; until the returned stop. */
  run(box: Box): () => Promise<void> {
    let isOver = false;
    const retry = this.#unsettled;
    this.#unsettled = [];
    const client = async () => {
      while (!isOver) {
        const batch = retry.pop() ?? newBatch(this.#sent++, this.bodyBytes);
        if (await this.#send(box, batch)) await Bun.sleep(5); // refused or cut off: no busy loop
      }
    };
    const running = Array.from({ length: clients }, client);
    return async () => {
      isOver = true;
      await Promise.all(running);
      this.#unsettled.push(...retry);
    };
  }

  /** Sends again what is still open, and holds what SQL finds against what was acknowledged. Returns the records. */
  async settle(box: Box): Promise<number> {
    const { records, missing } = await this.#compare(box);
    expect(missing).toEqual([]);
    return records;
  }

  /** The same where the oldest may have been evicted: what is missing was stored before all that is there. */
  async settleEvicted(box: Box): Promise<{ records: number; evicted: number }> {
    const { records, missing } = await this.#compare(box);
    const gone = new Set(missing);
    const order = [...this.acknowledged].filter((name) => !this.#cutOff.has(name));
    const oldest = order.findIndex((name) => !gone.has(name));
    if (oldest < 0) return { records, evicted: gone.size * batchRecords };
    // Neighbours are under way together: one may be stored after the other and answered before.
    expect(order.slice(oldest + clients).filter((name) => gone.has(name))).toEqual([]);
    return { records, evicted: gone.size * batchRecords };
  }

  /** Every batch that is there is whole and once. */
  async #compare(box: Box): Promise<{ records: number; missing: string[] }> {
    for (const batch of this.#unsettled.splice(0)) await this.#send(box, batch);
    const counts = new Map(
      (await box.rows("SELECT event_name, count(*), count(DISTINCT left(body, 60)) FROM logs GROUP BY ALL"))
        .map(([name, rows, distinct]) => [String(name), [Number(rows), Number(distinct)]]),
    );
    expect([...counts].filter(([, found]) => found.some((each) => each !== batchRecords))).toEqual([]);
    return {
      records: [...counts.values()].reduce((sum, [rows]) => sum + rows, 0),
      missing: [...this.acknowledged].filter((name) => !counts.has(name)),
    };
  }

  /** Whether it is to be sent again. */
  async #send(box: Box, batch: Batch): Promise<boolean> {
    try {
      const response = await fetch(`${box.endpoints.otlp_http}/v1/logs`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: batch.body,
      });
      const text = await response.text();
      if (response.ok) {
        this.acknowledged.add(batch.name);
        return false;
      }
      this.refused.push(`${response.status} ${text}`);
    } catch {
      this.#cutOff.add(batch.name); // whether it is stored, the restart shows
    }
    this.#unsettled.push(batch);
    return true;
  }
}

function newBatch(number: number, bodyBytes: number): Batch {
  const name = `batch-${number}`;
  const timeUnixNano = String(BigInt(Date.now()) * 1_000_000n);
  const logRecords = Array.from({ length: batchRecords }, (_, index) => ({
    timeUnixNano,
    eventName: name,
    severityNumber: 9,
    body: { stringValue: `${name} record ${index} ${noise(bodyBytes)}` },
  }));
  const resource = { attributes: [{ key: "service.name", value: { stringValue: "ledger" } }] };
  return { name, body: JSON.stringify({ resourceLogs: [{ resource, scopeLogs: [{ logRecords }] }] }) };
}

function noise(bytes: number): string {
  return crypto.getRandomValues(new Uint8Array(bytes)).toBase64();
}
