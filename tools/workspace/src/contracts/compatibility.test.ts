import { describe, expect, it } from '@jest/globals';
import type { EventContract } from '@holdfast/events';
import { publishedContract } from '@holdfast/events/published';
import { composeSupergraph } from '@holdfast/gateway/composition';
import { z } from 'zod';
import { breakingChanges } from './compatibility.ts';
import { contractDocuments, type Documents } from './documents.ts';

const fields = {
  id: z.string(),
  other: z.string(),
  size: z.number().nullable(),
  note: z.string().optional(),
  state: z.enum(['A', 'B']),
  list: z.array(z.object({ n: z.int() })),
};
type Change = {
  fields?: z.ZodRawShape;
  audience?: 'internal';
  topic?: string;
  key?: string;
  subject?: string;
  type?: string;
};
const schemaPath = 'events/io.holdfast.backup.thing.changed.v1.schema.json';

describe('an event contract', () => {
  const { other: _other, ...withoutOther } = fields;
  const { size: _size, ...withoutSize } = fields;
  it.each<[string, Change, string]>([
    [
      'another topic',
      { topic: 'holdfast.other.v1' },
      'index.json: io.holdfast.backup.thing.changed.v1: topic holdfast.backup.v1 became',
    ],
    ['another key', { key: 'other' }, 'index.json: io.holdfast.backup.thing.changed.v1: key id became other'],
    ['another subject', { subject: 'other' }, 'subject id became other'],
    ['the type gone', { type: 'io.holdfast.backup.thing.changed.v2' }, `${schemaPath} was removed`],
    [
      'the type gone from the index',
      { type: 'io.holdfast.backup.thing.changed.v2' },
      'index.json: io.holdfast.backup.thing.changed.v1 was removed',
    ],
    ['the type kept from others now', { audience: 'internal' }, `${schemaPath} was removed`],
    ['a removed field', { fields: withoutOther }, 'event.data.other was removed'],
    ['a new required field', { fields: { ...fields, more: z.string() } }, 'event.data.more is required now'],
    ['an optional field made required', { fields: { ...fields, note: z.string() } }, 'event.data.note is required now'],
    ['a required field made optional', { fields: { ...fields, other: z.string().optional() } }, 'not always there'],
    ['another type', { fields: { ...fields, other: z.number() } }, 'event.data.other: type "string" became "number"'],
    ['a field that is never null any more', { fields: { ...withoutSize, size: z.number() } }, 'event.data.size: type'],
    ['a new enum value', { fields: { ...fields, state: z.enum(['A', 'B', 'C']) } }, 'event.data.state: enum'],
    ['a narrower format', { fields: { ...fields, other: z.uuid() } }, 'event.data.other: format'],
    [
      'a change inside a list',
      { fields: { ...fields, list: z.array(z.object({ n: z.string() })) } },
      'event.data.list/items.n: type',
    ],
    [
      'a removal inside a list',
      { fields: { ...fields, list: z.array(z.object({})) } },
      'event.data.list/items.n was removed',
    ],
  ])('may not have %s', (_what, change, expected) => {
    expect(broken(documentsOf([{}]), documentsOf([change])).join('\n')).toContain(expected);
  });

  it('may have a new optional field, at any depth, and other words', () => {
    const more = {
      ...fields,
      other: z.string().describe('What it is.'),
      more: z.string().optional(),
      list: z.array(z.object({ n: z.int(), m: z.int().optional() })),
    };
    expect(broken(documentsOf([{}]), documentsOf([{ fields: more }]))).toEqual([]);
  });

  it('may get a new version, or another type, beside it', () => {
    const next = { type: 'io.holdfast.backup.thing.changed.v2', fields: withoutOther };
    expect(broken(documentsOf([{}]), documentsOf([{}, next]))).toEqual([]);
  });

  it('keeps its promise among our own services too', () => {
    const before = documentsOf([{ audience: 'internal' }]);
    expect(broken(before, documentsOf([{ audience: 'internal', fields: withoutOther }])).join()).toContain(
      `internal/${schemaPath}: event.data.other was removed`,
    );
  });

  it('may not change its envelope', () => {
    const documents = new Map(documentsOf([{}]));
    documents.set(schemaPath, documents.get(schemaPath)!.replace('"partitionkey",', ''));
    expect(broken(documentsOf([{}]), documents)).toEqual([
      `${schemaPath}: event.partitionkey is not always there any more`,
    ]);
  });
});

