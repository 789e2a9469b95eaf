import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { composeSupergraph, locateSubgraphs } from '../src/composition.ts';

export const names = ['inventory', 'backup', 'shipping', 'restore'] as const;

/** The public contract of one service, as text. */
export function schemaOf(name: (typeof names)[number]): string {
  return readFileSync(new URL(`../../${name}/schema.graphql`, import.meta.url), 'utf8');
}

/** @apollo/gateway does not start on a supergraph with directives of authorisation (gateway.md §1). */
function withoutAuthorisation(sdl: string): string {
  return sdl.replaceAll(/, "@authenticated"/g, '').replaceAll(/\s@authenticated\b/g, '');
}

/** Writes the supergraph of the four, without addresses: the product puts them in itself. */
export function writeSupergraph(folder: string): string {
  const file = join(folder, 'supergraph.graphql');
  writeFileSync(file, compose(schemaOf));
  return file;
}

export function writeApolloSupergraph(folder: string, urls: Readonly<Record<string, string>>): string {
  const file = join(folder, 'apollo.graphql');
  writeFileSync(
    file,
    locateSubgraphs(
      compose(name => withoutAuthorisation(schemaOf(name))),
      urls,
    ),
  );
  return file;
}

function compose(sdlOf: (name: (typeof names)[number]) => string): string {
  const composed = composeSupergraph(names.map(name => ({ name, sdl: sdlOf(name) })));
  if (!composed.ok) throw new Error(composed.errors.join('\n'));
  return composed.supergraphSdl;
}
