/** A support bundle of a running node, from what it has in memory and in its folder. */
import { statusOf } from "../api/status.ts";
import { tasksDocument } from "../api/admin/tasks.ts";
import { recentBatches } from "../api/admin/listing.ts";
import { retentionOf } from "../api/admin/retention.ts";
import { configDocument } from "../api/admin/config.ts";
import { checkOwnBox } from "../doctor/doctor.ts";
import { formatEvent } from "../log/format.ts";
import type { Node } from "../server/node.ts";
import type { BundleFile, BundleSource } from "./bundle.ts";
import { folderSummary, manifestSummary, quarantineSummary, segmentsSummary } from "./folder.ts";
import { machineFacts, versions } from "./machine.ts";

/** Batches that are listed, the newest. */
const batchesMax = 500;

export function serverBundle(node: Node): BundleSource {
  const files: BundleFile[] = [
    { name: "versions.json", why: "Which build this is.", gather: versions },
    {
      name: "machine.json",
      why: "Processor, memory, limits, kernel, and the volume of the data.",
      gather: () => machineFacts(node.dataDir),
    },
    { name: "status.json", why: "What openwit status shows.", gather: () => statusOf(node) },
    { name: "health.json", why: "How each component is, and why.", gather: () => node.health() },
    {
      name: "doctor.json",
      why: "What openwit doctor finds, from inside of the server.",
      gather: () => checkOwnBox({ dataDir: node.dataDir, config: node.config }),
    },
    {
      name: "config.json",
      why: "The configuration in force, secrets hidden.",
      gather: () => configDocument(node),
    },
    {
      name: "metrics.txt",
      why: "Everything that is counted, as /metrics has it.",
      gather: () => node.metrics.render(),
    },
    {
      name: "log.txt",
      why: "The last lines of the server's log.",
      gather: () => node.recentLogs().map((event) => formatEvent(event, "text", false)).join(""),
    },
    {
      name: "tasks.json",
      why: "Maintenance: what is due, what was done.",
      gather: () => tasksDocument(node, 1_000),
    },
    {
      name: "batches.json",
      why: "How far the newest batches have come, and what keeps any from being stored.",
      gather: () => recentBatches(node, batchesMax),
    },
    {
      name: "retention.json",
      why: "How long records are kept, and what would go now.",
      gather: () => retentionOf(node),
    },
    {
      name: "segments.json",
      why: "Segments by tenant, signal and level: counts, bytes, times.",
      gather: () => segmentsSummary(node.store().manifest.state, node.store().damaged),
    },
    {
      name: "manifest.json",
      why: "How far each stream is written.",
      gather: () => manifestSummary(node.store().manifest.state),
    },
    { name: "folder.json", why: "What takes the space.", gather: () => folderSummary(node.dataDir) },
    {
      name: "quarantine.json",
      why: "Names and reasons of what could not be read; not what is in it.",
      gather: () => quarantineSummary(node.dataDir),
    },
  ];
  return { files, redactor: node.logging.redactor };
}
