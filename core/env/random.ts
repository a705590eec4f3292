/** Randomness, injected: the real one for ids, a seeded one wherever a run must be repeatable. */
export interface Random {
  /** A 32-bit unsigned integer. */
  uint32(): number;
}

export const systemRandom: Random = {
  uint32: () => crypto.getRandomValues(new Uint32Array(1))[0],
};

/** The same sequence for the same seed (sfc32 by Chris Doty-Humphrey, as in PractRand). */
export function seededRandom(seed: number): Random {
  let a = seed | 0, b = 0x9e3779b9 | 0, c = 0x243f6a88 | 0, counter = 1;
  const next = () => {
    const t = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + t | 0;
    return t >>> 0;
  };
  for (let i = 0; i < 12; i++) next();
  return { uint32: next };
}

/** An integer in [0, below). */
export function randomBelow(random: Random, below: number): number {
  return Math.floor(random.uint32() / 0x1_0000_0000 * below);
}

/** A number in [0, 1). */
export function randomUnit(random: Random): number {
  return random.uint32() / 0x1_0000_0000;
}
