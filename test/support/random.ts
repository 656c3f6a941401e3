/** Numbers that a failing run can repeat: the seed is printed, and `LLM_PROXY_TEST_SEED` sets it. */
export interface Random {
  readonly seed: number;
  /** An integer in `[0, below)`. */
  below(below: number): number;
}

export function seeded(what: string): Random {
  const seed = Number(process.env.LLM_PROXY_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`seed of ${what}: LLM_PROXY_TEST_SEED=${seed}`);
  return randomOf(seed);
}

/** The same numbers for the same seed. */
export function randomOf(seed: number): Random {
  // mulberry32: small, and the same on every runtime.
  let state = seed;
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return { seed, below: (below) => Math.floor(next() * below) };
}
