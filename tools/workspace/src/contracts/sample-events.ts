import { createHash } from 'node:crypto';
import { allContracts, renderEvent, type RenderedEvent } from '@holdfast/events';
import { type JsonSchema, publishedContract } from '@holdfast/events/published';

/** `full`: every field is there, lists have two entries. `sparse`: what may be left out is, what may be null is, lists are empty. */
export type Fullness = 'full' | 'sparse';
export type Sample = { readonly topic: string; readonly event: RenderedEvent };

const keys = [uuid('first group'), uuid('second group')];

/**
 * Events of every contract as the services would publish them, for two groups, in the order of their outboxes: payloads made from the schemas,
 * rendered by the codec.
 */
export function sampleEvents(contracts = allContracts): Sample[] {
  const counted = new Map<string, number>();
  return keys.flatMap(groupKey =>
    contracts.flatMap(contract =>
      (['full', 'sparse'] as const).map((fullness): Sample => {
        const { type, topic, key, schema } = publishedContract(contract);
        const payload = {
          ...(sampleOf(dataSchema(schema), fullness, `${type} ${fullness}`) as object),
          [key]: groupKey,
        };
        const place = `${type.split('.')[2]} ${topic} ${groupKey}`;
        const sequence = (counted.get(place) ?? 0) + 1;
        counted.set(place, sequence);
        const event = renderEvent(contract as never, payload as never, {
          id: uuid(`${place} ${sequence}`),
          time: sampleTime,
          source: `/holdfast/${type.split('.')[2] ?? ''}`,
          sequence: String(sequence).padStart(12, '0'),
          traceparent: fullness === 'full' ? '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' : undefined,
        });
        return { topic, event };
      }),
    ),
  );
}

const dataSchema = (schema: JsonSchema): JsonSchema =>
  (schema['properties'] as Record<string, JsonSchema>)['data'] as JsonSchema;

const sampleTime = '2026-11-20T03:00:01.000Z';

function sampleOf(schema: JsonSchema, fullness: Fullness, seed: string): unknown {
  if ('const' in schema) return schema['const'];
  if (Array.isArray(schema['enum'])) return schema['enum'].at(fullness === 'full' ? 0 : -1);
  if (Array.isArray(schema['anyOf'])) return sampleOf(oneOf(schema['anyOf'] as JsonSchema[], fullness), fullness, seed);
  const types = [schema['type']].flat();
  if (types.includes('null') && (fullness === 'sparse' || types.length === 1)) return null;
  switch (types.find(type => type !== 'null')) {
    case 'object':
      return sampleObject(schema, fullness, seed);
    case 'array':
      return fullness === 'sparse'
        ? []
        : [1, 2].map(at => sampleOf(schema['items'] as JsonSchema, fullness, `${seed}/${at}`));
    case 'string':
      return sampleString(schema, seed);
    case 'integer':
      return Math.max(1, Number(schema['minimum'] ?? 1));
    case 'boolean':
      return fullness === 'full';
    default:
      throw new Error(`no sample for ${JSON.stringify(schema)}`);
  }
}

function oneOf(choices: readonly JsonSchema[], fullness: Fullness): JsonSchema {
  const [chosen] = choices.filter(({ type }) => (type === 'null') === (fullness === 'sparse'));
  if (chosen === undefined) throw new Error(`no sample for anyOf ${JSON.stringify(choices)}`);
  return chosen;
}

function sampleObject(schema: JsonSchema, fullness: Fullness, seed: string): unknown {
  const required = (schema['required'] ?? []) as readonly string[];
  const fields = Object.entries((schema['properties'] ?? {}) as Record<string, JsonSchema>).filter(
    ([field]) => fullness === 'full' || required.includes(field),
  );
  return Object.fromEntries(fields.map(([field, of]) => [field, sampleOf(of, fullness, `${seed}.${field}`)]));
}

/** The first that the pattern takes: a new kind of text must be added here. */
function sampleString({ pattern }: JsonSchema, seed: string): string {
  const found = [`${seed}: Größe "1"`, uuid(seed), sampleTime, '25000000012800037', '0f'.repeat(32)].find(
    text => typeof pattern !== 'string' || new RegExp(pattern).test(text),
  );
  if (found === undefined) throw new Error(`no sample satisfies ${String(pattern)}`);
  return found;
}

/** The same for the same seed, version 7 by its looks. */
function uuid(seed: string): string {
  const hex = createHash('sha256').update(seed).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-7${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
