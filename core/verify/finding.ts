/** What a check of a data folder found wrong: where, what was there, what should be, and what to do about it. */

/** The closed set of what can be wrong; each says how bad it is and what to do. */
export const findingKinds = {
  manifest_lost: { costs: true, hint: "openwit manifest rebuild reads it back from the segments" },
  manifest_damaged: { costs: true, hint: "openwit manifest rebuild reads it back from the segments" },
  manifest_torn: {
    costs: false,
    hint: "an edit that was cut off never counted; a start or --repair cuts it",
  },
  manifest_old: { costs: false, hint: "a start or --repair removes it: a newer file took its place" },
  wal_gap: { costs: true, hint: "records round it are kept; --repair puts these bytes into quarantine" },
  wal_torn: {
    costs: false,
    hint: "usual after a power cut: never acknowledged; a start or --repair cuts them",
  },
  wal_record: { costs: true, hint: "the next start puts this request into quarantine and goes on" },
  wal_hashes: {
    costs: false,
    hint: "a request sent again within ten minutes of the last start may be doubled",
  },
  segment_missing: {
    costs: true,
    hint: "bring the file back from a backup, or --repair takes it off the manifest",
  },
  segment_size: {
    costs: true,
    hint: "bring the file back from a backup, or --repair puts it into quarantine",
  },
  segment_footer: {
    costs: true,
    hint: "bring the file back from a backup, or --repair puts it into quarantine",
  },
  segment_mismatch: {
    costs: true,
    hint: "--repair puts it into quarantine; openwit inspect shows its footer",
  },
  segment_checksum: {
    costs: true,
    hint: "bring the file back from a backup, or --repair puts it into quarantine",
  },
  segment_rows: {
    costs: true,
    hint: "bring the file back from a backup, or --repair puts it into quarantine",
  },
  index_damaged: {
    costs: false,
    hint: "answers stay right, and are slower; --repair removes it and a server builds it anew",
  },
  orphan_covered: { costs: false, hint: "a start or --repair removes it: its rows are kept elsewhere" },
  orphan: { costs: true, hint: "--repair puts it into quarantine; nothing reads it" },
  temporary: { costs: false, hint: "a start or --repair removes it: it was never finished" },
  foreign: { costs: false, hint: "it is none of ours; move it out of the data folder" },
  newer_version: { costs: true, hint: "start the version of OpenWit that wrote it; it is left as it is" },
} as const satisfies Record<string, { readonly costs: boolean; readonly hint: string }>;

export type FindingKind = keyof typeof findingKinds;

export interface Finding {
  readonly kind: FindingKind;
  /** Within the data folder. */
  readonly path: string;
  readonly found: string;
  readonly expected: string;
  /** What to do. */
  readonly hint: string;
  /** Whether it may cost acknowledged rows; the rest is litter that a start sweeps. */
  readonly costs: boolean;
  /** The manifest's id of the segment, where it is one's. */
  readonly segment?: string;
}

export function finding(
  kind: FindingKind,
  path: string,
  found: string,
  expected: string,
  segment?: string,
): Finding {
  return {
    kind,
    path,
    found,
    expected,
    ...findingKinds[kind],
    ...(segment === undefined ? {} : { segment }),
  };
}
