/** Rows of memory that were narrowed stand beside files: whatever columns the engine asks for, they are there. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { columnIndex, signals } from "../../core/model/columns.ts";
import { type Fixture, openFixture } from "./sql_fixture.ts";

let fixture: Fixture;
beforeAll(async () => void (fixture = await openFixture()));
afterAll(() => fixture.close());

const columns = { logs: ["trace_id", "span_id"], spans: ["trace_id", "span_id"], metrics: ["series_id"] };

test.each(signals)(
  "of %s a value that few rows have is counted in memory and in files, by every form",
  async (signal) => {
    const chunk = fixture.all[signal];
    for (const column of columns[signal]) {
      const vector = chunk.vectors[columnIndex(signal, column)];
      if (vector.kind !== "utf8" && vector.kind !== "dictionary") throw new Error(`${column} is text`);
      const texts = Array.from({ length: chunk.rows }, (_, row) => vector.text(row));
      const value = texts.findLast((text) => text !== "" && text !== null);
      const count = texts.filter((text) => text === value).length;
      const where = `FROM ${signal} WHERE ${column} = '${value}'`;
      for (
        const sql of [
          `SELECT count(*) ${where}`,
          `SELECT sum(n)::BIGINT FROM (SELECT 1 AS n ${where})`,
          `SELECT count(${column}) ${where}`,
          `SELECT count(*) FROM (SELECT * ${where})`,
          `WITH own AS (SELECT ${column} AS id FROM ${signal}) SELECT count(*) FROM own WHERE id = '${value}'`,
          `SELECT count(*) ${where} AND ${column} IS NOT NULL`,
        ]
      ) {
        expect([sql, await fixture.rows(sql)]).toEqual([sql, [[String(count)]]]);
      }
      const result = await fixture.start(`SELECT count(*) ${where}`);
      const { memtable } = result.plan.mentions[0];
      await result.close();
      expect([memtable.read > 0, memtable.read < memtable.considered / 2]).toEqual([true, true]);
    }
  },
);
