import type { Clock } from '@holdfast/service';
import { type CheckpointHook, startRunner } from '@holdfast/service/runner';
import type { Store } from '@holdfast/store';
import { CopyMeter } from '../src/copy/copy-meter.ts';
import { copyRunner } from '../src/copy/copy-runner.ts';
import { StandbyConnections } from '../src/estate/connection-runner.ts';
import { StandbyGate } from '../src/standby/gate.ts';
import type { ShippingTables } from '../src/tables.ts';
import { dependenciesOf, loopOptions } from './world.ts';

export const flushEveryBytes = 1_048_576;

/** The copy runner as the service runs it, where nobody knows a standby instance's password: files are copied, no header is read. */
export function startCopying(
  store: Store<ShippingTables>,
  of: { readonly fencingToken: number; readonly clock?: Clock; readonly hook?: CheckpointHook },
) {
  const { fencingToken, clock = Date.now, hook = () => undefined } = of;
  const dependencies = { ...dependenciesOf(store), clock };
  const connections = new StandbyConnections({ ...dependencies, env: {}, fencingToken, parallelRestores: 1 });
  const own = { connections, gate: new StandbyGate(), meter: new CopyMeter(clock), fencingToken };
  const loop = startRunner(copyRunner({ ...dependencies, ...own, flushEveryBytes }), {
    ...loopOptions(store, hook),
    clock,
  });
  return {
    stop: async () => {
      await loop.stop();
      await connections.close();
    },
  };
}
