import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { buildSubgraphSchema } from '@apollo/subgraph';
import { graphql, type GraphQLSchema, parse } from 'graphql';
import type { Announced } from './child.ts';
import { names, schemaOf } from './schemas.ts';

type Params = { readonly query: string; readonly variables?: Record<string, unknown> };
type Reference = { readonly id: string };

/**
 * The four services' own schemas over made-up rows. Every answer is worked out once and given again as bytes, so that what stands in front of
 * them is what is measured. They believe whoever asks: the signatures are the gateway's cost, checking them the services'.
 */
export async function startSubgraphs(): Promise<Announced> {
  const urls: Record<string, string> = {};
  for (const name of names) {
    const schema = buildSubgraphSchema([{ typeDefs: parse(schemaOf(name)), resolvers: resolvers[name] as never }]);
    urls[name] = await serve(schema);
  }
  return urls;
}

async function serve(schema: GraphQLSchema): Promise<string> {
  const known = new Map<string, Buffer>();
  const server = createServer((request, response) => {
    const answer = async (): Promise<Buffer> => {
      const { query, variables = {} } = JSON.parse(await text(request)) as Params;
      const key = `${query}\n${JSON.stringify(variables)}`;
      let bytes = known.get(key);
      if (bytes === undefined) {
        const result = await graphql({ schema, source: query, variableValues: variables });
        bytes = Buffer.from(JSON.stringify(result));
        known.set(key, bytes);
      }
      return bytes;
    };
    answer().then(
      bytes =>
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': bytes.length }).end(bytes),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  // Whoever measures rests between two rounds; a connection that was closed meanwhile would fail the next request.
  server.keepAliveTimeout = 0;
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`;
}

const at = '2026-11-21T10:00:00.000Z';
const mark = 'BTS_2026_11_21_10_00_00_000';

const resolvers: Readonly<Record<(typeof names)[number], object>> = {
  inventory: {
    Query: {
      groups: (_: unknown, { after }: { after?: string }) => {
        const page = Number(after ?? 0);
        const nodes = Array.from({ length: 50 }, (_, row) => {
          const id = `00000000-0000-7000-8000-${String(page * 50 + row).padStart(12, '0')}`;
          return { id, name: `Group ${page}-${row}`, site: 'Main site' };
        });
        return { nodes, pageInfo: { hasNextPage: true, endCursor: String(page + 1) } };
      },
    },
  },
  backup: {
    BizTalkGroup: {
      __resolveReference: ({ id }: Reference) => ({
        id,
        latestRecoveryPoint: { markName: mark, markedAt: at, verdict: 'SOUND' },
        backupObservation: { observedAt: at, freshness: 'FRESH' },
      }),
    },
  },
  shipping: {
    BizTalkGroup: {
      __resolveReference: ({ id }: Reference) => ({
        id,
        standbys: [{ id: id.replace('-7000-', '-7001-'), state: 'IN_SYNC', newestCommonMarkName: mark }],
      }),
    },
  },
  restore: {
    BizTalkGroup: {
      __resolveReference: ({ id }: Reference) => ({ id, readiness: { verdict: 'READY' }, currentExecution: null }),
    },
  },
};
