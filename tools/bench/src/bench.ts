import type { Figure, Unmeasured } from './figure.ts';

export type BenchContext = {
  readonly rounds: number;
  readonly quick: boolean;
  /** Its own, on the disk that is to be measured; removed afterwards. */
  readonly folder: string;
  /** Progress, for people. */
  readonly say: (line: string) => void;
};

export type Outcome = {
  readonly figures: readonly (Figure | Unmeasured)[];
  /** What one has to know to read the figures. */
  readonly notes: readonly string[];
};

/** One line of the table of figures: `npm run bench -- NAME`. */
export type Bench = {
  readonly name: string;
  /** What is measured, in one line. */
  readonly what: string;
  /** Without a wish. */
  readonly usualRounds: number;
  /** @throws Error when nothing of it could be measured. */
  measure(context: BenchContext): Promise<Outcome>;
};
