/** What a package holds: files, links and folders, by their path in it. */
export type PackageEntry =
  & {
    /** Without a slash at its beginning or end. */
    readonly path: string;
  }
  & ({ readonly kind: "file"; readonly mode: number; readonly content: Uint8Array } | {
    readonly kind: "link";
    readonly target: string;
  } | { readonly kind: "folder"; readonly mode: number });

export function file(path: string, content: Uint8Array | string, mode = 0o644): PackageEntry {
  return { kind: "file", path, mode, content: typeof content === "string" ? Buffer.from(content) : content };
}

export function link(path: string, target: string): PackageEntry {
  return { kind: "link", path, target };
}

/** The entries with every folder above them, sorted, so that a folder comes before what is in it. */
export function withFolders(entries: readonly PackageEntry[]): PackageEntry[] {
  const all = new Map(entries.map((entry) => [entry.path, entry]));
  for (const { path } of entries) {
    for (let at = path.lastIndexOf("/"); at > 0; at = path.lastIndexOf("/", at - 1)) {
      const above = path.slice(0, at);
      if (!all.has(above)) all.set(above, { kind: "folder", path: above, mode: 0o755 });
    }
  }
  return [...all.values()].sort((a, b) => a.path < b.path ? -1 : 1);
}
