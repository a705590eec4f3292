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
  readonly acknowledged = new Set<string>();
  /** Answers other than success, with their status. */
  readonly refused: string[] = [];
  #unsettled: Batch[] = [];
  #sent = 0;

  /** Sends from eight clients, first what was not acknowledged before, the same bytes; until the returned stop. */
  run(box: Box): () => Promise<void> {
    let isOver = false;
    const retry = this.#unsettled;
    this.#unsettled = [];
    const client = async () => {
      while (!isOver) {
        const batch = retry.pop() ?? newBatch(this.#sent++);
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
    for (const batch of this.#unsettled.splice(0)) await this.#send(box, batch);
    const counts = new Map(
      (await box.rows("SELECT event_name, count(*), count(DISTINCT body) FROM logs GROUP BY ALL"))
        .map(([name, rows, distinct]) => [String(name), [Number(rows), Number(distinct)]]),
    );
    const wrong = [...this.acknowledged].filter((name) => {
      const [rows, distinct] = counts.get(name) ?? [0, 0];
      return rows !== batchRecords || distinct !== batchRecords;
    });
    expect(wrong).toEqual([]);
    expect([...counts].filter(([, [rows]]) => rows !== batchRecords)).toEqual([]);
    return [...counts.values()].reduce((sum, [rows]) => sum + rows, 0);
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
      // cut off: whether it is stored, the restart shows
    }
    this.#unsettled.push(batch);
    return true;
  }
}

function newBatch(number: number): Batch {
  const name = `batch-${number}`;
  const timeUnixNano = String(BigInt(Date.now()) * 1_000_000n);
  const logRecords = Array.from({ length: batchRecords }, (_, index) => ({
    timeUnixNano,
    eventName: name,
    severityNumber: 9,
    body: { stringValue: `${name} record ${index}` },
  }));
  const resource = { attributes: [{ key: "service.name", value: { stringValue: "ledger" } }] };
  return { name, body: JSON.stringify({ resourceLogs: [{ resource, scopeLogs: [{ logRecords }] }] }) };
}
