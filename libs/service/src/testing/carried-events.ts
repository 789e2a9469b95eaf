/** The relay in a trial: the events of the store's outbox go to a bus that outlives every process, a file. */
import { appendFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type Bus, createEmbeddedBus, createRelay, type MessagingTables } from '@holdfast/messaging';
import type { Store } from '@holdfast/store';
import type { CheckpointHook } from '../runner.ts';

export type CarriedEvents = {
  /** Once nothing is left to be carried away. */
  settled(signal: AbortSignal): Promise<void>;
  stop(): Promise<void>;
};

const fileOf = (folder: string) => join(folder, 'carried.jsonl');

/** Carries the service's events into a file of `folder`; its checkpoints are `relay/<service>/publishing`, `published` and `marked`. */
export async function carryEvents<DB extends MessagingTables>(carried: {
  readonly store: Store<DB>;
  readonly service: string;
  readonly publishes: readonly { readonly topic: string }[];
  readonly folder: string;
  readonly hook: CheckpointHook;
}): Promise<CarriedEvents> {
  const { store, service, publishes, folder, hook } = carried;
  const relay = createRelay({
    store,
    bus: fileBus(fileOf(folder)),
    service,
    publishes,
    clock: Date.now,
    backOff: { firstMs: 1, capMs: 5 },
    checkpoint: async place => {
      await hook(`relay/${service}/${place}`);
    },
  });
  await relay.start();
  return {
    settled: async signal => {
      for (;;) {
        const { depth, problem } = await relay.stats();
        if (depth === 0 && problem === undefined) return;
        signal.throwIfAborted();
        await pause(5);
      }
    },
    stop: () => relay.stop(),
  };
}

/** @throws Error unless every event of the outbox was carried away, and each for the first time in the outbox's order. */
export async function carriedOnce<DB extends MessagingTables>(store: Store<DB>, folder: string): Promise<void> {
  const lines = (await readFile(fileOf(folder), 'utf8')).split('\n').slice(0, -1);
  const arrived = [...new Set(lines)];
  const own = store as unknown as Store<MessagingTables>;
  const appended = await own.read(db => db.selectFrom('outbox').select('event_id').orderBy('seq').execute());
  const expected = appended.map(({ event_id: id }) => id);
  if (arrived.join() !== expected.join())
    throw new Error(`carried away: ${arrived.join(' ')}; in the outbox: ${expected.join(' ')}`);
}

/** At least once, in order, kept whatever ends; nobody listens. In all but that it is the embedded one, which has no log of its own. */
function fileBus(file: string): Bus {
  return {
    ...createEmbeddedBus(),
    name: 'file',
    register: async () => undefined,
    publish: async (_topic, records) => {
      appendFileSync(file, records.map(({ eventId }) => `${eventId}\n`).join(''));
      return [];
    },
    subscribe: () => Promise.reject(new Error('Nobody listens to this bus.')),
  };
}
