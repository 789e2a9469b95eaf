import { eventCodec, type EventContract } from '@holdfast/events';
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

type Contract = Pick<EventContract, 'type' | 'topic'>;

/** The other services on the bus: publishes what they would, and hears what shipping says. */
export async function startOthers(bus: Bus, contracts: readonly Contract[], heard: readonly Contract[]) {
  const temporary = await temporaryStore<MessagingTables>([messagingMigrations]);
  const { store } = temporary;
  const outbox = createOutbox({ service: 'others', codec: eventCodec, clock: Date.now, newId });
  await bus.register({
    name: 'others',
    topics: [...new Set(contracts.map(({ topic }) => topic))],
    log: eventLogOf(store),
  });
  const relay = createRelay({ store, bus, service: 'others', publishes: contracts, clock: Date.now });
  await relay.start();
  const events: { readonly type: string; readonly payload: Record<string, unknown> }[] = [];
  const subscriptions = heard.map(contract =>
    on<MessagingTables, Record<string, unknown>>(
      contract as EventContract<Record<string, unknown>>,
      async (_tx, payload) => {
        events.push({ type: contract.type, payload });
      },
    ),
  );
  const consumer = createConsumer({
    store,
    bus,
    name: 'others.all',
    codec: eventCodec,
    subscriptions,
    clock: Date.now,
  });
  await consumer.start();
  return {
    publish: <Payload>(contract: EventContract<Payload>, payload: Payload) =>
      store.transaction(tx => outbox.append(tx, contract, payload as never)),
    /** What was heard of this type, oldest first. */
    heard: <Payload>({ type }: EventContract<Payload>) =>
      events.filter(event => event.type === type).map(event => event.payload as Payload),
    async stop() {
      await consumer.stop();
      await relay.stop();
      await temporary.remove();
    },
  };
}

/** Of one test on a machine under load; `until` gives up sooner, so that what was waited for is told. */
export const patienceMs = 120_000;

/** Waits for a condition, never for a time. @throws with what was waited for. */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined> | T | undefined,
  limitMs = 90_000,
): Promise<T> {
  const end = Date.now() + limitMs;
  for (;;) {
    const seen = await look();
    if (seen !== undefined) return seen;
    if (Date.now() > end) throw new Error(`not within ${limitMs} ms: ${what}`);
    // Abandoned by a test that ran out of time, it must not keep the process: the test itself does as long as it waits.
    await new Promise(resolve => setTimeout(resolve, 25).unref());
  }
}
