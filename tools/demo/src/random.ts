/** Numbers in [0, 1), the same for the same seed. */
export type Random = () => number;

/** Mulberry32. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A whole number, 0 ≤ it < `below`. */
export function wholeBelow(random: Random, below: number): number {
  return Math.floor(random() * below);
}

/** One of `choices`. @throws when there are none. */
export function oneOf<T>(random: Random, choices: readonly T[]): T {
  const chosen = choices[wholeBelow(random, choices.length)];
  if (chosen === undefined) throw new Error('There is nothing to choose from.');
  return chosen;
}
