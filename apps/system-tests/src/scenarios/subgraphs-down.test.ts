import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ask } from '../harness/client.ts';
import { type Services, startServices, subgraphs } from '../harness/services.ts';

type Subgraph = (typeof subgraphs)[number];

/** One page of a portal: from each service what it answers when nothing is protected yet. */
const parts: Readonly<Record<Subgraph, { readonly field: string; readonly query: string; readonly empty: unknown }>> = {
  inventory: { field: 'groups', query: 'groups { nodes { id } }', empty: { nodes: [] } },
  // Of a group that nobody knows there is no ledger.
  backup: {
    field: 'recoveryPoint',
    query: 'recoveryPoint(id: "00000000-0000-7000-8000-000000000000") { id }',
    empty: null,
  },
  shipping: { field: 'standbys', query: 'standbys { id }', empty: [] },
  restore: { field: 'executions', query: 'executions { nodes { id } }', empty: { nodes: [] } },
};
const page = `{ ${Object.values(parts)
  .map(({ query }) => query)
  .join(' ')} }`;

// One or two at a time; each state follows from the one before by little.
const states: readonly (readonly Subgraph[])[] = [
  ['inventory'],
  ['inventory', 'backup'],
  ['backup'],
  ['backup', 'shipping'],
  ['shipping'],
  ['shipping', 'restore'],
  ['restore'],
  ['inventory', 'restore'],
  ['inventory', 'shipping'],
  ['backup', 'restore'],
];

let services: Services;
let down: readonly Subgraph[] = [];

beforeAll(async () => {
  services = await startServices();
}, 90_000);

afterAll(() => services.remove());

async function bringDown(wanted: readonly Subgraph[]): Promise<void> {
  await Promise.all([
    ...wanted.filter(name => !down.includes(name)).map(name => services.app(name).stop('SIGKILL')),
    ...down.filter(name => !wanted.includes(name)).map(name => services.launch(name).ready()),
  ]);
  down = wanted;
}

describe('a page stays, and what is missing has the name of who is', () => {
  it.each(states.map(state => [state.join(' and '), state] as const))(
    'without %s',
    async (_names, state) => {
      await bringDown(state);
      const answer = await ask(services.app('gateway').url, await services.identity.token(['viewer']), page);
      expect(answer.status).toBe(200);
      for (const name of subgraphs) {
        const { field, empty } = parts[name];
        expect([name, answer.data?.[field]]).toEqual([name, state.includes(name) ? null : empty]);
      }
      const missing = answer.errors?.map(({ path, extensions }) => ({ path, ...extensions })) ?? [];
      expect(missing).toHaveLength(state.length);
      for (const name of state)
        expect(missing).toContainEqual({
          path: [parts[name].field],
          code: 'SUBGRAPH_UNAVAILABLE',
          service: name,
          retryable: true,
          traceId: expect.any(String),
        });
      expect(JSON.stringify(answer)).not.toContain('127.0.0.1');
    },
    60_000,
  );
});
