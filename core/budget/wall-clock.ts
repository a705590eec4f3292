/** Whether the wall clock can be believed: a box without a battery starts in 1970, and deletes nothing by age then. */

/** No clock of a box that runs this build shows an earlier time. */
export const builtNs = BigInt(Date.UTC(2026, 10, 1)) * 1_000_000n;

/**
 * False while the wall clock is before this build, or before something that was already received.
 * @param newestIngestNs the newest ingest time that was ever stored (`ManifestState.newestIngestNs`)
 */
export function isTimeSynced(nowNs: bigint, newestIngestNs: bigint): boolean {
  return nowNs >= builtNs && nowNs >= newestIngestNs;
}
