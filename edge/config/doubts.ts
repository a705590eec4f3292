/** What a configuration says that can hardly be meant: nothing is wrong with it, and `config check` warns of it. */
import { pgliteMemoryBytesMin } from "./config.ts";
import type { ConfigKeyName } from "./keys.ts";
import { type Configuration, whereOf } from "./settings.ts";

export interface Doubt {
  readonly message: string;
  readonly hint: string;
}

export function configDoubts({ settings, config }: Configuration): Doubt[] {
  const where = (key: ConfigKeyName) => whereOf(key, settings[key]);
  const isSet = (key: ConfigKeyName) => settings[key].source.kind !== "default";
  const doubts: readonly (readonly [isDoubtful: boolean, message: string, hint: string])[] = [
    [
      config.metastore.kind === "pglite" && config.memoryBytesMax < pgliteMemoryBytesMin,
      `${where("metastore.kind")} is pglite, which stays closed while memory.limit is below 1GiB`,
      "raise memory.limit, or leave metastore.kind out",
    ],
    [
      "bytes" in config.searchMemory && config.searchMemory.bytes >= config.memoryBytesMax,
      `${
        where("search.memory_max")
      } is as much as memory.limit: records would find no memory beside a statement`,
      "a share such as 35% follows memory.limit",
    ],
    [
      isSet("wal.interval") && config.wal.sync !== "interval",
      `${
        where("wal.interval")
      } is set, and counts only when wal.sync is interval, which is ${config.wal.sync}`,
      "leave it out, or set wal.sync",
    ],
    [
      config.bodyBytesMax > config.decodedBytesMax,
      `${
        where("ingestion.body_max")
      } is more than ingestion.decoded_max, which bounds a body however it comes`,
      "raise ingestion.decoded_max, or lower ingestion.body_max",
    ],
  ];
  return doubts.filter(([isDoubtful]) => isDoubtful).map(([, message, hint]) => ({ message, hint }));
}
