import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { existingBrokers } from './cluster/existing-brokers.ts';
import { fromRoot } from './programs.ts';

export type StartConfig = {
  /** All that this installation writes. */
  readonly dataFolder: string;
  /** `demo`: stand-ins with a group under light load; `none`: Holdfast alone, for a real group. */
  readonly estate: 'demo' | 'none';
  /** Of the gateway; undefined: as configured, otherwise a free one. */
  readonly port: number | undefined;
  /** `one-process`: everything in one process on the embedded bus; `cluster`: a process per service over Kafka. */
  readonly shape: 'one-process' | 'cluster';
  /** An existing Kafka; undefined: one of our own, where one is needed. */
  readonly brokers: string | undefined;
};

/** `npm start -- [--data DIR] [--estate demo|none] [--port P]`; `--cluster` is `npm run start:cluster`. @throws Error that names what is wrong. */
export function readStartConfig(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>> = {},
): StartConfig {
  const { values } = parseArgs({
    args: [...args],
    options: {
      cluster: { type: 'boolean', default: false },
      data: { type: 'string' },
      estate: { type: 'string', default: 'demo' },
      port: { type: 'string' },
    },
  });
  const { cluster, estate, port } = values;
  if (estate !== 'demo' && estate !== 'none') throw new Error(`--estate is demo or none, not "${estate}".`);
  if (port !== undefined && !(/^\d{1,5}$/.test(port) && Number(port) <= 65_535))
    throw new Error(`--port is a number from 0 to 65535, not "${port}".`);
  return {
    dataFolder: resolve(values.data ?? fromRoot('.holdfast')),
    estate,
    port: port === undefined ? undefined : Number(port),
    shape: cluster ? 'cluster' : 'one-process',
    brokers: cluster ? existingBrokers(env) : undefined,
  };
}
