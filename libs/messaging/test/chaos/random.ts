/** Drawn from a seed (a linear congruential generator, Numerical Recipes): what is drawn needs no better one. */
export type Random = {
  /** Whole, both included. */
  between(from: number, to: number): number;
  oneOf<T>(values: readonly [T, ...T[]]): T;
  shuffled<T>(values: readonly T[]): T[];
};

export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  const between = (from: number, to: number): number => from + Math.floor(next() * (to - from + 1));
  return {
    between,
    oneOf: values => values[between(0, values.length - 1)] ?? values[0],
    shuffled: values =>
      values
        .map(value => ({ value, rank: next() }))
        .toSorted((one, other) => one.rank - other.rank)
        .map(({ value }) => value),
  };
}
