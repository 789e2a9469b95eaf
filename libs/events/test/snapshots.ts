import { readdirSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import { allContracts, type EventContract } from '../src/index.ts';

/** What a released contract promises to those who have stored or subscribed to it. */
export type Snapshot = {
  readonly type: string;
  readonly topic: string;
  /** The payload's field. */
  readonly key: string;
  readonly subject: string;
  readonly schema: JsonSchema;
};
export type JsonSchema = { readonly [keyword: string]: unknown };

export const snapshotFolder = new URL('../snapshots/', import.meta.url);

export function snapshotOf(contract: EventContract<never>): Snapshot {
  const { type, topic, schema } = contract;
  // As consumers see it (`output`), through JSON: what JSON Schema keeps is what travels.
  const jsonSchema = JSON.parse(JSON.stringify(z.toJSONSchema(schema, { io: 'output' }))) as JsonSchema;
  return { type, topic, key: fieldOf(contract.key), subject: fieldOf(contract.subject), schema: jsonSchema };
}

/** Which field a contract's function answers: it is given a payload whose fields hold their own names. */
function fieldOf(pick: (payload: never) => string): string {
  return pick(new Proxy({}, { get: (_target, field) => String(field) }) as never);
}

export const currentSnapshots = (): Snapshot[] => allContracts.map(snapshotOf);

export function storedSnapshots(): Snapshot[] {
  return readdirSync(snapshotFolder)
    .filter(file => file.endsWith('.json'))
    .map(file => JSON.parse(readFileSync(new URL(file, snapshotFolder), 'utf8')) as Snapshot);
}

/**
 * Why a contract may not change from `before` to `after` inside one version, with the place of each: an event stored before must stay
 * readable, and a reader of before must find what it reads. Allowed: a new optional field. Everything else is a new version.
 */
export function breakingChanges(before: Snapshot, after: Snapshot): string[] {
  const named = (['topic', 'key', 'subject'] as const)
    .filter(what => before[what] !== after[what])
    .map(what => `${what}: ${before[what]} became ${after[what]}`);
  return [...named, ...schemaChanges('data', before.schema, after.schema)];
}

function schemaChanges(at: string, before: JsonSchema, after: JsonSchema): string[] {
  const { properties: fieldsBefore, required: requiredBefore, ...restBefore } = before;
  const { properties: fieldsAfter, required: requiredAfter, ...restAfter } = after;
  return [
    ...fieldChanges(at, asObject(fieldsBefore), asObject(fieldsAfter), names(requiredBefore), names(requiredAfter)),
    ...keywordChanges(at, restBefore, restAfter),
  ];
}

function fieldChanges(
  at: string,
  before: JsonSchema,
  after: JsonSchema,
  requiredBefore: readonly string[],
  requiredAfter: readonly string[],
): string[] {
  const removed = Object.keys(before).filter(field => !(field in after));
  const kept = Object.keys(before).filter(field => field in after);
  const newlyRequired = requiredAfter.filter(field => !requiredBefore.includes(field));
  const nowOptional = requiredBefore.filter(field => field in after && !requiredAfter.includes(field));
  return [
    ...removed.map(field => `${at}.${field} was removed`),
    ...newlyRequired.map(field => `${at}.${field} is required now`),
    ...nowOptional.map(field => `${at}.${field} is not always there any more`),
    ...kept.flatMap(field => schemaChanges(`${at}.${field}`, asObject(before[field]), asObject(after[field]))),
  ];
}

function keywordChanges(at: string, before: JsonSchema, after: JsonSchema): string[] {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].flatMap(keyword => {
    const [was, is] = [before[keyword], after[keyword]];
    if (isObject(was) && isObject(is)) return schemaChanges(`${at}/${keyword}`, was, is);
    if (
      Array.isArray(was) &&
      Array.isArray(is) &&
      was.length === is.length &&
      was.every(isObject) &&
      is.every(isObject)
    )
      return was.flatMap((schema, i) => schemaChanges(`${at}/${keyword}/${i}`, schema, is[i] as JsonSchema));
    return JSON.stringify(was) === JSON.stringify(is)
      ? []
      : [`${at}: ${keyword} ${JSON.stringify(was)} became ${JSON.stringify(is)}`];
  });
}

function isObject(value: unknown): value is JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
const asObject = (value: unknown): JsonSchema => (isObject(value) ? value : {});
const names = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : []);
