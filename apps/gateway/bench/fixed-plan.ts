import { readFile } from 'node:fs/promises';
import { Agent, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Announced } from './child.ts';
import { post } from './load.ts';
import { ownQuery } from './query.ts';

type Row = { readonly id: string } & Readonly<Record<string, unknown>>;
type Page = { readonly data: { readonly groups: { readonly nodes: readonly Row[]; readonly pageInfo: unknown } } };
type Entities = { readonly data: { readonly _entities: readonly Readonly<Record<string, unknown>>[] } };

const entityQuery = (fields: string): string =>
  `query ($representations: [_Any!]!) { _entities(representations: $representations) { ... on BizTalkGroup { ${fields} } } }`;

const completions = {
  backup: entityQuery('latestRecoveryPoint { markName markedAt verdict } backupObservation { observedAt freshness }'),
  shipping: entityQuery('standbys { id state newestCommonMarkName }'),
  restore: entityQuery('readiness { verdict } currentExecution { id state }'),
};

/**
 * The plan of the one query written by hand: ask inventory, ask the other three side by side for its rows, merge. It checks nothing; in Node
 * no gateway can do the same work for less. `folder` as for the gateway.
 */
export async function startFixedPlan(folder: string): Promise<Announced> {
  const urls = JSON.parse(await readFile(join(folder, 'urls.json'), 'utf8')) as Record<string, string>;
  const agent = new Agent({ keepAlive: true, maxSockets: 200 });
  const ask = async <Answer>(name: string, query: string, variables: object): Promise<Answer> =>
    JSON.parse(
      await post({ url: urls[name] ?? '', headers: {} }, JSON.stringify({ query, variables }), agent),
    ) as Answer;
  const answer = async (body: string): Promise<string> => {
    const { variables } = JSON.parse(body) as { variables: object };
    const { data } = await ask<Page>('inventory', ownQuery, variables);
    const { nodes, pageInfo } = data.groups;
    const representations = nodes.map(({ id }) => ({ __typename: 'BizTalkGroup', id }));
    const parts = await Promise.all(
      Object.entries(completions).map(([name, query]) => ask<Entities>(name, query, { representations })),
    );
    const merged = nodes.map((node, row) =>
      parts.reduce<Row>((whole, part) => ({ ...whole, ...part.data._entities[row] }), node),
    );
    return JSON.stringify({ data: { groups: { nodes: merged, pageInfo } } });
  };
  const server = createServer((request, response) => {
    text(request)
      .then(answer)
      .then(
        body => response.writeHead(200, { 'content-type': 'application/json' }).end(body),
        (error: unknown) => response.writeHead(500).end(String(error)),
      );
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql` };
}
