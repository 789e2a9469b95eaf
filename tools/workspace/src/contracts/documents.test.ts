import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import specs from '@asyncapi/specs';
import { allContracts } from '@holdfast/events';
import { publishedContract } from '@holdfast/events/published';
import { Ajv } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { brokenPromises, publishedHistory, staleDocuments } from './check.ts';
import { type ContractIndex, contractDocuments, currentDocuments } from './documents.ts';
import { sampleEvents } from './sample-events.ts';

const root = fileURLToPath(new URL('../../../../', import.meta.url));
const documents = currentDocuments(root);
const read = <Shape>(path: string): Shape => JSON.parse(documents.get(path) ?? 'null') as Shape;
const published = allContracts.map(publishedContract);
const forOthers = published.filter(({ audience }) => audience === 'public');

describe('contracts/', () => {
  it('is what the sources say', () => {
    const stale = staleDocuments(root, documents);
    if (stale.length > 0) throw new Error(`stale, write them with: npm run contracts\n${stale.join('\n')}`);
  });

  const history = publishedHistory(root);
  const promise = 'breaks nobody who relied on any version that was ever committed';
  if (history.ok)
    it(promise, () => {
      expect(brokenPromises(history, documents)).toEqual([]);
    });
  // A clone without its history cannot tell; the skip says so by name.
  else it.skip(`${promise} (${history.reason})`, () => undefined);

  it('is the same bytes in whatever order the contracts are found', () => {
    const supergraph = documents.get('supergraph.graphql')!;
    expect([...contractDocuments(published.toReversed(), supergraph)]).toEqual([...documents]);
  });

  it('names every event type once: those for integration jobs, and those among our own services', () => {
    const listed = (path: string) => read<ContractIndex>(path).events.map(({ type }) => type);
    expect(listed('index.json')).toEqual(forOthers.map(({ type }) => type).toSorted());
    expect([...listed('index.json'), ...listed('internal/index.json')].toSorted()).toEqual(
      published.map(({ type }) => type).toSorted(),
    );
    for (const { schema, type, dataschema } of read<ContractIndex>('index.json').events)
      expect(read(schema)).toMatchObject({ $id: dataschema, properties: { type: { const: type } } });
  });
});

