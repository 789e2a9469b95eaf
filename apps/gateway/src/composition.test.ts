import { describe, expect, it } from '@jest/globals';
import { composeSupergraph, locateSubgraphs, subgraphNames } from './composition.ts';

const a = `extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key"])
  type Query { thing: Thing @deprecated(reason: "http://a.invalid/graphql") }
  type Thing @key(fields: "id") { id: ID! }`;
const b = `extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key"])
  type Thing @key(fields: "id") { id: ID! more: String }`;

function composed(): string {
  const result = composeSupergraph([
    { name: 'a', sdl: a },
    { name: 'b', sdl: b },
  ]);
  if (!result.ok) throw new Error(result.errors.join('\n'));
  return result.supergraphSdl;
}

describe('composeSupergraph', () => {
  it('joins subgraphs under placeholder addresses', () => {
    expect(composed()).toContain('@join__graph(name: "b", url: "http://b.invalid/graphql")');
    expect(subgraphNames(composed())).toEqual(['a', 'b']);
  });

  it('reports what does not compose and what does not parse', () => {
    const clash = composeSupergraph([
      { name: 'a', sdl: a },
      { name: 'b', sdl: b.replace('id: ID! more', 'id: Int! more') },
    ]);
    expect(clash).toEqual({ ok: false, errors: [expect.stringContaining('Thing.id')] });
    expect(composeSupergraph([{ name: 'a', sdl: 'type {' }])).toEqual({
      ok: false,
      errors: [expect.stringContaining('[a] Syntax Error')],
    });
  });
});

describe('locateSubgraphs', () => {
  it('changes the addresses and nothing else', () => {
    const located = locateSubgraphs(composed(), { a: 'http://10.0.0.1:1/graphql', b: 'https://b.example/graphql' });
    expect(located).toMatch(/@join__graph\(name: "a", url: "http:\/\/10\.0\.0\.1:1\/graphql"\)/);
    expect(located).toMatch(/@join__graph\(name: "b", url: "https:\/\/b\.example\/graphql"\)/);
    expect(located).toContain('@deprecated(reason: "http://a.invalid/graphql")');
  });

  it('refuses a subgraph without address and an address without subgraph', () => {
    expect(() => locateSubgraphs(composed(), { a: 'http://x/' })).toThrow('b');
    expect(() => locateSubgraphs(composed(), { a: 'http://x/', b: 'http://y/', c: 'http://z/' })).toThrow('c');
  });
});
