import { randomUUID } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { type Place, temporaryStore, type TemporaryStore } from '@holdfast/store/testing';
import type { Bus } from '../bus.ts';
import type { Envelope, EventCodec, EventShape } from '../event.ts';
import { createOutbox, type Outbox } from '../outbox.ts';
import { createRelay, type Relay } from '../relay.ts';
import { messagingMigrations, type MessagingTables } from '../tables.ts';

/** The event of the tests: the nth of its key. */
export type Counted = { readonly key: string; readonly n: number };

export function countedOn(topic: string, type = 'test.thing.counted.v1'): EventShape<Counted> {
  return {
    type,
    topic,
    schema: {
      safeParse: value =>
        isCounted(value) ? { success: true, data: value } : { success: false, error: new Error('no Counted') },
    },
    key: ({ key }) => key,
    subject: ({ key }) => key,
  };
}

function isCounted(value: unknown): value is Counted {
  return typeof value === 'object' && value !== null && 'n' in value && typeof value.n === 'number' && 'key' in value;
}

/** As much of CloudEvents as the tests look at. */
export const plainCodec: EventCodec = {
  render: (contract, payload, stamp) => {
    const checked = contract.schema.safeParse(payload);
    if (!checked.success) throw new Error(checked.error.message);
    const { type } = contract;
    return { ...stamp, type, subject: contract.subject(payload), partitionkey: contract.key(payload), data: payload };
  },
  parse: (contract, value) => {
    const { data, ...envelope } = value as Envelope & { data: unknown };
    const checked = contract.schema.safeParse(data);
    return checked.success
      ? { ok: true, payload: checked.data, envelope }
      : { ok: false, problem: checked.error.message };
  },
};

/**
 * Waits for a condition, never for a time; what `describeState` says is in the error. The limit says that a test hangs, not how long a thing
 * takes: on a machine that does other work a session of Kafka's runs out more than once before a member is heard again.
 */
export async function until(
  condition: () => boolean | Promise<boolean>,
  describeState: () => unknown = () => 'the condition never held',
  limitMs = 60_000,
): Promise<void> {
  const limit = Date.now() + limitMs;
  while (!(await condition())) {
    if (Date.now() > limit) throw new Error(`Waited ${limitMs} ms: ${JSON.stringify(await describeState())}`);
    await setTimeout(5);
  }
}

export type TestPublisher = {
  readonly outbox: Outbox;
  readonly relay: Relay;
  readonly temporary: TemporaryStore<MessagingTables>;
  readonly publish: (...events: readonly Counted[]) => Promise<void>;
  readonly remove: () => Promise<void>;
};

/** A publishing service: its store (the one given, or its own, in a file or `place`), outbox and running relay. */
export async function testPublisher(
  bus: Bus,
  topic: string,
  {
    service = 'publisher',
    given,
    place,
  }: {
    readonly service?: string;
    readonly given?: TemporaryStore<MessagingTables>;
    readonly place?: Place | undefined;
  } = {},
): Promise<TestPublisher> {
  const temporary = given ?? (await temporaryStore<MessagingTables>([messagingMigrations], place));
  const { store } = temporary;
  const outbox = createOutbox({ service, codec: plainCodec, clock: Date.now, newId: randomUUID });
  const relay = createRelay({ store, bus, service, publishes: [{ topic }], clock: Date.now });
  await relay.start();
  return {
    outbox,
    relay,
    temporary,
    publish: async (...events) => {
      for (const event of events) await store.transaction(tx => outbox.append(tx, countedOn(topic), event));
    },
    remove: async () => {
      await relay.stop();
      if (given === undefined) await temporary.remove();
    },
  };
}