describe('asyncapi.json', () => {
  const ajv = new Ajv({ strict: false, logger: false });
  formats.default(ajv);
  const satisfies = ajv.compile(specs.schemasWithoutId['3.0.0'] as object);
  type Message = { name: string; payload: { $ref: string }; bindings: { kafka: { key: object } } };
  type Document = {
    channels: Record<string, { address: string; messages: Record<string, { $ref: string }> }>;
    operations: Record<string, { action: string; channel: { $ref: string }; messages: { $ref: string }[] }>;
    components: { messages: Record<string, Message> };
  };
  const document = read<Document>('asyncapi.json');

  it('is AsyncAPI 3.0', () => {
    satisfies(document);
    expect(satisfies.errors).toBeNull();
  });

  it.each<[string, (broken: Document) => void]>([
    ['an operation that neither sends nor receives', broken => (first(broken.operations).action = 'reads')],
    ['a message with a payload that is no schema', broken => (first(broken.components.messages).payload = 7 as never)],
    ['an address that is no text', broken => (first(broken.channels).address = {} as never)],
  ])('would not be with %s', (_what, mutate) => {
    const broken = structuredClone(document);
    mutate(broken);
    expect(satisfies(broken)).toBe(false);
  });

  it('has one channel per public topic, each received, each message in its own', () => {
    const topics = [...new Set(forOthers.map(({ topic }) => topic))].toSorted();
    expect(Object.values(document.channels).map(({ address }) => address)).toEqual(topics);
    expect(Object.values(document.operations).map(({ action }) => action)).toEqual(topics.map(() => 'receive'));
    for (const { address, messages } of Object.values(document.channels))
      expect(Object.keys(messages).toSorted()).toEqual(
        forOthers
          .filter(({ topic }) => topic === address)
          .map(({ type }) => type)
          .toSorted(),
      );
  });

  it('points to what is there', () => {
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(([, target = '']) => target);
    expect(references.length).toBeGreaterThan(3 * forOthers.length);
    for (const target of references) expect(pointedAt(target)).toBeDefined();
  });

  it('gives each message the key that its events have', () => {
    for (const { type, key } of forOthers) {
      const message = document.components.messages[type]!;
      const { properties } = read<{ properties: { data: { properties: Record<string, object> } } }>(
        message.payload.$ref.slice(2),
      );
      expect(message.bindings.kafka.key).toEqual(properties.data.properties[key]);
    }
  });

  it('says nothing of topics that integration jobs do not get', () => {
    expect(documents.get('asyncapi.json')).not.toMatch(/holdfast\.(internal|dead-letter)/);
  });

  function pointedAt(target: string): unknown {
    if (!target.startsWith('#/')) return documents.get(target.replace(/^\.\//, ''));
    return target
      .slice(2)
      .split('/')
      .reduce<unknown>((at, name) => (at as Record<string, unknown> | undefined)?.[name], document);
  }
});

describe('events/*.schema.json', () => {
  const ajv = new Ajv2020({ strict: true, allowUnionTypes: true });
  formats.default(ajv);
  const checks = new Map(published.map(({ type, schema }) => [type, ajv.compile(schema)]));
  const samples = sampleEvents();
  const types = published.map(({ type }) => type);

  it('are JSON Schema 2020-12, and of draft 7 too, which AsyncAPI takes them for', () => {
    const older = new Ajv({ strict: true, allowUnionTypes: true });
    formats.default(older);
    for (const { schema } of published) {
      expect(ajv.validateSchema(schema)).toBe(true);
      const { $schema, ...rest } = schema;
      expect($schema).toBe('https://json-schema.org/draft/2020-12/schema');
      older.compile(rest);
    }
  });

  describe.each(types)('%s', type => {
    const satisfies = checks.get(type)!;
    const events = samples.filter(({ event }) => event.type === type).map(({ event }) => json(event));

    it('takes what is published, and what a later version would add', () => {
      expect(events.length).toBeGreaterThanOrEqual(4);
      for (const event of events) {
        satisfies(event);
        expect(satisfies.errors).toBeNull();
        expect(satisfies(withMore(event))).toBe(true);
      }
    });

    it('refuses it without any one of its required fields, and with any one value of another kind', () => {
      const [event] = events;
      const kept = [...mutations(event)].filter(({ mutated }) => satisfies(mutated)).map(({ what }) => what);
      const optional = optionalIn(published.find(contract => contract.type === type)!.schema);
      expect(kept.filter(what => !optional.has(what))).toEqual([]);
    });
  });
});

function json(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

function first<Value>(record: Record<string, Value>): Value {
  return Object.values(record)[0]!;
}

/** A new field in every object. */
function withMore(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withMore);
  if (typeof value !== 'object' || value === null) return value;
  return { ...Object.fromEntries(Object.entries(value).map(([name, part]) => [name, withMore(part)])), addedLater: 1 };
}

/** Each field left out once, each value replaced once by one that no field of ours may have. */
function* mutations(value: unknown, at = ''): Generator<{ what: string; mutated: unknown }> {
  if (at !== '') yield { what: `${at} of another kind`, mutated: [{}] };
  if (typeof value !== 'object' || value === null) return;
  for (const [name, part] of Object.entries(value)) {
    if (!Array.isArray(value)) {
      const { [name]: _left, ...without } = value as Record<string, unknown>;
      yield { what: `${at}.${name} left out`, mutated: without };
    }
    const place = Array.isArray(value) ? at : `${at}.${name}`;
    for (const { what, mutated } of mutations(part, place)) {
      const copy = (Array.isArray(value) ? [...value] : { ...value }) as Record<string, unknown>;
      copy[name] = mutated;
      yield { what, mutated: copy };
    }
  }
}

/** What may be left out, as `mutations` names it. */
function optionalIn(schema: unknown, at = ''): Set<string> {
  if (typeof schema !== 'object' || schema === null) return new Set();
  const {
    properties = {},
    required = [],
    items,
    anyOf = [],
  } = schema as {
    properties?: Record<string, unknown>;
    required?: string[];
    items?: unknown;
    anyOf?: unknown[];
  };
  const own = Object.keys(properties).filter(name => !required.includes(name));
  const below = Object.entries(properties).map(([name, part]) => optionalIn(part, `${at}.${name}`));
  const parts = [...below, optionalIn(items, at), ...anyOf.map(part => optionalIn(part, at))];
  return new Set([...own.map(name => `${at}.${name} left out`), ...parts.flatMap(part => [...part])]);
}
