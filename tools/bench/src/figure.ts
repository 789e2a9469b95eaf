import { median } from './statistics.ts';

/** What stands beside a figure: a peer, or a limit that nothing can pass. Measured in the same rounds. */
export type Beside = {
  readonly name: string;
  /** Median of the rounds. */
  readonly value: number;
  readonly rounds: readonly number[];
  /** The figure divided by this one. */
  readonly ratio: number;
};

export type Goal = { readonly words: string; readonly met: boolean };

export type Figure = {
  readonly name: string;
  readonly unit: string;
  /** Median of the rounds. */
  readonly value: number;
  readonly rounds: readonly number[];
  readonly beside: readonly Beside[];
  readonly goals: readonly Goal[];
};

/** It could not be measured: said, never left out. */
export type Unmeasured = { readonly name: string; readonly unmeasured: string };

export type Rounds = { readonly name: string; readonly rounds: readonly number[] };

/** A figure from its rounds and those of what it stands beside; `goalsOf` judges the medians. */
export function figureOf(
  { name, unit, rounds }: Rounds & { readonly unit: string },
  beside: readonly Rounds[] = [],
  goalsOf: (value: number, beside: readonly Beside[]) => readonly Goal[] = () => [],
): Figure {
  const value = median(rounds);
  const others = beside.map(other => {
    const peer = median(other.rounds);
    return { ...other, value: peer, ratio: value / peer };
  });
  return { name, unit, value, rounds, beside: others, goals: goalsOf(value, others) };
}

export function atLeast(value: number, limit: number, words: string): Goal {
  return { words: `≥ ${words}`, met: value >= limit };
}

export function atMost(value: number, limit: number, words: string): Goal {
  return { words: `≤ ${words}`, met: value <= limit };
}

export function isMeasured(figure: Figure | Unmeasured): figure is Figure {
  return !('unmeasured' in figure);
}
