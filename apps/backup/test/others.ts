import { eventCodec, groupObserved, instanceAddressed, recoveryPointJudged, setQualified } from '@holdfast/events';
import {
  type Bus,
  createConsumer,
  createOutbox,
  createRelay,
  eventLogOf,
  messagingMigrations,
  type MessagingTables,
  on,
} from '@holdfast/messaging';
import { newId } from '@holdfast/service';
import { temporaryStore } from '@holdfast/store/testing';
import type { Source } from './source.ts';
import type { Published } from './store.ts';

/** The other services on the bus: inventory has published the source, and a reader notes what backup says, each event once. */
export async function startOthers(bus: Bus, { group, address }: Pick<Source, 'group' | 'address'>) {
  const temporary = await temporaryStore<MessagingTables>([await messagingMigrations()]);
  const { store } = temporary;
  const publishes = [groupObserved, instanceAddressed];
  await bus.register({ name: 'inventory', topics: publishes.map(({ topic }) => topic), log: eventLogOf(store) });
  const relay = createRelay({ store, bus, service: 'inventory', publishes, clock: Date.now });
  await relay.start();
  const outbox = createOutbox({ service: 'inventory', codec: eventCodec, clock: Date.now, newId: () => newId() });
  await store.transaction(async tx => {
    await outbox.append(tx, groupObserved, group);
    await outbox.append(tx, instanceAddressed, address);
  });
  const heard: Published[] = [];
  const note = (type: string) => async (_tx: unknown, data: Record<string, unknown>) => void heard.push({ type, data });
  const reader = createConsumer<MessagingTables>({
    store,
    bus,
    name: 'test.reader',
    codec: eventCodec,
    subscriptions: [on(setQualified, note(setQualified.type)), on(recoveryPointJudged, note(recoveryPointJudged.type))],
    clock: Date.now,
  });
  await reader.start();
  return {
    /** What backup said so far, in the order of its arrival. */
    heard: heard as readonly Published[],
    async stop() {
      await reader.stop();
      await relay.stop();
      await temporary.remove();
    },
  };
}
