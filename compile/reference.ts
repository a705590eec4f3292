/**
 * Writes the references in docs/ from the tables in the code: columns, configuration keys, metrics, routes.
 * `node compile/bun.mjs compile/reference.ts` rewrites them; tests/house/reference.test.ts holds them current.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Metric, metricTable } from "../core/metrics/names.ts";
import {
  type Column,
  columnsOf,
  type ColumnType,
  schemaVersion,
  signals,
  timeColumnOf,
} from "../core/model/columns.ts";
import { sqlType } from "../core/model/sql.ts";
import type { ParameterTable } from "../edge/api/parameters.ts";
import { routeDocs } from "../edge/api/reference.ts";
import { type RouteDoc, routeGroups } from "../edge/api/route.ts";
import { type ConfigKey, type ConfigKeyName, configKeys } from "../edge/config/keys.ts";
import { originalKeys } from "../edge/config/original.ts";
import { formOf } from "../edge/config/render.ts";
import { keysOf, sectionDocs, sectionNames } from "../edge/config/sections.ts";
import { environmentName } from "../edge/config/settings.ts";

/** Name of each reference in docs/, with its text. */
export const references: Readonly<Record<string, () => string>> = {
  "schema.md": schemaReference,
  "configuration.md": configurationReference,
  "metrics.md": metricsReference,
  "api.md": apiReference,
};

const note = "<!-- Written by compile/reference.ts from the code's own table; edit that. -->\n\n";

function schemaReference(): string {
  return `${note}# Schema

Version ${schemaVersion}. The same columns in SQL, in Arrow and in the Parquet files. Field ids are permanent: they never change meaning,
and are not used again. Times are nanoseconds since 1970 UTC (\`TIMESTAMP_NS\`, without a zone). How attribute values
of other types than string are written, and read back exactly: [core/model/value.ts](../core/model/value.ts).

${signals.map(tableOf).join("\n")}`;
}

function tableOf(signal: (typeof signals)[number]): string {
  const title = signal === "spans" ? "spans (also as `traces`)" : signal;
  const rows = columnsOf[signal].flatMap((column) => rowsOf(column, ""));
  return `## ${title}

Ordered in time by \`${timeColumnOf[signal]}\`.

| column | id | SQL type | meaning |
|---|---|---|---|
${rows.join("\n")}
`;
}

function rowsOf(column: Column, prefix: string): string[] {
  const { name, id, type, doc } = column;
  const nested = type.kind === "list" && type.element.kind === "struct" ? type.element.fields : [];
  const written = nested.length > 0 ? "list of structs" : `\`${sqlType(type)}\``;
  return [
    `| \`${prefix}${name}\` | ${[id, ...innerIds(type)].join(", ")} | ${written} | ${doc} |`,
    ...nested.flatMap((field) => rowsOf(field, `${prefix}${name}[].`)),
  ];
}

/** Ids of a map's key and value, and of a list's element. */
function innerIds(type: ColumnType): number[] {
  if (type.kind === "map") return [type.keyId, type.valueId];
  return type.kind === "list" ? [type.elementId] : [];
}

function configurationReference(): string {
  const sections = sectionNames.map((section) =>
    `## ${section}

${sectionDocs[section]}

| key | values | default | flag of \`serve\` | reload | meaning |
|---|---|---|---|---|---|
${keysOf(section).map(configRow).join("\n")}
`
  );
  return `${note}# Configuration

A flag wins over the environment, the environment over the overlay (\`openwit.NAME.yaml\`), the overlay over the file
(\`--config FILE\`, YAML, a section for each word before the dot), the file over the default. Each key can be set by an
environment variable: \`storage.budget\` by \`${
    environmentName("storage.budget")
  }\`. Unknown keys are refused. Sizes are written
as \`512MiB\`, durations as \`15m\`; \`\${VAR:-default}\` in a file is replaced from the environment. What \`reload\` says: a
running server takes the new value of a *live* key when its configuration is reloaded, of the others when it starts again.

How to work with it: [config-guide.md](config-guide.md). A file with all of this as comments: \`openwit config sample\`.

${sections.join("\n")}
## Keys of the original OpenWit

A file of the original is not taken as it is. Each of its keys that is refused names ours.

| the original's | here |
|---|---|
${
    Object.entries(originalKeys).map(([key, { ours, note }]) => {
      const texts = [...ours === undefined ? [] : [`\`${ours}\``], ...note === undefined ? [] : [note]];
      return `| \`${key}\` | ${texts.join("; ")} |`;
    }).join("\n")
  }
