/** The bill of materials of one target: CycloneDX 1.6, JSON (ECMA-424). The same components give the same bytes. */
import { createHash } from "node:crypto";
import { version } from "../../edge/version.ts";
import type { Target } from "../targets.ts";
import type { Component } from "./components.ts";

/** What stands inside of a package of the lock file, and is not named there. */
const inside: Readonly<Record<string, readonly { name: string; licence: string; doc: string }[]>> = {
  "@electric-sql/pglite": [
    { name: "postgresql", licence: "PostgreSQL", doc: "compiled to WebAssembly" },
  ],
  "@oven/bun-": [
    {
      name: "bun",
      licence: "MIT",
      doc: "the runtime; github.com/oven-sh/bun/blob/main/LICENSE.md names its parts",
    },
    { name: "javascriptcore", licence: "LGPL-2.1-or-later", doc: "of WebKit, linked into the runtime" },
  ],
  "@duckdb/node-bindings-linux": [{ name: "duckdb", licence: "MIT", doc: "libduckdb.so" }],
};

export function sbomOf(components: readonly Component[], target: Target, timeSeconds: number): string {
  const document = {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: {
      timestamp: new Date(timeSeconds * 1000).toISOString(),
      component: {
        "bom-ref": "openwit",
        type: "application",
        name: "openwit",
        version,
        description: `for linux ${target.name}`,
        licenses: [{ license: { id: "Apache-2.0" } }],
      },
    },
    components: components.map((component) => ({
      "bom-ref": refOf(component),
      type: "library",
      ...scopedName(component.name),
      version: component.version,
      licenses: licences(component.licence),
      purl: refOf(component),
      ...(component.integrity === "" ? {} : { hashes: [hashOf(component.integrity)] }),
      ...contained(component),
    })),
    dependencies: [
      { ref: "openwit", dependsOn: components.map(refOf) },
      ...components.map((component) => ({
        ref: refOf(component),
        dependsOn: components.filter(({ name }) => component.needs.includes(name)).map(refOf),
      })),
    ],
  };
  const identity = createHash("sha256").update(JSON.stringify(document)).digest("hex");
  return JSON.stringify({ ...document, serialNumber: `urn:uuid:${uuidOf(identity)}` }, null, 2) + "\n";
}

function refOf({ name, version }: Component): string {
  return `pkg:npm/${name.replace("@", "%40")}@${version}`;
}

function scopedName(name: string) {
  const [, group, rest] = /^(?:(@[^/]+)\/)?(.+)$/.exec(name)!;
  return { ...(group === undefined ? {} : { group }), name: rest };
}

function licences(expression: string) {
  return / (OR|AND|WITH) /.test(expression) ? [{ expression }] : [{ license: { id: expression } }];
}

function hashOf(integrity: string) {
  return { alg: "SHA-512", content: Buffer.from(integrity.replace("sha512-", ""), "base64").toString("hex") };
}

function contained({ name, version }: Component) {
  const found = Object.entries(inside).find(([prefix]) => name.startsWith(prefix));
  if (found === undefined) return {};
  return {
    components: found[1].map((part) => ({
      "bom-ref": `${name}@${version}#${part.name}`,
      type: "library",
      name: part.name,
      description: part.doc,
      licenses: licences(part.licence),
    })),
  };
}

/** Version 8 of RFC 9562: bits of one's own choice, here those of a hash. */
function uuidOf(hex: string): string {
  const bits = `${hex.slice(0, 12)}8${hex.slice(13, 16)}a${hex.slice(17, 32)}`;
  return bits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
