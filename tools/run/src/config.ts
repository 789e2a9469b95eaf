import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

export type StartConfig = {
  /** All that this installation writes. */
  readonly dataFolder: string;
  /** `demo`: stand-ins with a group under light load; `none`: Holdfast alone, for a real group. */
  readonly estate: 'demo' | 'none';
  /** Of the gateway; undefined: as configured, otherwise a free one. */
  readonly port: number | undefined;
};

const fromRoot = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

export const programs = {
  allInOne: fromRoot('apps/all-in-one/src/main.ts'),
  estate: fromRoot('tools/demo/src/estate/main.ts'),
  protect: fromRoot('tools/demo/src/protect/main.ts'),
};

/** `npm start -- [--data DIR] [--estate demo|none] [--port P]`. @throws Error that names what is wrong. */
export function readStartConfig(args: readonly string[]): StartConfig {
  const { values } = parseArgs({
    args: [...args],
    options: { data: { type: 'string' }, estate: { type: 'string', default: 'demo' }, port: { type: 'string' } },
  });
  const { estate, port } = values;
  if (estate !== 'demo' && estate !== 'none') throw new Error(`--estate is demo or none, not "${estate}".`);
  if (port !== undefined && !(/^\d{1,5}$/.test(port) && Number(port) <= 65_535))
    throw new Error(`--port is a number from 0 to 65535, not "${port}".`);
  return {
    dataFolder: resolve(values.data ?? fromRoot('.holdfast')),
    estate,
    port: port === undefined ? undefined : Number(port),
  };
}
