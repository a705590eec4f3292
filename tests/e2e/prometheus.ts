/** A strict reader of the Prometheus text format 0.0.4: https://prometheus.io/docs/instrumenting/exposition_formats/ */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Family {
  readonly help: string;
  readonly type: string;
  readonly samples: readonly Sample[];
}

/** By name. Throws for a line that is none, and for samples that do not stand behind their own HELP and TYPE. */
export function parseMetrics(text: string): Map<string, Family> {
  if (!text.endsWith("\n")) throw new Error("the last line does not end");
  const families = new Map<string, { help: string; type: string; samples: Sample[] }>();
  let current = "";
  for (const line of text.slice(0, -1).split("\n")) {
    const help = /^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) ((?:[^\\]|\\[\\n])+)$/.exec(line);
    if (help !== null) {
      if (families.has(help[1])) throw new Error(`${help[1]} comes twice`);
      current = help[1];
      families.set(current, { help: help[2], type: "", samples: [] });
      continue;
    }
    const type = /^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram)$/.exec(line);
    if (type !== null) {
      const family = families.get(current)!;
      if (type[1] !== current || family.type !== "") {
        throw new Error(`a TYPE that is not behind its HELP: ${line}`);
      }
      family.type = type[2];
      continue;
    }
    const sample = sampleOf(line);
    const family = families.get(current);
    if (family === undefined || family.type === "") throw new Error(`a sample without a TYPE: ${line}`);
    const base = family.type === "histogram" ? sample.name.replace(/_(bucket|sum|count)$/, "") : sample.name;
    if (base !== current) throw new Error(`a sample of another family: ${line}`);
    family.samples.push(sample);
  }
  for (const [name, { type, samples }] of families) check(name, type, samples);
  return families;
}

function sampleOf(line: string): Sample {
  const parts = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|NaN|[+-]Inf)$/.exec(
    line,
  );
  if (parts === null) throw new Error(`not a sample: ${line}`);
  const labels: Record<string, string> = {};
  let rest = parts[2] ?? "";
  while (rest !== "") {
    const label = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\["\\n])*)"(?:,(?=.)|$)/.exec(rest);
    if (label === null || label[1] in labels) throw new Error(`not labels: ${line}`);
    labels[label[1]] = label[2];
    rest = rest.slice(label[0].length);
  }
  return { name: parts[1], labels, value: Number(parts[3].replace("Inf", "Infinity")) };
}

/** No series twice; no counter below 0; each histogram's buckets grow up to +Inf, which is its count. */
function check(name: string, type: string, samples: readonly Sample[]): void {
  const keys = samples.map(({ name, labels }) => name + JSON.stringify(Object.entries(labels).sort()));
  if (new Set(keys).size !== keys.length) throw new Error(`${name} has a series twice`);
  if (type !== "gauge" && samples.some(({ value }) => !(value >= 0))) throw new Error(`${name} is below 0`);
  if (type !== "histogram") return;
  const bySeries = Map.groupBy(samples, ({ labels: { le: _, ...others } }) => JSON.stringify(others));
  for (const [series, of] of bySeries) {
    const buckets = of.filter((each) => each.name === `${name}_bucket`);
    const values = buckets.map(({ value }) => value);
    const isGrowing = values.every((value, at) => at === 0 || value >= values[at - 1]);
    const count = of.find((each) => each.name === `${name}_count`)?.value;
    const hasSum = of.some((each) => each.name === `${name}_sum`);
    if (!isGrowing || !hasSum || buckets.at(-1)?.labels.le !== "+Inf" || values.at(-1) !== count) {
      throw new Error(`${name} ${series} is no histogram`);
    }
  }
}
