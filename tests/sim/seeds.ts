/**
 * Which seeds a simulation runs: `SEED=n` replays one, `SIM_SEEDS=n` runs the first n (100 unless said otherwise).
 *
 *   SEED=17 node compile/bun.mjs test tests/sim/wal.test.ts
 */
export function simSeeds(): number[] {
  if (process.env.SEED !== undefined) return [Number(process.env.SEED)];
  return Array.from({ length: Number(process.env.SIM_SEEDS ?? 100) }, (_, index) => index + 1);
}

/** Runs each seed; a failure names it. */
export async function forEachSeed(
  seeds: readonly number[],
  run: (seed: number) => Promise<void>,
): Promise<void> {
  for (const seed of seeds) {
    try {
      await run(seed);
    } catch (cause) {
      throw new Error(
        `seed ${seed}: ${cause instanceof Error ? cause.message : cause} (SEED=${seed} replays it)`,
        {
          cause,
        },
      );
    }
  }
}

/** The failures among `seeds`: how a canary is seen to be caught. */
export async function failingSeeds(
  seeds: readonly number[],
  run: (seed: number) => Promise<void>,
): Promise<number[]> {
  const failing: number[] = [];
  for (const seed of seeds) await run(seed).catch(() => failing.push(seed));
  return failing;
}
