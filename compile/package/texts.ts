/** Documents that a Debian package has to have: its changelog and its copyright. */
import type { Component } from "./components.ts";

export const maintainer = "OpenWit developers <openwit@example.org>";

/**
 * The entries of CHANGELOG.md for one version, as deb-changelog(5) wants them; those that are not released yet where the
 * version has none.
 */
export function debChangelog(markdown: string, version: string, timeSeconds: number): string {
  const sections = markdown.split(/^## /m).slice(1);
  const section = sections.find((each) => each.startsWith(`[${version}]`)) ?? sections[0] ?? "";
  const entries = [...section.matchAll(/^- (.*(?:\n {2}.*)*)/gm)].map(([, text]) =>
    wrapped(text.replace(/\s+/g, " "))
  );
  const date = new Date(timeSeconds * 1000).toUTCString().replace("GMT", "+0000");
  return `openwit (${version}) unstable; urgency=medium\n\n${
    entries.map((lines) => `  * ${lines.join("\n    ")}\n`).join("")
  }\n -- ${maintainer}  ${date}\n`;
}

/** Lines of 80 with what stands before them. */
function wrapped(text: string): string[] {
  return text.match(/\S.{0,75}(?= |$)|\S{76,}/g) ?? [];
}

/** In the machine-readable format 1.0 (DEP-5). */
export function debCopyright(components: readonly Component[], timeSeconds: number): string {
  const parts = components.map(({ name, version, licence }) => ` ${name} ${version}: ${licence}`);
  return `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: openwit
Comment:
 The executable holds these parts; their licences and notices in full are in third-party-licences.gz beside this file,
 and sbom.cdx.json says more of them.
${parts.join("\n")}

Files: *
Copyright: ${new Date(timeSeconds * 1000).getUTCFullYear()} OpenWit developers
License: Apache-2.0
 On Debian systems the text of the Apache License, version 2.0, is in /usr/share/common-licenses/Apache-2.0.
`;
}
