import type { JsonSchema } from '@holdfast/events/published';
import { transformSupergraphToPublicSchema } from '@theguild/federation-composition';
import { buildASTSchema, findBreakingChanges, type GraphQLSchema, parse } from 'graphql';
import { type ContractIndex, type Documents, type IndexEntry, supergraphPath } from './documents.ts';

/**
 * Why `documents` may not take the place of a document published before at `path`, with the place of each. Those who read or stored it then must
 * find and understand now what they did then. Allowed: a new event type, a new optional field; in the API whatever graphql-js does not call breaking.
 */
export function breakingChanges(path: string, before: string, documents: Documents): string[] {
  const after = documents.get(path);
  if (after === before) return [];
  // Derived from the rest, which is compared.
  if (path === 'asyncapi.json') return [];
  if (after === undefined) return [`${path} was removed`];
  const changes = changesOf(path, before, after);
  return changes.map(change => `${path}: ${change}`);
}

function changesOf(path: string, before: string, after: string): string[] {
  if (path === supergraphPath) return apiChanges(before, after);
  if (/(^|\/)index\.json$/.test(path)) return indexChanges(parsed(before), parsed(after));
  if (path.endsWith('.schema.json')) return schemaChanges('event', parsed(before), parsed(after));
  throw new Error(`no rule says what breaks ${path}`);
}

function parsed<Shape>(text: string): Shape {
  return JSON.parse(text) as Shape;
}

/** What a client sees: two supergraphs may differ in who answers what. */
function apiChanges(before: string, after: string): string[] {
  return findBreakingChanges(apiOf(before), apiOf(after)).map(({ type, description }) => `${type}: ${description}`);
}

// History is compared with one current supergraph: it is built once.
const builtApis = new Map<string, GraphQLSchema>();
function apiOf(supergraphSdl: string): GraphQLSchema {
  const built = builtApis.get(supergraphSdl) ?? buildASTSchema(transformSupergraphToPublicSchema(parse(supergraphSdl)));
  builtApis.set(supergraphSdl, built);
  return built;
}

function indexChanges(before: ContractIndex, after: ContractIndex): string[] {
  const now = new Map(after.events.map(entry => [entry.type, entry]));
  return before.events.flatMap(was => {
    const is = now.get(was.type);
    if (is === undefined) return [`${was.type} was removed`];
    return (Object.keys(was) as (keyof IndexEntry)[])
      .filter(what => was[what] !== is[what])
      .map(what => `${was.type}: ${what} ${was[what]} became ${is[what]}`);
  });
}

// Words about a schema, not rules of it.
const annotations = ['title', 'description', '$comment', 'examples', 'deprecated'];

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
  const keywords = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter(
    keyword => !annotations.includes(keyword),
  );
  return keywords.flatMap(keyword => {
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
