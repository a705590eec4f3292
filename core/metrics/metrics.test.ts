import { expect, test } from "bun:test";
import { Metrics } from "./metrics.ts";
import { type Metric, type MetricName, metricNames, metricTable } from "./names.ts";

const table = metricTable as Record<MetricName, Metric>;

test("names keep to the conventions: prefix, base units last, counters alone end in _total", () => {
  for (const name of metricNames) {
    const { type, unit, help, labels } = table[name];
    expect(name).toMatch(/^openwit_[a-z]+(_[a-z]+)*$/);
    expect([name, name.endsWith("_total")]).toEqual([name, type === "counter"]);
    expect([name, /_(count|sum|bucket)$/.test(name)]).toEqual([name, false]);
    const hasUnit = (word: string) => name.replace(/_total$/, "").endsWith(`_${word}`);
    for (const word of ["seconds", "bytes"]) expect([name, hasUnit(word)]).toEqual([name, unit === word]);
    expect([name, /_(ms|us|ns|milliseconds|kib|mib|mb|minutes)(_|$)/.test(name)]).toEqual([name, false]);
    expect([name, help.endsWith(".")]).toEqual([name, true]);
    for (const label of Object.keys(labels)) expect(label).toMatch(/^[a-z_]+$/);
    expect(labels).not.toHaveProperty("le");
  }
});

test("a counter whose labels are listed is there from the start, at 0; one that meets its values is not", () => {
  const metrics = new Metrics();
  expect(metrics.samples("openwit_merges_total")).toEqual([
    { labels: { signal: "logs" }, value: 0 },
    { labels: { signal: "spans" }, value: 0 },
    { labels: { signal: "metrics" }, value: 0 },
  ]);
  expect(metrics.samples("openwit_rejected_requests_total")).toEqual([]);
  metrics.add("openwit_merges_total", 2, { signal: "logs" });
  expect(metrics.samples("openwit_merges_total")[0].value).toBe(2);
});

test("a counter that somebody else keeps is read when it is asked for, once", () => {
  const metrics = new Metrics();
  let fsyncs = 1;
  metrics.counter("openwit_wal_fsyncs_total", () => fsyncs);
  fsyncs = 7;
  expect(metrics.samples("openwit_wal_fsyncs_total")).toEqual([{ labels: {}, value: 7 }]);
  expect(metrics.render().match(/^openwit_wal_fsyncs_total .*$/gm)).toEqual(["openwit_wal_fsyncs_total 7"]);
});

test("a histogram's buckets add up, and end in +Inf, sum and count", () => {
  const metrics = new Metrics();
  for (const seconds of [0.00005, 0.003, 0.003, 100]) metrics.observe("openwit_wal_fsync_seconds", seconds);
  const lines = metrics.render().split("\n").filter((line) => line.startsWith("openwit_wal_fsync_seconds"));
  expect(lines[0]).toBe('openwit_wal_fsync_seconds_bucket{le="0.0001"} 1');
  expect(lines).toContain('openwit_wal_fsync_seconds_bucket{le="0.005"} 3');
  expect(lines).toContain('openwit_wal_fsync_seconds_bucket{le="60"} 3');
  expect(lines.slice(-3)).toEqual([
    'openwit_wal_fsync_seconds_bucket{le="+Inf"} 4',
    "openwit_wal_fsync_seconds_sum 100.00605",
    "openwit_wal_fsync_seconds_count 4",
  ]);
});

test("label values are escaped", () => {
  const metrics = new Metrics();
  metrics.add("openwit_queries_total", 1, { outcome: 'a"b\\c\nd' });
  expect(metrics.render()).toContain('openwit_queries_total{outcome="a\\"b\\\\c\\nd"} 1\n');
});
