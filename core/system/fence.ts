/** Words of maintenance may name files, and their paths tenants: only the asker's own stays. */
export function fencedWords(words: string | undefined, tenant: string): string | undefined {
  return words?.replaceAll(/\bparquet\/([a-z0-9_-]+)\//g, (path, of) => of === tenant ? path : "parquet/…/");
}
