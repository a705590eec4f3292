/** A support bundle of a data folder on which no server runs, or none that answers: what is there is read, not changed. */
import { silentLog } from "../../core/env/log.ts";
import type { OpenWitError } from "../../core/error.ts";
import { readManifest } from "../../core/manifest/reader.ts";
import { again } from "../../core/verify/again.ts";
import type { Config } from "../config/config.ts";
import type { ShownSetting } from "../config/shown.ts";
import { NodeDisk } from "../disk/disk.ts";
import { checkBox } from "../doctor/doctor.ts";
import { Redactor } from "../log/redact.ts";
import type { BundleSource } from "./bundle.ts";
import { folderSummary, manifestSummary, quarantineSummary, segmentsSummary } from "./folder.ts";
import { machineFacts, versions } from "./machine.ts";

export interface FolderOfBundle {
  /** Absolute. */
  readonly dataDir: string;
  readonly config: Config;
  /** Why the configuration cannot be read; `config` is the default one then. */
  readonly configProblem?: OpenWitError;
  /** As they may be shown. */
  readonly settings: readonly ShownSetting[];
}

export function offlineBundle(of: FolderOfBundle): BundleSource {
  const { dataDir, config, configProblem, settings } = of;
  const redactor = new Redactor();
  redactor.hide(config.metastore.url);
  const state = async () => (await again(() => readManifest(new NodeDisk(dataDir), silentLog, true))).live;
  return {
    redactor,
    files: [
      { name: "versions.json", why: "Which build this is.", gather: versions },
      {
        name: "machine.json",
        why: "Processor, memory, limits, kernel, and the volume of the data.",
        gather: () => machineFacts(dataDir),
      },
      {
        name: "doctor.json",
        why: "What openwit doctor finds.",
        gather: () => checkBox(of),
      },
      {
        name: "config.json",
        why: "The configuration as a start here and now would have it, secrets hidden.",
        gather: () => configProblem === undefined ? { settings } : { problem: configProblem.message },
      },
      {
        name: "segments.json",
        why: "Segments by tenant, signal and level: counts, bytes, times.",
        gather: async () => segmentsSummary(await state(), new Map()),
      },
      {
        name: "manifest.json",
        why: "How far each stream is written.",
        gather: async () => manifestSummary(await state()),
      },
      { name: "folder.json", why: "What takes the space.", gather: () => folderSummary(dataDir) },
      {
        name: "quarantine.json",
        why: "Names and reasons of what could not be read; not what is in it.",
        gather: () => quarantineSummary(dataDir),
      },
      {
        name: "log.txt",
        why: "Where the log is.",
        gather: () =>
          "No server answered, so its last lines are not here. A server that runs as a service logs to the " +
          "journal:\n  journalctl -u openwit --since -2d\n",
      },
    ],
  };
}
