import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { contract } from './contract.ts';
import { allContracts } from './index.ts';
import { publishedContract } from './published.ts';

describe('the contracts', () => {
  it('are all found, each type once, on the topic of its service or one that integration jobs do not get', () => {
    const types = allContracts.map(({ type }) => type);
    expect(types.length).toBeGreaterThanOrEqual(12);
    expect(new Set(types).size).toBe(types.length);
    for (const { type, topic, audience } of allContracts) {
      const [, service] = /^io\.holdfast\.([a-z]+)\.[a-zA-Z]+\.[a-zA-Z]+\.v\d+$/.exec(type) ?? [];
      expect(topic).toBe(`holdfast.${audience === 'public' ? service : audience}.v1`);
    }
  });

  it('keep what says how to reach a server, and what may quote it, from integration jobs', () => {
    const kept = allContracts.filter(({ audience }) => audience !== 'public').map(({ type }) => type);
    expect(kept).toContain('io.holdfast.inventory.instance.addressed.v1');
    expect(kept.filter(type => type.endsWith('.event.parked.v1'))).toHaveLength(4);
  });
});

describe('publishedContract', () => {
  const published = publishedContract(
    contract({
      service: 'backup',
      name: 'thing.changed.v1',
      schema: z.object({ groupId: z.uuid(), thingId: z.uuid(), parts: z.array(z.object({ n: z.int() })) }),
      key: payload => payload.groupId,
      subject: payload => payload.thingId,
    }) as never,
  );

  it('names topic, key, subject and schema', () => {
    expect(published).toMatchObject({
      type: 'io.holdfast.backup.thing.changed.v1',
      topic: 'holdfast.backup.v1',
      audience: 'public',
      key: 'groupId',
      subject: 'thingId',
      dataschema: 'urn:holdfast:schema:io.holdfast.backup.thing.changed.v1',
    });
  });

  it('describes the whole event, and leaves room for fields that come later', () => {
    expect(published.schema).toMatchObject({
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      $id: published.dataschema,
      properties: {
        type: { const: published.type },
        source: { const: '/holdfast/backup' },
        data: { required: ['groupId', 'thingId', 'parts'] },
      },
    });
    expect(published.schema['required']).toEqual(expect.arrayContaining(['id', 'partitionkey', 'sequence', 'data']));
    expect(published.schema['required']).not.toContain('traceparent');
    expect(JSON.stringify(published.schema)).not.toContain('additionalProperties');
  });
});
