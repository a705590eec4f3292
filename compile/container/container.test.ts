/** The files for containers: the Dockerfile by its linter, the others by what they name of each other and of us. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { parse } from "yaml";
import { configKeys } from "../../edge/config/keys.ts";
import { environmentName } from "../../edge/config/settings.ts";
import { version } from "../../edge/version.ts";

const read = (name: string) => readFileSync(join(import.meta.dirname, name), "utf8");

// Beside the Python of the tests, where .ci/run puts it.
const peers = process.env["OPENWIT_TEST_PYTHON"]?.replace(/[^/]+$/, "");
const hadolint = Bun.which("hadolint", { PATH: [peers, process.env["PATH"]].filter(Boolean).join(":") });

test.skipIf(hadolint === null)(
  `hadolint finds nothing in the Dockerfile${hadolint ? "" : " (it is not here)"}`,
  () => {
    const run = Bun.spawnSync([
      hadolint!,
      "--failure-threshold",
      "style",
      join(import.meta.dirname, "Dockerfile"),
    ]);
    expect({ status: run.exitCode, found: run.stdout.toString() }).toEqual({ status: 0, found: "" });
  },
);

test("the Dockerfile is of this version, and sets keys that exist", () => {
  const text = read("Dockerfile");
  expect(text).toContain(`ARG OPENWIT_VERSION=${version}\n`);
  const known = Object.keys(configKeys).map(environmentName);
  const set = [...text.matchAll(/(OPENWIT_\w+__\w+)=/g)].map(([, name]) => name);
  expect(set.length).toBe(4);
  expect(set.filter((name) => !known.includes(name))).toEqual([]);
});

test("compose starts both, and the Collector sends to where OpenWit listens", () => {
  const { services, volumes } = parse(read("compose.yaml"));
  expect(Object.keys(services).sort()).toEqual(["collector", "openwit"]);
  for (const mounted of services.openwit.volumes) expect(volumes).toHaveProperty([mounted.split(":")[0]]);
  expect(services.collector.volumes).toEqual(["./collector.yaml:/etc/otelcol/config.yaml:ro"]);
  const published = [...services.openwit.ports, ...services.collector.ports];
  expect(published.filter((port: string) => !port.startsWith("127.0.0.1:"))).toEqual([]);
  expect(parse(read("collector.yaml")).exporters.otlp.endpoint).toBe("openwit:4317");
});

test("every part of the Collector's pipelines is configured, and every signal has one", () => {
  const { service, ...parts } = parse(read("collector.yaml"));
  expect(Object.keys(service.pipelines).sort()).toEqual(["logs", "metrics", "traces"]);
  for (const pipeline of Object.values<Record<string, string[]>>(service.pipelines)) {
    for (const [kind, names] of Object.entries(pipeline)) {
      for (const name of names) expect(parts[kind]).toHaveProperty([name]);
    }
  }
});
