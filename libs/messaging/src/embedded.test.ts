import { describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { kinds } from '@holdfast/store/testing';
import type { Batch } from './bus.ts';
import { createEmbeddedBus } from './embedded.ts';
import { busContract } from './testing.ts';
import { testPublisher, until } from './testing/counted.ts';

const fast = { backOff: { firstMs: 1, capMs: 10 } };
for (const kind of kinds) busContract('embedded', async () => createEmbeddedBus(fast), kind);
busContract('embedded, one record at a time', async () => createEmbeddedBus({ ...fast, batchSize: 1 }));

describe('the embedded bus', () => {
  const subscriber = () => {
    const offsets: string[] = [];
    const partitions = new Set<string>();
    const positions = new Map<string, { offset: string; eventId: string }>();
    return {
      offsets,
      partitions,
      options: {
        position: async (_topic: string, partition: string) => positions.get(partition),
        deliver: async ({ partition, records }: Batch) => {
          partitions.add(partition);
          for (const { offset, eventId } of records) {
            offsets.push(offset);
            positions.set(partition, { offset, eventId });
          }
        },
      },
    };
  };

  it('refuses a second member of a group and a topic that nobody registered', async () => {
    const bus = createEmbeddedBus();
    const { options } = subscriber();
    const { stop } = await bus.subscribe({ group: 'a', topics: ['t'], ...options });
    await expect(bus.subscribe({ group: 'a', topics: ['t'], ...options })).rejects.toThrow('a is subscribed already');
    await expect(bus.publish('t', [])).rejects.toThrow('No service registered t');
    await stop();
    await bus.subscribe({ group: 'a', topics: ['t'], ...options });
    await bus.close();
    await expect(bus.publish('t', [])).rejects.toThrow('closed');
  });

  it('reads a log from its start when a new one took the place of the old, even a longer one', async () => {
    const bus = createEmbeddedBus(fast);
    const topic = randomUUID();
    const { options, offsets, partitions } = subscriber();
    await bus.subscribe({ group: 'a', topics: [topic], ...options });
    const old = await testPublisher(bus, topic);
    await old.publish({ key: 'k', n: 0 }, { key: 'k', n: 1 });
    await until(() => offsets.length === 2);
    await old.remove();
    const fresh = await testPublisher(bus, topic);
    await fresh.publish({ key: 'k', n: 0 }, { key: 'k', n: 1 }, { key: 'k', n: 2 });
    await until(
      () => offsets.length === 5,
      () => offsets,
    );
    expect(partitions.size).toBe(2);
    await bus.close();
    await fresh.remove();
  });
});
