import { parseArgs } from 'node:util';

export type DemoConfig = {
  /** Of the load; drawn when not given, and printed. */
  readonly seed: number;
  /** One JSON object on standard output, progress on standard error. */
  readonly json: boolean;
  /** Leaves the folder of the run in place. */
  readonly keep: boolean;
};

/** `npm run demo -- [--json] [--seed N] [--keep]`. @throws Error that names what is wrong. */
export function readDemoConfig(args: readonly string[], drawSeed: () => number): DemoConfig {
  const { values } = parseArgs({
    args: [...args],
    options: {
      json: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
      seed: { type: 'string' },
    },
  });
  const { json, keep, seed } = values;
  if (seed !== undefined && !/^\d{1,9}$/.test(seed)) throw new Error(`--seed is a whole number, not "${seed}".`);
  return { seed: seed === undefined ? drawSeed() : Number(seed), json, keep };
}
