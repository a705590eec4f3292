/**
 * What of a box OpenWit takes, when nobody says: numbers that go into openwit.yaml once, where a person reads and
 * changes them. They rest on what does not change by itself, so that a second installation finds the same.
 */

/** What a box has. */
export interface BoxFacts {
  /** Memory of the machine, or of the control group where that is less. */
  readonly memoryBytes: number;
  /** Cores, or the CPU quota of the control group where that is less. */
  readonly cores: number;
  /** Of the volume of the data folder. */
  readonly volumeBytes: number;
  /** Whether the system itself is on that volume. */
  readonly isSystemVolume: boolean;
}

export interface Sizes {
  readonly memoryBytes: number;
  readonly budgetPercent: number;
  readonly searchThreads: number;
  /** A line for each: why. */
  readonly why: { readonly memory: string; readonly budget: string; readonly threads: string };
}

const mib = 1024 * 1024;

/** Less is not kept: the runtime and the SQL engine alone take 150 MiB (docs/reliability.md, "Memory"). */
const memoryBytesMin = 256 * mib;
const memoryBytesMax = 4_096 * mib;
/** Other programs of the box, and the page cache that queries live on, have the rest. */
const memoryShare = 0.25;
const threadsMax = 8;

export function pickSizes(box: BoxFacts): Sizes {
  const share = Math.floor(box.memoryBytes * memoryShare / (64 * mib)) * 64 * mib;
  const memoryBytes = Math.min(memoryBytesMax, Math.max(memoryBytesMin, share));
  const budgetPercent = box.isSystemVolume ? 50 : 80;
  const searchThreads = Math.min(threadsMax, Math.max(1, Math.floor(box.cores)));
  return {
    memoryBytes,
    budgetPercent,
    searchThreads,
    why: {
      memory: `a quarter of the ${
        sizeText(box.memoryBytes)
      } that this box has, at least 256MiB, at most 4GiB`,
      budget: box.isSystemVolume
        ? `of the ${sizeText(box.volumeBytes)} of the volume, which the system is on too`
        : `of the ${sizeText(box.volumeBytes)} of the volume, which is for data alone`,
      threads: `one for each of ${box.cores} ${box.cores === 1 ? "core" : "cores"}, at most ${threadsMax}`,
    },
  };
}

/** As the configuration writes a size: `512MiB`. */
export function sizeText(bytes: number): string {
  if (!Number.isFinite(bytes)) return "unknown size";
  const gib = bytes / (1024 * mib);
  if (gib < 1) return `${Math.round(bytes / mib)}MiB`;
  return `${Number.isInteger(gib) ? gib : gib.toFixed(1)}GiB`;
}