`;
}

function configRow(key: ConfigKeyName): string {
  const { default: fallback, flag, reload, secret, doc } = configKeys[key] as ConfigKey;
  const values = formOf(key).replaceAll(" | ", ", ");
  const written = fallback === "" ? "" : `\`${fallback}\``;
  const meaning = secret ? `${doc} A secret: it is never shown.` : doc;
  return `| \`${key}\` | ${values} | ${written} | ${
    flag === undefined ? "" : `\`--${flag}\``
  } | ${reload} | ${meaning} |`;
}

function metricsReference(): string {
  const rows = Object.entries(metricTable as Record<string, Metric>).map(
    ([name, { type, unit, labels, help }]) => {
      const described = Object.entries(labels).map(([label, values]) =>
        values.length === 0 ? `\`${label}\`` : `\`${label}\`: ${values.join(", ")}`
      );
      return `| \`${name}\` | ${type} | ${unit} | ${described.join("; ")} | ${help} |`;
    },
  );
  return `${note}# Metrics

What \`GET /metrics\` serves, in the Prometheus text format, and what the node stores of itself as tenant \`_system\`;
what to watch of it: [watch.md](watch.md).

| name | type | unit | labels | meaning |
|---|---|---|---|---|
${rows.join("\n")}
`;
}

function apiReference(): string {
  return `${note}# HTTP API

On the port of \`--http\` (6318), and as an OpenAPI 3.1 document at \`/api/v1/openapi.json\`. The tenant is that of the header \`X-Scope-OrgID\`, or \`default\`. A GET takes its parameters
from the query string, a POST from a JSON object of the same names, one under \`/api/v1/admin\` from the query string; a list is a name that comes again, or a list. A
parameter that is unknown or wrong is refused with 400 and the nearest name.

An answer in JSON ends with what it covers: \`coverage\` (\`since\`, \`until\`, \`tiers\`, \`missing\` segments, \`limited\`),
\`partial\` and \`warnings\`; see [query.md](query.md#answers). The header \`X-OpenWit-Partial\` says the same in a word. Times
are ISO 8601 with nine decimals and integers of 64 bits are text, so that nothing is lost. An error is
\`{"error":{"code","message","hint","retryable","position"}}\`. A client that goes away cancels what it asked.

${
    Object.entries(routeGroups).map(([group, title]) =>
      `## ${title}\n\n${routeDocs.filter((doc) => doc.group === group).map(routeReference).join("\n")}`
    ).join("\n")
  }`;
}

function routeReference({ methods, path, summary, pathParameters, parameters, ...rest }: RouteDoc): string {
  const { answer, notes, example } = rest;
  const inPath = Object.entries(pathParameters ?? {}).map(([name, { doc }]) =>
    `| \`{${name}}\` | of the path | | ${doc} |`
  );
  const rows = Object.entries(parameters as ParameterTable).map(
    ([name, { type, doc, default: fallback }]) => {
      const values = typeof type === "string" ? type : type.map((word) => `\`${word}\``).join(", ");
      return `| \`${name}\` | ${values} | ${fallback === undefined ? "" : `\`${fallback}\``} | ${doc} |`;
    },
  );
  const table = [...inPath, ...rows];
  return `### \`${methods.join("|")} ${path}\`

${summary}

${
    table.length === 0
      ? ""
      : `| parameter | type | default | meaning |\n|---|---|---|---|\n${table.join("\n")}\n\n`
  }\`\`\`text
${answer}
\`\`\`
${notes === undefined ? "" : `\n${notes}\n`}
\`\`\`sh
${example}
\`\`\`
`;
}

if (import.meta.main) {
  const docs = join(import.meta.dir, "../docs");
  for (const [name, text] of Object.entries(references)) await writeFile(join(docs, name), text());
}
