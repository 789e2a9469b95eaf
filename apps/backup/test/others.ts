import {
  eventCodec,
  executionChanged,
  groupObserved,
  instanceAddressed,
  type PayloadOf,
  recoveryPointJudged,
  setQualified,
  standbyClaimed,
  standbyReleased,
} from '@holdfast/events';
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
import type { KnownAddress, KnownGroup } from '../src/estate/estate.ts';
import type { Published } from './store.ts';

/** The other services on the bus: inventory has published the source, and a reader notes what backup says, each event once. */
export async function startOthers(
  bus: Bus,
  { group, addresses }: { readonly group: KnownGroup; readonly addresses: readonly KnownAddress[] },
) {
  const temporary = await temporaryStore<MessagingTables>([messagingMigrations]);
  const { store } = temporary;
  const publishes = [groupObserved, instanceAddressed, executionChanged, standbyClaimed, standbyReleased];
  const topics = [...new Set(publishes.map(({ topic }) => topic))];
  await bus.register({ name: 'inventory', topics, log: eventLogOf(store) });
  const relay = createRelay({ store, bus, service: 'inventory', publishes, clock: Date.now });
  await relay.start();
  const outbox = createOutbox({ service: 'inventory', codec: eventCodec, clock: Date.now, newId: () => newId() });
  await store.transaction(async tx => {
    await outbox.append(tx, groupObserved, group);
    for (const address of addresses) await outbox.append(tx, instanceAddressed, address);
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
    /** An instance is reached in another way from now on. */
    address: (address: KnownAddress) => store.transaction(tx => outbox.append(tx, instanceAddressed, address)),
    execution: (of: PayloadOf<typeof executionChanged>) =>
      store.transaction(tx => outbox.append(tx, executionChanged, of)),
    claim: (claim: PayloadOf<typeof standbyClaimed>) =>
      store.transaction(tx => outbox.append(tx, standbyClaimed, claim)),
    release: (release: PayloadOf<typeof standbyReleased>) =>
      store.transaction(tx => outbox.append(tx, standbyReleased, release)),
    async stop() {
      await reader.stop();
      await relay.stop();
      await temporary.remove();
    },
  };
}
