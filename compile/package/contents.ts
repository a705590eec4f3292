/** What stands where in the packages. The native library lies beside the executable, which looks there alone. */
import { gzipSync } from "node:zlib";
import { environmentText } from "../../edge/install/files.ts";
import { layoutOf } from "../../edge/install/layout.ts";
import { sampleYaml } from "../../edge/config/render.ts";
import { packagedUnit, systemdUnit, unitName } from "../../edge/systemd/unit.ts";
import { addonName, libraryName } from "../native/load.ts";
import { type DebControl, debVersion } from "./deb.ts";
import { file, link, type PackageEntry } from "./entry.ts";
import { libraryFolder, maintainerScripts } from "./maintainer.ts";
import { maintainer } from "./texts.ts";

/** What a package is put together from. */
export interface Parts {
  /** Of DuckDB beside it, not inside. */
  readonly executable: Uint8Array;
  readonly library: Uint8Array;
  readonly addon: Uint8Array;
  readonly manPages: Readonly<Record<"openwit.1" | "openwit.yaml.5", string>>;
  readonly completions: Readonly<Record<"bash" | "zsh" | "fish", string>>;
  readonly sbom: string;
  /** Licences and notices of what is inside. */
  readonly notices: string;
  readonly licence: string;
  readonly readme: string;
  readonly install: string;
  /** How to watch a box, and alerts for Prometheus. */
  readonly watch: string;
  readonly alerts: string;
  readonly changelog: string;
  readonly copyright: string;
}

/** A folder that can be put anywhere, by anybody. */
export function tarballEntries(parts: Parts, folder: string): PackageEntry[] {
  const { manPages, completions } = parts;
  return [
    file("openwit", parts.executable, 0o755),
    file(libraryName, parts.library),
    file(addonName, parts.addon),
    file("README.md", parts.readme),
    file("INSTALL.md", parts.install),
    file("WATCH.md", parts.watch),
    file("alerts/openwit.rules.yml", parts.alerts),
    file("LICENSE", parts.licence),
    file("third-party-licences.txt", parts.notices),
    file("sbom.cdx.json", parts.sbom),
    file("openwit.yaml", sampleYaml()),
    file("man/openwit.1", manPages["openwit.1"]),
    file("man/openwit.yaml.5", manPages["openwit.yaml.5"]),
    file("completions/openwit.bash", completions.bash),
    file("completions/_openwit", completions.zsh),
    file("completions/openwit.fish", completions.fish),
  ].map((entry) => ({ ...entry, path: `${folder}/${entry.path}` }));
}

export function debEntries(parts: Parts): PackageEntry[] {
  const { manPages, completions } = parts;
  const within = (path: string) => path.replace(/^\//, "");
  const share = "usr/share";
  const layout = layoutOf({ scope: "system" }, {});
  return [
    file(within(`${libraryFolder}/openwit`), parts.executable, 0o755),
    file(within(`${libraryFolder}/${libraryName}`), parts.library),
    file(within(`${libraryFolder}/${addonName}`), parts.addon),
    link(within(packagedUnit.executable), "../lib/openwit/openwit"),
    // 0640: may come to hold a password. postinst gives them to the group of the service.
    file(within(packagedUnit.configFile), configText(packagedUnit.dataDir), 0o640),
    file(within(packagedUnit.environmentFile), environmentText(layout), 0o640),
    file(`lib/systemd/system/${unitName}`, systemdUnit(packagedUnit)),
    file(`${share}/man/man1/openwit.1.gz`, packed(manPages["openwit.1"])),
    file(`${share}/man/man5/openwit.yaml.5.gz`, packed(manPages["openwit.yaml.5"])),
    file(`${share}/bash-completion/completions/openwit`, completions.bash),
    file(`${share}/zsh/vendor-completions/_openwit`, completions.zsh),
    file(`${share}/fish/vendor_completions.d/openwit.fish`, completions.fish),
    file(`${share}/doc/openwit/copyright`, parts.copyright),
    file(`${share}/doc/openwit/changelog.gz`, packed(parts.changelog)),
    file(`${share}/doc/openwit/third-party-licences.gz`, packed(parts.notices)),
    file(`${share}/doc/openwit/sbom.cdx.json`, parts.sbom),
    file(`${share}/doc/openwit/watch.md.gz`, packed(parts.watch)),
    file(`${share}/doc/openwit/alerts/openwit.rules.yml`, parts.alerts),
    file(`${share}/lintian/overrides/openwit`, lintianOverrides),
  ];
}

export function debControl(version: string, architecture: "amd64" | "arm64"): DebControl {
  return {
    fields: {
      Package: "openwit",
      Version: debVersion(version),
      Section: "database",
      Priority: "optional",
      Architecture: architecture,
      Maintainer: maintainer,
      "Pre-Depends": "init-system-helpers (>= 1.54~)",
      // What `objdump -T` finds in the executable and the library of DuckDB.
      Depends: "libc6 (>= 2.27), libgcc-s1 (>= 3.0), libstdc++6 (>= 6), adduser",
      Description: description,
    },
    conffiles: [packagedUnit.configFile, packagedUnit.environmentFile],
    scripts: maintainerScripts,
  };
}

function configText(dataDir: string): string {
  return sampleYaml({ "storage.data_dir": dataDir });
}

/** gzip, with no name and no time inside. */
function packed(text: string): Uint8Array {
  return gzipSync(text, { level: 9 });
}

const description = [
  "observability database for logs, traces and metrics",
  " OpenWit receives OpenTelemetry data over OTLP, keeps every acknowledged record",
  " on this machine's own disk as Parquet, within a byte budget, and answers SQL.",
].join("\n");

/** What lintian finds and stays: each with its reason. */
const lintianOverrides = `# Bun's executable has its program appended, which strip would cut off.
openwit: unstripped-binary-or-object [usr/lib/openwit/*]
# The runtime has its libraries inside: it is one file that runs on every distribution.
openwit: embedded-library *
# It is built by its makers to run at a fixed address.
openwit: hardening-no-pie [usr/lib/openwit/openwit]
openwit: hardening-no-relro [usr/lib/openwit/openwit]
# They may come to hold a password.
openwit: non-standard-file-perm 0640 != 0644 [etc/*]
`;
