import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { temporaryStore, type TemporaryStore } from '@holdfast/store/testing';
import { createConsumer } from './consumer.ts';
import { createEmbeddedBus } from './embedded.ts';
import { eventLogOf } from './outbox.ts';
import { on } from './reaction.ts';
import { messagingMigrations, type MessagingTables } from './tables.ts';
import { countedOn, plainCodec, testPublisher, type TestPublisher, until } from './testing/counted.ts';

const bus = createEmbeddedBus();
let publisher: TestPublisher;
let reactor: TestPublisher;
let temporary: TemporaryStore<MessagingTables>;

beforeEach(async () => {
  publisher = await testPublisher(bus, 'causes');
  temporary = await temporaryStore([messagingMigrations]);
  reactor = await testPublisher(bus, 'effects', { service: 'reactor', given: temporary });
});
afterEach(async () => {
  await reactor.remove();
  await publisher.remove();
  await temporary.remove();
  await bus.close();
});

async function traceparents(of: TestPublisher, topic: string): Promise<string[]> {
  const records = await eventLogOf(of.temporary.store).read(topic, '0', 100);
  return records.map(({ value }) => (JSON.parse(value) as { traceparent: string }).traceparent);
}

it('begins a trace with an event that has no cause, and goes on in it with the events of its effects', async () => {
  const consumer = createConsumer<MessagingTables>({
    store: temporary.store,
    bus,
    name: 'reactor.all',
    codec: plainCodec,
    clock: Date.now,
    subscriptions: [
      on(countedOn('causes'), async (tx, payload) => {
        // Also after a turn of the event loop.
        await new Promise(resolve => setImmediate(resolve));
        await reactor.outbox.append(tx, countedOn('effects'), payload);
      }),
    ],
  });
  await consumer.start();
  await publisher.publish({ key: 'a', n: 1 }, { key: 'a', n: 2 });
  await until(async () => (await traceparents(reactor, 'effects')).length === 2);
  const causes = await traceparents(publisher, 'causes');
  for (const traceparent of causes) expect(traceparent).toMatch(/^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-01$/);
  expect(new Set(causes.map(text => text.split('-')[1])).size).toBe(2);
  expect(await traceparents(reactor, 'effects')).toEqual(causes);
  await consumer.stop();
});
