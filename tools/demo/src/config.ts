import { parseArgs } from 'node:util';

/** What happens instead of, or beside, the loss of all primaries. */
export const scenarios = ['broken-set', 'control-plane-crash', 'lose-one', 'planned'] as const;

export type Scenario = (typeof scenarios)[number];

export type DemoConfig = {
  /** Of the load; drawn when not given, and printed. */
  readonly seed: number;
  /** One JSON object on standard output, progress on standard error. */
  readonly json: boolean;
  /** Leaves the folder of the run in place. */
  readonly keep: boolean;
  /** The standby rests at the newest common mark. */
  readonly restAtMark: boolean;
  readonly scenario: Scenario | undefined;
  /** A process per service, over Kafka. */
  readonly cluster: boolean;
};

/** `npm run demo -- [--json] [--seed N] [--keep] [--cluster] [--rest-at-mark | --scenario NAME]`. @throws Error that names what is wrong. */
export function readDemoConfig(args: readonly string[], drawSeed: () => number): DemoConfig {
  const { values } = parseArgs({
    args: [...args],
    options: {
      cluster: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
      'rest-at-mark': { type: 'boolean', default: false },
      scenario: { type: 'string' },
      seed: { type: 'string' },
    },
  });
  const { cluster, json, keep, scenario, seed, 'rest-at-mark': restAtMark } = values;
  if (seed !== undefined && !/^\d{1,9}$/.test(seed)) throw new Error(`--seed is a whole number, not "${seed}".`);
  if (scenario !== undefined && !isScenario(scenario))
    throw new Error(`There is no scenario "${scenario}". Those that exist: ${scenarios.join(', ')}.`);
  // The other scenarios injure restores of the failover, or count them: from a standby at rest there are none.
  if (restAtMark && scenario !== undefined) throw new Error('--rest-at-mark goes with no --scenario.');
  return { seed: seed === undefined ? drawSeed() : Number(seed), json, keep, restAtMark, scenario, cluster };
}

function isScenario(name: string): name is Scenario {
  return scenarios.some(scenario => scenario === name);
}
