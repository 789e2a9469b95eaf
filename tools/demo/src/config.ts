import { parseArgs } from 'node:util';

/** What happens instead of, or beside, the loss of all primaries. */
export const scenarios = ['broken-set', 'control-plane-crash', 'lose-one', 'planned'] as const;

export type Scenario = (typeof scenarios)[number];

/** Where Holdfast keeps its own state. */
export const storeKinds = ['sqlite', 'sqlserver'] as const;

export type StoreKind = (typeof storeKinds)[number];

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
  readonly store: StoreKind;
};

/** `npm run demo -- [--json] [--seed N] [--keep] [--cluster] [--store KIND] [--rest-at-mark | --scenario NAME]`. @throws Error that names what is wrong. */
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
      store: { type: 'string', default: 'sqlite' },
    },
  });
  const { cluster, json, keep, scenario, seed, store: wished, 'rest-at-mark': restAtMark } = values;
  if (seed !== undefined && !/^\d{1,9}$/.test(seed)) throw new Error(`--seed is a whole number, not "${seed}".`);
  if (scenario !== undefined && !isScenario(scenario))
    throw new Error(`There is no scenario "${scenario}". Those that exist: ${scenarios.join(', ')}.`);
  const store = storeKinds.find(kind => kind === wished);
  if (store === undefined) throw new Error(`--store is sqlite or sqlserver, not "${wished}".`);
  // The other scenarios injure restores of the failover, or count them: from a standby at rest there are none.
  if (restAtMark && scenario !== undefined) throw new Error('--rest-at-mark goes with no --scenario.');
  return { seed: seed === undefined ? drawSeed() : Number(seed), json, keep, restAtMark, scenario, cluster, store };
}

function isScenario(name: string): name is Scenario {
  return scenarios.some(scenario => scenario === name);
}
