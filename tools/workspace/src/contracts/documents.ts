import { globSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { allContracts } from '@holdfast/events';
import { type PublishedContract, publishedContract } from '@holdfast/events/published';
import { composeSupergraph } from '@holdfast/gateway/composition';
import { asyncApiDocument, schemaPathOf } from './asyncapi.ts';

/** What `contracts/` holds: text by path under that folder, written with `/`. */
export type Documents = ReadonlyMap<string, string>;

/** One line of an index: what identifies an event type, where it travels, and its schema's path beside the index. */
export type IndexEntry = Omit<PublishedContract, 'schema' | 'audience'> & { readonly schema: string };
export type ContractIndex = { readonly events: readonly IndexEntry[] };

export const supergraphPath = 'supergraph.graphql';

/** The same sources give the same bytes. */
export function contractDocuments(contracts: readonly PublishedContract[], supergraphSdl: string): Documents {
  const sorted = contracts.toSorted((a, b) => (a.type < b.type ? -1 : 1));
  const forOthers = sorted.filter(({ audience }) => audience === 'public');
  // Our own services keep the same promise to each other, and to what lies in their logs; nobody else gets these topics.
  const amongOurselves = sorted.filter(({ audience }) => audience !== 'public');
  return new Map([
    ['asyncapi.json', json(asyncApiDocument(forOthers))],
    ...eventDocuments('', forOthers),
    ...eventDocuments('internal/', amongOurselves),
    [supergraphPath, supergraphSdl.endsWith('\n') ? supergraphSdl : `${supergraphSdl}\n`],
  ]);
}

/** From this repository's sources, never from what was generated before. */
export function currentDocuments(root: string): Documents {
  return contractDocuments(allContracts.map(publishedContract), composedSupergraph(root));
}

function eventDocuments(folder: string, contracts: readonly PublishedContract[]): [string, string][] {
  const events: IndexEntry[] = contracts.map(({ type, topic, key, subject, dataschema }) => ({
    type,
    topic,
    key,
    subject,
    dataschema,
    schema: schemaPathOf(type),
  }));
  return [
    [`${folder}index.json`, json({ events } satisfies ContractIndex)],
    ...contracts.map(({ type, schema }): [string, string] => [`${folder}${schemaPathOf(type)}`, json(schema)]),
  ];
}

export function composedSupergraph(root: string): string {
  const subgraphs = globSync('apps/*/schema.graphql', { cwd: root })
    .sort()
    .map(file => ({ name: basename(dirname(file)), sdl: readFileSync(join(root, file), 'utf8') }));
  const composed = composeSupergraph(subgraphs);
  if (!composed.ok) throw new Error(`The subgraphs do not compose:\n${composed.errors.join('\n')}`);
  return composed.supergraphSdl;
}

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
