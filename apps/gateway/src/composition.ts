import { composeServices, compositionHasErrors } from '@theguild/federation-composition';
import { GraphQLError, Kind, type DocumentNode, parse, print, visit } from 'graphql';

export type SubgraphSource = { readonly name: string; readonly sdl: string };

export type Composed =
  { readonly ok: true; readonly supergraphSdl: string } | { readonly ok: false; readonly errors: readonly string[] };

/** Subgraph addresses are a matter of the installation: the composed file carries `http://<name>.invalid/graphql`. */
export function composeSupergraph(subgraphs: readonly SubgraphSource[]): Composed {
  const services: { name: string; typeDefs: DocumentNode; url: string }[] = [];
  const errors: string[] = [];
  for (const { name, sdl } of subgraphs) {
    try {
      services.push({ name, typeDefs: parse(sdl), url: `http://${name}.invalid/graphql` });
    } catch (error) {
      if (!(error instanceof GraphQLError)) throw error;
      errors.push(`[${name}] ${error.toString()}`);
    }
  }
  if (errors.length > 0) return { ok: false, errors };
  const result = composeServices(services);
  if (compositionHasErrors(result)) return { ok: false, errors: result.errors.map(error => error.message) };
  return { ok: true, supergraphSdl: result.supergraphSdl };
}

/** The names of the subgraphs that a supergraph was composed from. */
export function subgraphNames(supergraphSdl: string): readonly string[] {
  const names: string[] = [];
  visitSubgraphs(supergraphSdl, name => {
    names.push(name);
    return undefined;
  });
  return names;
}

/** Puts each subgraph's address in; an Error names every subgraph without one and every address without a subgraph. */
export function locateSubgraphs(supergraphSdl: string, urls: Readonly<Record<string, string>>): string {
  const names = subgraphNames(supergraphSdl);
  const missing = names.filter(name => urls[name] === undefined);
  const unknown = Object.keys(urls).filter(name => !names.includes(name));
  if (missing.length > 0) throw new Error(`no address is configured for: ${missing.join(', ')} (gateway.subgraphs)`);
  if (unknown.length > 0) throw new Error(`not in the supergraph: ${unknown.join(', ')} (gateway.subgraphs)`);
  return print(visitSubgraphs(supergraphSdl, name => urls[name]));
}

/** The runtime wants one address in the supergraph; which replica is asked is decided for each request (replicas.ts). */
export function firstOfEach(addresses: Readonly<Record<string, readonly string[]>>): Record<string, string> {
  return Object.fromEntries(Object.entries(addresses).flatMap(([name, [first]]) => (first ? [[name, first]] : [])));
}

/** Visits the `join__Graph` entries; a string answer becomes the entry's url. */
function visitSubgraphs(supergraphSdl: string, urlOf: (name: string) => string | undefined): DocumentNode {
  return visit<DocumentNode>(parse(supergraphSdl, { noLocation: true }), {
    EnumTypeDefinition: node => (node.name.value === 'join__Graph' ? undefined : false),
    Directive(node) {
      if (node.name.value !== 'join__graph') return undefined;
      const name = node.arguments?.find(argument => argument.name.value === 'name')?.value;
      const url = name?.kind === Kind.STRING ? urlOf(name.value) : undefined;
      if (url === undefined) return undefined;
      const rest = node.arguments?.filter(argument => argument.name.value !== 'url') ?? [];
      const located = {
        kind: Kind.ARGUMENT,
        name: { kind: Kind.NAME, value: 'url' },
        value: { kind: Kind.STRING, value: url },
      } as const;
      return { ...node, arguments: [...rest, located] };
    },
  });
}
