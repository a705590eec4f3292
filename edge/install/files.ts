/** The text of the files that an installation writes. */
import { sampleYaml } from "../config/render.ts";
import type { Layout } from "./layout.ts";
import { type Sizes, sizeText } from "./sizing.ts";

/** openwit.yaml of this box: every key with its meaning, and what was picked for it. */
export function configText({ dataDir, scope, configFile }: Layout, sizes: Sizes): string {
  const { memory, budget, threads } = sizes.why;
  const control = scope === "system" ? "systemctl" : "systemctl --user";
  return sampleYaml({
    "storage.data_dir": dataDir,
    "storage.budget": `${sizes.budgetPercent}%`,
    "memory.limit": sizeText(sizes.memoryBytes),
    "search.threads": String(sizes.searchThreads),
  }, [
    "Configuration of OpenWit on this box. Every key is here: take the # away to set another value than the default.",
    `Picked for this box: storage.budget ${sizes.budgetPercent}%, ${budget}; ` +
    `memory.limit ${sizeText(sizes.memoryBytes)}, ${memory}; ` +
    `search.threads ${sizes.searchThreads}, ${threads}.`,
    `"openwit config check --config ${configFile}" says whether it is right; "${control} reload openwit" has it read again.`,
    ...(scope === "user" ? [] : [
      `A data folder elsewhere must be allowed to the service too: "systemctl edit openwit", ReadWritePaths=.`,
    ]),
  ]);
}

/** Variables of the service. */
export function environmentText({ configFile }: Layout): string {
  return `# Variables of the service openwit (systemd.exec(5), EnvironmentFile=). They go before ${configFile}:
# OPENWIT_ and the key in capitals, "__" between levels.
#
# OPENWIT_MEMORY__LIMIT=512MiB
`;
}

/** Makes the user of the service (sysusers.d(5)). */
export const sysusersFile = "/usr/lib/sysusers.d/openwit.conf";
export const sysusersText = `u openwit - "OpenWit" /var/lib/openwit /usr/sbin/nologin\n`;
