/**
 * Counters, gauges and histograms of one running node, written in the Prometheus text format 0.0.4.
 *
 * A registry is a value, not a global: two nodes in one process have two. Names and helps stand in
 * core/metrics/names.ts, so that the reference in docs and what is served cannot differ.
 */
import { type MetricName, metricTable } from "./names.ts";

type Labels = Readonly<Record<string, string>>;

export class Metrics {
  readonly #values = new Map<MetricName, Map<string, { labels: Labels; value: number }>>();
  readonly #histograms = new Map<
    MetricName,
    Map<string, { labels: Labels; counts: Float64Array; sum: number }>
  >();
  readonly #gauges = new Map<MetricName, () => readonly { labels?: Labels; value: number }[]>();

  /** Adds to a counter. */
  add(name: MetricName, amount = 1, labels: Labels = {}): void {
    const series = entry(this.#values, name);
    const key = labelText(labels);
    const existing = series.get(key);
    if (existing === undefined) series.set(key, { labels, value: amount });
    else existing.value += amount;
  }

  /** Notes one observation, in seconds, in a histogram. */
  observe(name: MetricName, seconds: number, labels: Labels = {}): void {
    const series = entry(this.#histograms, name);
    const key = labelText(labels);
    let histogram = series.get(key);
    if (histogram === undefined) {
      histogram = { labels, counts: new Float64Array(bucketBounds.length + 1), sum: 0 };
      series.set(key, histogram);
    }
    let bucket = 0;
    while (bucket < bucketBounds.length && seconds > bucketBounds[bucket]) bucket++;
    histogram.counts[bucket]++;
    histogram.sum += seconds;
  }

  /** A gauge that is read when it is asked for. */
  gauge(name: MetricName, read: () => number | readonly { labels?: Labels; value: number }[]): void {
    this.#gauges.set(name, () => {
      const value = read();
      return typeof value === "number" ? [{ value }] : value;
    });
  }

  /** Sum of a counter over those of its series that have these labels. */
  total(name: MetricName, labels: Labels = {}): number {
    let sum = 0;
    for (const series of this.#values.get(name)?.values() ?? []) {
      if (Object.entries(labels).every(([label, value]) => series.labels[label] === value)) {
        sum += series.value;
      }
    }
    return sum;
  }

  /** Everything, in the text format, in the order of the table of names. */
  render(): string {
    const lines: string[] = [];
    for (
      const [name, { type, help }] of Object.entries(metricTable) as [
        MetricName,
        typeof metricTable[MetricName],
      ][]
    ) {
      lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
      for (const { labels, value } of this.#values.get(name)?.values() ?? []) {
        lines.push(`${name}${labelText(labels)} ${value}`);
      }
      for (const { labels, value } of this.#gauges.get(name)?.() ?? []) {
        lines.push(`${name}${labelText(labels ?? {})} ${value}`);
      }
      for (const { labels, counts, sum } of this.#histograms.get(name)?.values() ?? []) {
        let count = 0;
        for (let bucket = 0; bucket < counts.length; bucket++) {
          count += counts[bucket];
          const le = bucket < bucketBounds.length ? String(bucketBounds[bucket]) : "+Inf";
          lines.push(`${name}_bucket${labelText({ ...labels, le })} ${count}`);
        }
        lines.push(`${name}_sum${labelText(labels)} ${sum}`, `${name}_count${labelText(labels)} ${count}`);
      }
    }
    return lines.join("\n") + "\n";
  }
}

/** Upper bounds in seconds: from a fast fsync (0.1 ms) to a statement's time-out. */
const bucketBounds = [
  0.0001,
  0.00025,
  0.0005,
  0.001,
  0.0025,
  0.005,
  0.01,
  0.025,
  0.05,
  0.1,
  0.25,
  0.5,
  1,
  2.5,
  10,
  60,
];

function entry<Name, Value>(map: Map<Name, Map<string, Value>>, name: Name): Map<string, Value> {
  let series = map.get(name);
  if (series === undefined) map.set(name, series = new Map());
  return series;
}

function labelText(labels: Labels): string {
  const parts = Object.entries(labels).map(([name, value]) => `${name}="${escape(value)}"`);
  return parts.length === 0 ? "" : `{${parts.join(",")}}`;
}

function escape(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
