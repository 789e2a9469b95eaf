import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { allContracts } from '../src/index.ts';
import { contract } from '../src/contract.ts';
import { breakingChanges, currentSnapshots, snapshotOf, storedSnapshots } from './snapshots.ts';

describe('the contracts', () => {
  it('are all found, each type once, on the topic of its service or the internal one', () => {
    const types = allContracts.map(({ type }) => type);
    expect(types.length).toBeGreaterThanOrEqual(12);
    expect(new Set(types).size).toBe(types.length);
    for (const { type, topic } of allContracts) {
      const [, service] = /^io\.holdfast\.([a-z]+)\.[a-zA-Z]+\.[a-zA-Z]+\.v\d+$/.exec(type) ?? [];
      expect([`holdfast.${service}.v1`, 'holdfast.internal.v1']).toContain(topic);
    }
  });

  it('keep what is released, and their snapshots are up to date (test/update-snapshots.ts writes them)', () => {
    const current = new Map(currentSnapshots().map(snapshot => [snapshot.type, snapshot]));
    for (const stored of storedSnapshots()) {
      const now = current.get(stored.type);
      expect(now ? breakingChanges(stored, now) : [`${stored.type} was removed`]).toEqual([]);
    }
    expect(new Map(storedSnapshots().map(snapshot => [snapshot.type, snapshot]))).toEqual(current);
  });
});

describe('breakingChanges', () => {
  const fields = {
    id: z.string(),
    other: z.string(),
    size: z.number().nullable(),
    note: z.string().optional(),
    state: z.enum(['A', 'B']),
    list: z.array(z.object({ n: z.int() })),
  };
  type Change = { fields?: z.ZodRawShape; audience?: 'internal'; key?: string; subject?: string };
  const made = ({ fields: shape = fields, audience, key = 'id', subject = 'id' }: Change = {}) =>
    snapshotOf(
      contract({
        service: 'backup',
        name: 'thing.changed.v1',
        ...(audience && { audience }),
        schema: z.object(shape),
        key: payload => String(payload[key]),
        subject: payload => String(payload[subject]),
      }) as never,
    );

  const { other: _other, ...withoutOther } = fields;
  const { size: _size, ...withoutSize } = fields;
  it.each<[string, Change, string]>([
    ['another topic', { audience: 'internal' }, 'topic: holdfast.backup.v1 became holdfast.internal.v1'],
    ['another key', { key: 'other' }, 'key: id became other'],
    ['another subject', { subject: 'other' }, 'subject: id became other'],
    ['a removed field', { fields: withoutOther }, 'data.other was removed'],
    ['a new required field', { fields: { ...fields, more: z.string() } }, 'data.more is required now'],
    ['an optional field made required', { fields: { ...fields, note: z.string() } }, 'data.note is required now'],
    ['a required field made optional', { fields: { ...fields, other: z.string().optional() } }, 'not always there'],
    ['another type', { fields: { ...fields, other: z.number() } }, 'data.other: type "string" became "number"'],
    ['a field that is never null any more', { fields: { ...withoutSize, size: z.number() } }, 'data.size: type'],
    ['a new enum value', { fields: { ...fields, state: z.enum(['A', 'B', 'C']) } }, 'data.state: enum'],
    ['a narrower format', { fields: { ...fields, other: z.uuid() } }, 'data.other: format'],
    [
      'a change inside a list',
      { fields: { ...fields, list: z.array(z.object({ n: z.string() })) } },
      'data.list/items.n: type',
    ],
    [
      'a removal inside a list',
      { fields: { ...fields, list: z.array(z.object({})) } },
      'data.list/items.n was removed',
    ],
  ])('finds %s', (_what, change, expected) => {
    expect(breakingChanges(made(), made(change)).join('\n')).toContain(expected);
  });

  it('allows a new optional field, at any depth', () => {
    const more = {
      ...fields,
      more: z.string().optional(),
      list: z.array(z.object({ n: z.int(), m: z.int().optional() })),
    };
    expect(breakingChanges(made(), made({ fields: more }))).toEqual([]);
  });
});
