import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { kinds, openPlace, type Place, temporaryStore, type TemporaryStore } from '@holdfast/store/testing';
import { createOutbox, EventTooLargeError, eventLogOf } from './outbox.ts';
import { messagingMigrations, type MessagingTables } from './tables.ts';
import { countedOn, plainCodec } from './testing/counted.ts';

let place: Place;
let temporary: TemporaryStore<MessagingTables>;
let ids = 0;
const outbox = createOutbox({
  service: 'backup',
  codec: plainCodec,
  clock: () => Date.parse('2026-11-20T01:02:03.004Z'),
  newId: () => `id-${(ids += 1)}`,
});

const append = (key: string, n: number, topic = 't') =>
  temporary.store.transaction(tx => outbox.append(tx, countedOn(topic), { key, n }, { traceparent: '00-a-b-01' }));
const bodies = async (topic: string) =>
  (await eventLogOf(temporary.store).read(topic, '0', 100)).map(
    ({ offset, key, eventId, value }) => ({ offset, key, eventId, body: JSON.parse(value) as unknown }) as const,
  );

describe.each(kinds)('append, on %s', kind => {
  beforeAll(async () => {
    place = await openPlace(kind);
  });
  afterAll(() => place.close());
  beforeEach(async () => {
    ids = 0;
    temporary = await temporaryStore([messagingMigrations], place);
  });
  afterEach(() => temporary.remove());

  it('stamps the event and keeps it whole, key and id beside it', async () => {
    await append('a', 7);
    expect(await bodies('t')).toEqual([
      {
        offset: '1',
        key: 'a',
        eventId: 'id-1',
        body: {
          id: 'id-1',
          time: '2026-11-20T01:02:03.004Z',
          source: '/holdfast/backup',
          sequence: '000000000001',
          traceparent: '00-a-b-01',
          type: 'test.thing.counted.v1',
          subject: 'a',
          partitionkey: 'a',
          data: { key: 'a', n: 7 },
        },
      },
    ]);
  });

  it('counts per topic and key without gaps, also when transactions compete or are undone', async () => {
    const undone = temporary.store.transaction(async tx => {
      await outbox.append(tx, countedOn('t'), { key: 'a', n: 0 });
      throw new Error('undone');
    });
    await expect(undone).rejects.toThrow('undone');
    await Promise.all([append('a', 1), append('b', 1), append('a', 2), append('a', 1, 'other'), append('b', 2)]);
    const sequences = (await bodies('t')).map(({ key, body }) => [
      key,
      Number((body as { sequence: string }).sequence),
    ]);
    expect(sequences).toEqual([
      ['a', 1],
      ['b', 1],
      ['a', 2],
      ['b', 2],
    ]);
    expect((await bodies('t')).map(({ offset }) => offset)).toEqual(['1', '2', '3', '5']);
    expect((await bodies('other')).map(({ offset }) => offset)).toEqual(['4']);
    expect(await eventLogOf(temporary.store).head()).toBe('5');
  });

  it('undoes the whole transaction when the payload breaks its contract', async () => {
    const broken = temporary.store.transaction(async tx => {
      await outbox.append(tx, countedOn('t'), { key: 'a', n: 1 });
      await outbox.append(tx, countedOn('t'), { key: 'a' } as never);
    });
    await expect(broken).rejects.toThrow('no Counted');
    expect(await bodies('t')).toEqual([]);
  });

  it('refuses an event that no bus would take, and takes the largest one', async () => {
    const large = (bytes: number) => ({ key: 'a', n: 1, body: 'x'.repeat(bytes) });
    const tooLarge = temporary.store.transaction(async tx => {
      await outbox.append(tx, countedOn('t'), { key: 'a', n: 0 });
      await outbox.append(tx, countedOn('t'), large(1_048_576));
    });
    await expect(tooLarge).rejects.toBeInstanceOf(EventTooLargeError);
    await expect(tooLarge).rejects.toThrow(/test\.thing\.counted\.v1 has 1048\d+ bytes, an event may have 1048576/);
    expect(await bodies('t')).toEqual([]);
    await temporary.store.transaction(tx => outbox.append(tx, countedOn('t'), large(1_048_000)));
    expect(await bodies('t')).toHaveLength(1);
  });
});
