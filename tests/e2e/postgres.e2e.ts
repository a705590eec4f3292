/**
 * The catalog's PostgreSQL when it is not well: killed under writes, frozen, mute, not there, not letting us in. Needs
 * Debian's package; skipped where it is not installed.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { createServer, type Server, type Socket } from "node:net";
import { boundedDatabase } from "../../core/catalog/bounded.ts";
import { Catalog } from "../../core/catalog/catalog.ts";
import { taskRow } from "../../core/catalog/rows.ts";
import { systemClock } from "../../core/env/clock.ts";
import { PostgresDatabase } from "../../edge/catalog/postgres.ts";
import { PostgresServer } from "../conformance/postgres.ts";

setDefaultTimeout(60_000);

const programs = PostgresServer.programs();
if (programs === undefined) {
  console.log("PostgreSQL: skipped, for it is not installed (apt install postgresql)");
}
const here = test.if(programs !== undefined);

let server: PostgresServer;
beforeAll(async () => {
  if (programs !== undefined) server = await PostgresServer.start(programs);
});
afterAll(async () => await server?.[Symbol.asyncDispose]());

const limits = { openMsMax: 2_000, runMsMax: 2_000, closeMsMax: 1_000 };
const databaseAt = (url: string) =>
  boundedDatabase(new PostgresDatabase({ url, idleMs: 60_000 }), systemClock, limits);
const refusal = (promise: Promise<unknown>) => promise.then(() => undefined, (error) => error);
const one = [{ sql: "SELECT 1" }];

const task = (n: number) =>
  taskRow({ task: "sweep", startedNs: BigInt(n), durationMs: 1, outcome: "done", did: `run ${n}` });
const notes = (n: number) => ({ batches: [], tasks: [task(n)], segments: [], removals: [] });

here(
  "killed under writes, ten times: what was answered is there, once, and writing goes on by itself",
  async () => {
    const database = databaseAt(server.url);
    const catalog = new Catalog(database, "killed");
    let answered = 0;
    let refused = 0;
    for (let round = 0; round < 10; round++) {
      const killed = Bun.sleep(50 + round * 30).then(() => server.halt());
      for (let isUp = true; isUp;) {
        const error = await refusal(catalog.write(notes(answered)));
        if (error === undefined) answered++;
        else isUp = false;
        if (error !== undefined) refused++;
      }
      await killed;
      await server.resume();
      expect(await refusal(catalog.write(notes(answered)))).toBeUndefined();
      answered++;
    }
    const rows = await catalog.read("task_history", "any", 1_000_000);
    expect(rows.map(({ started_ns }) => Number(started_ns))).toEqual(
      Array.from({ length: answered }, (_, n) => n),
    );
    expect(answered).toBeGreaterThan(20);
    console.log(
      `${answered} writes answered, ${refused} refused by a server that was killed, none lost or doubled`,
    );
    await database.close();
  },
);

here("a server that stops answering is given up in time, and used again when it answers", async () => {
  const database = databaseAt(server.url);
  await database.run(one);
  server.freeze();
  const started = performance.now();
  expect(await refusal(database.run(one))).toMatchObject({ code: "unavailable" });
  expect(performance.now() - started).toBeLessThan(4_000);
  server.thaw();
  expect(await database.run([{ sql: "SELECT 2" }])).toEqual(["2"]);
  await database.close();
});

test("a port that takes connections and says nothing is given up in time", async () => {
  const sockets = new Set<Socket>();
  const mute = createServer((socket) => sockets.add(socket.on("error", () => {})));
  await new Promise<void>((resolve) => mute.listen(0, "127.0.0.1", resolve));
  const database = databaseAt(`postgres://openwit:secret@127.0.0.1:${portOf(mute)}/postgres`);
  const started = performance.now();
  expect(await refusal(database.run(one))).toMatchObject({ code: "unavailable" });
  expect(performance.now() - started).toBeLessThan(4_000);
  await database.close();
  for (const socket of sockets) socket.destroy();
  mute.close();
});

test("nobody there is an error that says so, without the password", async () => {
  const closed = createServer();
  await new Promise<void>((resolve) => closed.listen(0, "127.0.0.1", resolve));
  const port = portOf(closed);
  await new Promise((resolve) => closed.close(resolve));
  const error = await refusal(databaseAt(`postgres://openwit:s3cret@127.0.0.1:${port}/postgres`).run(one));
  expect(error).toMatchObject({ code: "unavailable" });
  expect(JSON.stringify(error)).not.toContain("s3cret");
});

here(
  "a wrong password and a missing database are told apart, and neither error has the password",
  async () => {
    const wrong = await refusal(databaseAt(server.url.replace("secret", "s3cret")).run(one));
    expect(wrong).toMatchObject({ code: "unauthenticated" });
    expect(JSON.stringify(wrong) + String(wrong.cause)).not.toContain("s3cret");
    const missing = await refusal(databaseAt(server.url.replace(/postgres$/, "none")).run(one));
    expect(missing).toMatchObject({ code: "not_found" });
  },
);

here("sslmode=require in the URL encrypts the connection", async () => {
  const database = databaseAt(`${server.url}?sslmode=require`);
  const ssl = [{ sql: "SELECT ssl::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()" }];
  expect(await database.run(ssl)).toEqual(["true"]);
  await database.close();
});

function portOf(server: Server): number {
  return (server.address() as { port: number }).port;
}
