/**
 * The alert file for Prometheus against the table of metrics, and, where promtool is here, against promtool itself: its
 * syntax, and that each alert fires for the box that it is about and for no other.
 */
import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { type Metric, metricTable } from "../../core/metrics/names.ts";

const path = join(import.meta.dir, "../../docs/alerts/openwit.rules.yml");

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

const rules: Rule[] = parse(readFileSync(path, "utf8")).groups.flatMap(({ rules }: { rules: Rule[] }) =>
  rules
);
const table = metricTable as Record<string, Metric>;
const promtool = Bun.which("promtool");
if (promtool === null) console.log("skipped checking the alerts by promtool: it is not here");

test("every metric that an alert names is served, with the labels that it asks for", () => {
  const wrong: string[] = [];
  for (const { alert, expr } of rules) {
    const named = [...expr.matchAll(/\b(openwit_[a-z_]+)(?:\{([^}]*)\})?/g)];
    if (named.length === 0 && !expr.startsWith("up{")) wrong.push(`${alert} names no metric`);
    for (const [, name, selector] of named) {
      const base = name.replace(/_bucket$/, "");
      const metric = table[base];
      if (metric === undefined || (metric.type === "histogram") !== name.endsWith("_bucket")) {
        wrong.push(`${alert}: there is no ${name}`);
        continue;
      }
      for (const [, label, operator, value] of (selector ?? "").matchAll(/(\w+)(=~|!~|!=|=)"([^"]*)"/g)) {
        const values = metric.labels[label];
        if (values === undefined) wrong.push(`${alert}: ${name} has no label ${label}`);
        else if (values.length > 0 && operator !== "!=") {
          const unknown = value.split("|").filter((each) => !values.includes(each));
          if (unknown.length > 0) wrong.push(`${alert}: ${label} of ${name} is never ${unknown.join(", ")}`);
        }
      }
    }
  }
  expect(wrong).toEqual([]);
});

test("every alert says whom it concerns, what is the matter and what to do", () => {
  const names = rules.map(({ alert }) => alert);
  expect(new Set(names).size).toBe(names.length);
  for (const { alert, labels, annotations } of rules) {
    expect(alert).toMatch(/^OpenWit[A-Z]/);
    expect(["page", "warn"]).toContain(labels.severity);
    expect([alert, annotations.summary]).toEqual([alert, expect.stringContaining("$labels.instance")]);
    expect(annotations.description.length).toBeGreaterThan(20);
  }
});

/** A day in the life of a well box and of sick ones, a minute a value (promtool's notation: first+step x times). */
const well: Readonly<Record<string, string>> = {
  'up{job="openwit"}': "1x90",
  'openwit_ready{for="records"}': "1x90",
  'openwit_ready{for="queries"}': "1x90",
  'openwit_component_status{component="wal"}': "0x90",
  'openwit_refusing{reason="disk"}': "0x90",
  openwit_disk_used_bytes: "80x90",
  openwit_disk_budget_bytes: "100x90",
  openwit_disk_free_bytes: "50x90",
  openwit_disk_size_bytes: "100x90",
  'openwit_rejected_requests_total{reason="malformed",signal="logs"}': "0+5x90",
  'openwit_evicted_rows_total{reason="age"}': "0+500x90",
  'openwit_memtable_oldest_seconds{signal="logs"}': "290x90",
  'openwit_flush_failures_total{reason="io"}': "3x90",
  'openwit_wal_fsync_seconds_bucket{le="0.025"}': "0+600x90",
  'openwit_wal_fsync_seconds_bucket{le="2.5"}': "0+600x90",
  'openwit_wal_fsync_seconds_bucket{le="+Inf"}': "0+600x90",
  openwit_wal_failures_total: "0x90",
  'openwit_quarantined_total{kind="wal_gap"}': "0x90",
  openwit_damaged_segments: "0x90",
  openwit_process_resident_bytes: "60x90",
  openwit_memory_limit_bytes: "100x90",
  openwit_time_synced: "1x90",
  openwit_process_start_time_seconds: "1000x90",
  'openwit_queries_refused_total{reason="all"}': "7x90",
  'openwit_queries_total{outcome="invalid_argument"}': "0+9x90",
  'openwit_query_seconds_bucket{outcome="ok",le="0.5"}': "0+60x90",
  'openwit_query_seconds_bucket{outcome="ok",le="60"}': "0+60x90",
  'openwit_query_seconds_bucket{outcome="ok",le="+Inf"}': "0+60x90",
  'openwit_task_runs_total{task="compaction",outcome="failed"}': "1x90",
  'openwit_event_loop_delay_seconds_bucket{le="0.01"}': "0+240x90",
  'openwit_event_loop_delay_seconds_bucket{le="10"}': "0+240x90",
  'openwit_event_loop_delay_seconds_bucket{le="+Inf"}': "0+240x90",
  openwit_process_open_files: "40x90",
  openwit_process_open_files_limit: "1024x90",
  'openwit_config_reloads_total{outcome="applied"}': "0+1x90",
  'openwit_config_reloads_total{outcome="refused"}': "0x90",
};

