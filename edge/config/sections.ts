/** The sections of the YAML file, in order, and what each is about. Their names are the original OpenWit's where one fits. */
import { type ConfigKeyName, configKeyNames } from "./keys.ts";

export type SectionName = ConfigKeyName extends infer Key
  ? Key extends `${infer Section}.${string}` ? Section : never
  : never;

export const sectionDocs: Readonly<Record<SectionName, string>> = {
  storage: "Where data lies, how much room it may take, and what goes when there is no more.",
  networking: "Who may reach this box, and where.",
  ingestion: "What is taken of one request.",
  wal: "The write-ahead log: what is acknowledged lies there first.",
  processing: "How rows become segments, and segments become larger ones.",
  memory: "The ceiling of the whole process.",
  search: "Bounds of statements, so that none takes the box from the others.",
  logging: "What the server says of itself on stderr.",
  metastore: "History beyond memory. Nothing needs it but questions of history.",
  control_plane:
    "How the box takes a new configuration, and what it stores of itself, so that it can be asked what happened (tenant " +
    "_system).",
};

export const sectionNames = Object.keys(sectionDocs) as readonly SectionName[];

export function keysOf(section: SectionName): readonly ConfigKeyName[] {
  return configKeyNames.filter((key) => key.startsWith(`${section}.`));
}
