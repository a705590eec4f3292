/**
 * Counters, gauges and histograms of one running node, written in the Prometheus text format 0.0.4.
 *
 * A registry is a value, not a global: two nodes in one process have two. Names, units, labels and helps stand in
 * core/metrics/names.ts, so that the reference in docs and what is served cannot differ.
 */
import {
  type CounterName,
  type GaugeName,
  type HistogramName,
  type Metric,
  type MetricName,
  metricNames,
  metricTable,
} from "./names.ts";

export type Labels = Readonly<Record<string, string>>;

/** What one series of a counter or a gauge is now. */
export interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

/** What one series of a histogram is now; `counts` has one more than `bucketBounds`, for what is above them. */
export interface HistogramSample {
  readonly labels: Labels;
  readonly counts: readonly number[];
  readonly sum: number;
}

/** A number when it has no labels. */
type Reading = number | readonly { readonly labels?: Labels; readonly value: number }[];

export class Metrics {
  readonly #values = new Map<MetricName, Map<string, { labels: Labels; value: number }>>();
  readonly #histograms = new Map<
    MetricName,
    Map<string, { labels: Labels; counts: Float64Array; sum: number }>
  >();
  readonly #read = new Map<MetricName, () => Reading>();

  constructor() {
    for (const name of metricNames) {
      const metric: Metric = metricTable[name];
      for (const labels of metric.type === "gauge" ? [] : listedSeries(metric)) {
        if (metric.type === "counter") this.add(name as CounterName, 0, labels);
        else this.#histogram(name as HistogramName, labels);
      }
    }
  }

  /** Adds to a counter. */
  add(name: CounterName, amount = 1, labels: Labels = {}): void {
    const series = entry(this.#values, name);
    const key = labelText(labels);
    const existing = series.get(key);
    if (existing === undefined) series.set(key, { labels, value: amount });
    else existing.value += amount;
  }

  /** Notes one observation, in seconds, in a histogram. */
  observe(name: HistogramName, seconds: number, labels: Labels = {}): void {
    const histogram = this.#histogram(name, labels);
    let bucket = 0;
    while (bucket < bucketBounds.length && seconds > bucketBounds[bucket]) bucket++;
    histogram.counts[bucket]++;
    histogram.sum += seconds;
  }

  #histogram(name: HistogramName, labels: Labels): { counts: Float64Array; sum: number } {
    const series = entry(this.#histograms, name);
    const key = labelText(labels);
    const existing = series.get(key);
    if (existing !== undefined) return existing;
    const histogram = { labels, counts: new Float64Array(bucketBounds.length + 1), sum: 0 };
    series.set(key, histogram);
    return histogram;
  }

  /** A gauge that is read when it is asked for. */
  gauge(name: GaugeName, read: () => Reading): void {
    this.#read.set(name, read);
  }

  /** A counter that somebody else keeps, read when it is asked for. */
  counter(name: CounterName, read: () => Reading): void {
    this.#read.set(name, read);
    this.#values.delete(name);
  }

  /** Sum of a counter over those of its series that have these labels. */
  total(name: CounterName, labels: Labels = {}): number {
    let sum = 0;
    for (const series of this.#values.get(name)?.values() ?? []) {
      if (Object.entries(labels).every(([label, value]) => series.labels[label] === value)) {
        sum += series.value;
      }
    }
    return sum;
  }

  /** Of a counter or a gauge. */
  samples(name: MetricName): Sample[] {
    const reading = this.#read.get(name)?.() ?? [];
    const read = typeof reading === "number" ? [{ value: reading }] : reading;
    return [
      ...[...this.#values.get(name)?.values() ?? []].map((each) => ({ ...each })),
      ...read.map(({ labels, value }) => ({ labels: labels ?? {}, value })),
    ];
  }

  histograms(name: MetricName): HistogramSample[] {
    return [...this.#histograms.get(name)?.values() ?? []]
      .map(({ labels, counts, sum }) => ({ labels, counts: [...counts], sum }));
  }

  /** Everything, in the text format, in the order of the table of names. */
  render(): string {
    const lines: string[] = [];
    for (const name of metricNames) {
      const { type, help } = metricTable[name];
      lines.push(`# HELP ${name} ${escapeHelp(help)}`, `# TYPE ${name} ${type}`);
      for (const { labels, value } of this.samples(name)) lines.push(`${name}${labelText(labels)} ${value}`);
      for (const { labels, counts, sum } of this.histograms(name)) {
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
export const bucketBounds: readonly number[] = [
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

/** Every combination of a metric's labels; none when a label takes values as they are met. */
function listedSeries({ labels }: Metric): Labels[] {
  return Object.entries(labels).reduce<Labels[]>(
    (series, [name, values]) => series.flatMap((each) => values.map((value) => ({ ...each, [name]: value }))),
    [{}],
  );
}

function entry<Name, Value>(map: Map<Name, Map<string, Value>>, name: Name): Map<string, Value> {
  let series = map.get(name);
  if (series === undefined) map.set(name, series = new Map());
  return series;
}

function labelText(labels: Labels): string {
  const parts = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`);
  return parts.length === 0 ? "" : `{${parts.join(",")}}`;
}

function escapeLabel(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

function escapeHelp(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}
