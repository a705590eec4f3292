/**
 * Schemathesis over the box's own OpenAPI document: requests made from the document, sound ones and broken ones, of which
 * each must be answered as the document says. Administration is included, drains and imports of rubbish too: the box is
 * thrown away.
 *
 * Left out, and why: both tails, whose answers do not end; the check that everything the schemas allow is taken, for no
 * JSON Schema can say what sound SQL is, or a time. 503 and 504 are answers of a box that was drained or whose
 * statement was given a millisecond: documented, and no failure.
 */
import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { Box } from "./box.ts";
import { findPython } from "./python.ts";

const python = findPython("schemathesis.cli");
const seed = process.env.OPENWIT_SEED ?? "1";

/** Of the whole run; what it has not come to by then stays untried. */
const seconds = 110;

const settings = `[checks]
not_a_server_error.expected-statuses = ["2xx", "4xx", "503", "504"]
`;

test("every request that is made from the OpenAPI document is answered as it says", async () => {
  if (python === undefined) return console.log("skipped: schemathesis is not installed");
  await using box = await new Box().start();
  const demo = await box.run(
    ...["demo", "--duration", "0s", "--backfill", "20m", "--rate", "20"],
    ...["--endpoint", box.endpoints.otlp_grpc],
  );
  expect(demo.status).toBe(0);
  await fetch(`${box.endpoints.http}/api/v1/admin/flush`, { method: "POST" });
  const config = join(box.folder, "schemathesis.toml");
  writeFileSync(config, settings);
  const run = Bun.spawn([
    ...[python, "-m", "schemathesis.cli", "--config-file", config, "run"],
    `${box.endpoints.http}/api/v1/openapi.json`,
    ...["--seed", seed, "--max-time", String(seconds), "--max-examples", "10", "--workers", "1"],
    ...["--phases", "examples,coverage,fuzzing", "--exclude-path-regex", "tail$"],
    ...["--exclude-checks", "positive_data_acceptance", "--continue-on-failure", "--request-timeout", "30"],
    ...["--warnings", "off", "--no-color"],
  ], { cwd: box.folder, stdout: "pipe", stderr: "pipe" });
  const [out, err] = await Promise.all([new Response(run.stdout).text(), new Response(run.stderr).text()]);
  const status = await run.exited;
  if (status !== 0) console.log(out.slice(-20_000), err.slice(-5_000));
  expect(status).toBe(0);
  expect(Number(/(\d+) generated/.exec(out)?.[1])).toBeGreaterThan(500);
  // It went through all that, and is still a box.
  await fetch(`${box.endpoints.http}/api/v1/admin/resume`, { method: "POST" });
  expect((await fetch(`${box.endpoints.http}/ready`)).status).toBe(200);
}, 200_000);