const api = `
  type Query { things(first: Int, kind: Kind): [Thing!]! older: Thing }
  type Mutation { make(input: MakeInput!): Made! }
  type Thing { id: ID! name: String size: Int! }
  type Lost { id: ID! }
  union Made = Thing | Lost
  enum Kind { SMALL LARGE }
  input MakeInput { name: String! note: String }`;

describe('the API', () => {
  it.each<[string, string, string, string]>([
    ['a removed type', ' | Lost', '', 'TYPE_REMOVED_FROM_UNION'],
    ['a removed field', ' older: Thing', '', 'FIELD_REMOVED: Query.older'],
    ['a removed argument', 'first: Int, ', '', 'ARG_REMOVED'],
    ['a retyped field', 'size: Int!', 'size: String!', 'FIELD_CHANGED_KIND: Thing.size'],
    ['a field that may be null now', 'size: Int!', 'size: Int', 'FIELD_CHANGED_KIND: Thing.size'],
    ['a retyped argument', 'first: Int', 'first: String', 'ARG_CHANGED_KIND'],
    ['a new required argument', 'first: Int', 'first: Int, of: ID!', 'REQUIRED_ARG_ADDED'],
    ['a new required input field', 'note: String', 'note: String more: Int!', 'REQUIRED_INPUT_FIELD_ADDED'],
    ['a removed enum value', ' LARGE', '', 'VALUE_REMOVED_FROM_ENUM'],
  ])('may not have %s', (_what, part, instead, expected) => {
    expect(api).toContain(part);
    expect(broken(documentsOf([], api), documentsOf([], api.replace(part, instead))).join('\n')).toContain(
      `supergraph.graphql: ${expected}`,
    );
  });

  it('may not lose a type', () => {
    const without = api.replace(' | Lost', '').replace('type Lost { id: ID! }', '');
    expect(broken(documentsOf([], api), documentsOf([], without)).join('\n')).toContain(
      'TYPE_REMOVED: Lost was removed',
    );
  });

  it('may get fields, types, optional arguments and input fields', () => {
    const more = api
      .replace('size: Int!', 'size: Int! more: More')
      .replace('first: Int', 'first: Int, of: ID')
      .replace('note: String', 'note: String more: Int')
      .concat('type More { id: ID! }');
    expect(broken(documentsOf([], api), documentsOf([], more))).toEqual([]);
  });

  it('may be answered by another service', () => {
    const moved = composed([
      { name: 'a', sdl: api.replace(' older: Thing', '') },
      { name: 'b', sdl: 'type Query { older: Thing } type Thing @shareable { id: ID! name: String size: Int! }' },
    ]);
    expect(broken(documentsOf([], api), contractDocuments([], moved))).toEqual([]);
  });
});

function broken(before: Documents, after: Documents): string[] {
  return [...before].flatMap(([path, text]) => breakingChanges(path, text, after));
}

function documentsOf(changes: readonly Change[], sdl = 'type Query { a: Int }'): Documents {
  return contractDocuments(
    changes.map(change => publishedContract(madeOf(change))),
    composed([{ name: 'a', sdl }]),
  );
}

function composed(subgraphs: readonly { name: string; sdl: string }[]): string {
  const link = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@shareable"])\n';
  const shared = (sdl: string) => (subgraphs.length > 1 ? sdl.replace('type Thing {', 'type Thing @shareable {') : sdl);
  const supergraph = composeSupergraph(subgraphs.map(({ name, sdl }) => ({ name, sdl: link + shared(sdl) })));
  if (!supergraph.ok) throw new Error(supergraph.errors.join('\n'));
  return supergraph.supergraphSdl;
}

function madeOf(change: Change): EventContract<never> {
  const { fields: shape = fields, audience = 'public', key = 'id', subject = 'id' } = change;
  return {
    type: change.type ?? 'io.holdfast.backup.thing.changed.v1',
    topic: change.topic ?? 'holdfast.backup.v1',
    audience,
    schema: z.object(shape) as never,
    key: payload => String(payload[key]),
    subject: payload => String(payload[subject]),
  };
}
