import {
  type Bus,
  type Consumer,
  createConsumer,
  createRelay,
  type DeadLetterOutbox,
  type EventCodec,
  eventLogOf,
  type MessagingTables,
  type Outbox,
  type Reaction,
  type Relay,
} from '@holdfast/messaging';
import type { Lease, Store } from '@holdfast/store';
import type { Clock } from './clock.ts';
import type { HealthCheck } from './health.ts';
import { publishesWhileLeading } from './leading.ts';
import { eventTracing, type Tracing } from './tracing.ts';

export type MessagingOptions<DB extends MessagingTables> = {
  /** The service. */
  readonly name: string;
  readonly bus: Bus;
  readonly store: Store<DB>;
  readonly lease: Lease;
  readonly outbox: Outbox;
  readonly codec: EventCodec;
  readonly clock: Clock;
  /** Contracts of the events that it emits. */
  readonly publishes: readonly { readonly topic: string }[];
  /** The contract under which it tells of an event that it could not apply. */
  readonly parks: DeadLetterOutbox['contract'];
  readonly reactions: readonly Reaction<DB>[];
  readonly tracing: Tracing;
};

export type HostedMessaging<DB> = {
  readonly checks: readonly HealthCheck[];
  readonly relay: Relay;
  /** Undefined in a service that reacts to nothing. */
  readonly consumer: Consumer<DB> | undefined;
  /** The bus stays open: it may be others' as well. */
  stop(): Promise<void>;
};

/** The consumer's name, and its group's: for ever. */
export const projectionOf = (service: string): string => `${service}.projection`;

/** What a service says and hears, on its store and the bus: needs the lease, because order rests on one relay per store. */
export async function startMessaging<DB extends MessagingTables>(
  options: MessagingOptions<DB>,
): Promise<HostedMessaging<DB>> {
  const { name, bus, store, lease, outbox, codec, clock, parks, reactions, tracing } = options;
  const publishes = [...options.publishes, parks];
  await bus.register({ name, topics: [...new Set(publishes.map(({ topic }) => topic))], log: eventLogOf(store) });
  const relay = createRelay({ store, bus: publishesWhileLeading(lease, bus), service: name, publishes, clock });
  await relay.start();
  const busCheck: HealthCheck = { name: 'event bus', check: () => bus.check() };
  if (reactions.length === 0) return { checks: [busCheck, relay], relay, consumer: undefined, stop: relay.stop };
  const consumer = createConsumer({
    store,
    bus,
    name: projectionOf(name),
    codec,
    subscriptions: reactions,
    clock,
    deadLetters: { outbox, contract: parks },
    tracing: eventTracing(tracing),
    isAlone: true,
  });
  await consumer.start();
  return {
    checks: [busCheck, relay, consumer],
    relay,
    consumer,
    async stop() {
      await consumer.stop();
      await relay.stop();
    },
  };
}
