/**
 * A process that writes into PGlite until its power is cut: `bun tests/e2e/catalog-writer.ts FOLDER write|check`.
 * `write` prints each number once its commit was answered; `check` prints what is there, and how often it was renewed.
 */
import process from "node:process";
import { silentLog } from "../../core/env/log.ts";
import { PGliteDatabase } from "../../edge/catalog/pglite.ts";

const [dataDir, mode] = process.argv.slice(2);
const database = new PGliteDatabase({ dataDir, log: silentLog, idleMs: 60_000 });
const say = (line: string) => process.stdout.write(`${line}\n`);

await database.run([{ sql: "CREATE TABLE IF NOT EXISTS t (n int PRIMARY KEY, x text)" }]);
const [last] = await database.run([{ sql: "SELECT coalesce(max(n), 0)::text FROM t" }]);
if (mode === "check") {
  const [there] = await database.run([{
    sql: "SELECT count(*) || ' ' || coalesce(sum(length(x)), 0) FROM t",
  }]);
  say(`${last} ${there} ${database.timesRenewed}`);
  await database.close();
} else {
  for (let n = Number(last) + 1;; n++) {
    await database.run([
      { sql: "INSERT INTO t VALUES ($1::text::int, repeat('x', 1000))", params: [String(n)] },
      { sql: "UPDATE t SET x = reverse(x) WHERE n = $1::text::int / 2", params: [String(n)] },
    ]);
    say(String(n));
  }
}