/** By alert: what of it is another than with the well box. */
const sick: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  OpenWitDown: { 'up{job="openwit"}': "0x90" },
  OpenWitTakesNoRecords: { 'openwit_ready{for="records"}': "0x90" },
  OpenWitAnswersNoQueries: { 'openwit_ready{for="queries"}': "0x90" },
  OpenWitComponentTroubled: { 'openwit_component_status{component="wal"}': "1x90" },
  OpenWitRefusing: { 'openwit_refusing{reason="disk"}': "1x90" },
  OpenWitRejectingRequests: {
    'openwit_rejected_requests_total{reason="overloaded",signal="logs"}': "0+5x90",
  },
  OpenWitDiskBudgetNearlyUsed: { openwit_disk_used_bytes: "93x90" },
  OpenWitVolumeNearlyFull: { openwit_disk_free_bytes: "4x90" },
  OpenWitEvictingData: { 'openwit_evicted_rows_total{reason="budget"}': "0+5x90" },
  OpenWitRowsUnflushed: { 'openwit_memtable_oldest_seconds{signal="logs"}': "0+60x90" },
  OpenWitFlushFailing: { 'openwit_flush_failures_total{reason="io"}': "3+60x90" },
  OpenWitWalFsyncSlow: { 'openwit_wal_fsync_seconds_bucket{le="0.025"}': "0+500x90" },
  OpenWitWalFailing: { openwit_wal_failures_total: "0+1x90" },
  OpenWitQuarantined: { 'openwit_quarantined_total{kind="wal_gap"}': "1x90" },
  OpenWitSegmentsDamaged: { openwit_damaged_segments: "2x90" },
  OpenWitMemoryHigh: { openwit_process_resident_bytes: "95x90" },
  OpenWitTimeUnsynced: { openwit_time_synced: "0x90" },
  OpenWitRestarting: { openwit_process_start_time_seconds: "1000+60x90" },
  OpenWitQueriesRefused: { 'openwit_queries_refused_total{reason="all"}': "7+1x90" },
  OpenWitQueriesFailing: { 'openwit_queries_total{outcome="internal"}': "0+1x90" },
  OpenWitQueriesSlow: { 'openwit_query_seconds_bucket{outcome="ok",le="0.5"}': "0+6x90" },
  OpenWitTasksFailing: { 'openwit_task_runs_total{task="compaction",outcome="failed"}': "1+1x90" },
  OpenWitEventLoopDelayed: { 'openwit_event_loop_delay_seconds_bucket{le="0.01"}': "0+200x90" },
  OpenWitFilesNearlyOut: { openwit_process_open_files: "900x90" },
  OpenWitConfigurationRefused: { 'openwit_config_reloads_total{outcome="refused"}': "0+1x90" },
};

test("each alert has a sick box that it is tried with", () => {
  expect(Object.keys(sick).sort()).toEqual(rules.map(({ alert }) => alert).sort());
});

test.skipIf(promtool === null)("promtool finds nothing wrong with the file", () => {
  const checked = Bun.spawnSync([promtool!, "check", "rules", "--lint=all", "--lint-fatal", path]);
  expect([checked.exitCode, checked.stderr.toString()]).toEqual([0, ""]);
});

test.skipIf(promtool === null)(
  "a well box raises no alert; each sick one raises its own and no other",
  () => {
    const folder = mkdtempSync(join(tmpdir(), "openwit-alerts-"));
    try {
      const wrong: string[] = [];
      for (const [name, series] of [["", {}], ...Object.entries(sick)] as const) {
        const values = { ...well, ...series };
        const tests = rules.map(({ alert }) => ({
          eval_time: "80m",
          alertname: alert,
          exp_alerts: [] as unknown[],
        }));
        const file = join(folder, "test.yml");
        writeFileSync(
          file,
          JSON.stringify({
            rule_files: [path],
            evaluation_interval: "1m",
            tests: [{
              interval: "1m",
              input_series: Object.entries(values).map(([series, values]) => ({
                series: series.includes("{")
                  ? series.replace("{", '{instance="box",')
                  : `${series}{instance="box"}`,
                values,
              })),
              alert_rule_test: tests,
            }],
          }),
        );
        const ran = Bun.spawnSync([promtool!, "test", "rules", file]);
        // It is told to expect none, so that what it found is what it complains of.
        const fired = [
          ...`${ran.stdout}${ran.stderr}`.matchAll(
            /alertname: (\w+), time: [^,]+,\s+exp:\[\s*\], *\s*got:\[(?!\s*\])/g,
          ),
        ]
          .map(([, alert]) => alert);
        if (fired.join() !== name) {
          wrong.push(
            `${name || "a well box"} raises ${fired.join(", ") || "nothing"}: ${
              name === "" ? ran.stdout.toString() + ran.stderr.toString() : ""
            }`,
          );
        }
      }
      expect(wrong).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
  120_000,
);
