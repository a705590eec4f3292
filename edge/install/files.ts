/** The text of the files that an installation writes. */
import type { Layout } from "./layout.ts";
import { type Sizes, sizeText } from "./sizing.ts";

/** openwit.yaml of this box. Other keys have their defaults: docs/configuration.md. */
export function configText({ dataDir, scope }: Layout, sizes: Sizes): string {
  const edit = scope === "system" ? "systemctl edit openwit" : "systemctl --user edit openwit";
  return `# Configuration of OpenWit on this box. All keys, their meaning and their defaults:
#   openwit serve --help, and docs/configuration.md
# "openwit config check --config FILE" says whether it is right; "${reloadCommand(scope)}" has it read again.

storage:
  # All data. ${
    scope === "system"
      ? `Another folder must be allowed to the service as well: ${edit}, ReadWritePaths=`
      : "It must belong to this user."
  }
  data_dir: ${yaml(dataDir)}
  # Before this is full, the oldest hours go: ${sizes.why.budget}.
  budget: ${sizes.budgetPercent}%

memory:
  # ${sentence(sizes.why.memory)}.
  limit: ${sizeText(sizes.memoryBytes)}

search:
  # ${sentence(sizes.why.threads)}.
  threads: ${sizes.searchThreads}

# Other machines may send once this is set; there is no login yet, so the network must be yours alone.
# networking:
#   otlp_grpc: 0.0.0.0:4317
#   otlp_http: 0.0.0.0:4318
#   insecure: true
`;
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

function reloadCommand(scope: Layout["scope"]): string {
  return scope === "system" ? "systemctl reload openwit" : "systemctl --user reload openwit";
}

function sentence(text: string): string {
  return text[0].toUpperCase() + text.slice(1);
}

/** A plain scalar where that is one, else double quotes, which are JSON's. */
function yaml(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : JSON.stringify(text);
}
