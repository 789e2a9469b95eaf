import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type LoadPlanner, loadRustPlanner } from '../src/planner.ts';
import { type Estate, startEstate } from './estate.ts';
import { removeTemporaryFolders } from './temporary-folder.ts';

afterAll(removeTemporaryFolders);

const planners = [
  ['rust', {}],
  ['js', { loadPlanner: () => Promise.reject(new Error('no addon for this platform')) }],
] as const;

describe.each(planners)('with the %s planner', (_planner, overrides) => {
  let estate: Estate;
  beforeAll(async () => {
    estate = await startEstate({ overrides, upstreamTimeoutMs: 2_000 });
  });
  afterAll(() => estate.stop());

  it('joins fields of two subgraphs', async () => {
    const { status, body } = await estate.ask('{ groups { id name plan } }');
    expect(status).toBe(200);
    expect(body).toEqual({
      data: {
        groups: [
          { id: 'g1', name: 'one', plan: 'plan of g1' },
          { id: 'g2', name: 'two', plan: 'plan of g2' },
        ],
      },
    });
  });

  it('tells subgraphs who asks, and takes nothing of that from the client', async () => {
    const forged = {
      holdfast: { sub: 'root', roles: ['admin'], groups: ['*'] },
      endpoint: 'http://127.0.0.1:1/',
      headers: { a: 'b' },
    };
    const authorization = await estate.token({ sub: 'bea', roles: ['operator', 'wizard'] });
    const { body } = await estate.ask('{ me }', { authorization, body: { extensions: forged } });
    expect(JSON.parse(String(body.data?.['me']))).toEqual({ sub: 'bea', roles: ['operator'], groups: ['*'] });
    expect(Object.keys(estate.inventory.seen.at(-1)?.extensions ?? {})).toEqual(['holdfast']);
  });

  it('hands the request id on', async () => {
    await estate.ask('{ me }', { headers: { 'x-request-id': 'request-12345' } });
    expect(estate.inventory.requestIds.at(-1)).toBe('request-12345');
    await estate.ask('{ me }', { headers: { 'x-request-id': 'bad id; drop' } });
    expect(estate.inventory.requestIds.at(-1)).toMatch(/^[0-9a-f]{32}$/);
  });

  it('keeps the rest of the page when a subgraph answers 503, and names the missing one', async () => {
    estate.backup.fault = 503;
    const { status, body } = await estate.ask('{ groups { id name plan } backupHealth }');
    estate.backup.fault = undefined;
    expect(status).toBe(200);
    expect(body.data).toEqual({
      groups: [
        { id: 'g1', name: 'one', plan: null },
        { id: 'g2', name: 'two', plan: null },
      ],
      backupHealth: null,
    });
    expect(body.errors?.length).toBeGreaterThanOrEqual(2);
    for (const error of body.errors ?? []) {
      expect(error.message).toBe('The service "backup" did not answer.');
      expect(error.extensions).toEqual({
        code: 'SUBGRAPH_UNAVAILABLE',
        service: 'backup',
        retryable: true,
        traceId: expect.any(String),
      });
    }
    const paths = body.errors?.map(error => error.path?.join('.')) ?? [];
    expect(paths).toContain('backupHealth');
    expect(paths.some(path => path?.startsWith('groups'))).toBe(true);
    expect(JSON.stringify(body)).not.toMatch(/127\.0\.0\.1|_entities|insides/);
  });

  it('retries queries, never mutations', async () => {
    estate.inventory.fault = 503;
    const before = estate.inventory.seen.length;
    const mutation = await estate.ask('mutation { rename(name: "x") }');
    expect(estate.inventory.seen.length - before).toBe(1);
    expect(mutation.body.errors?.[0]?.extensions).toMatchObject({ code: 'SUBGRAPH_UNAVAILABLE', service: 'inventory' });
    await estate.ask('{ me }');
    expect(estate.inventory.seen.length - before).toBe(4);
    estate.inventory.fault = undefined;
    const done = await estate.ask('mutation { rename(name: "y") }');
    expect(done.body).toEqual({ data: { rename: 'y' } });
    expect(estate.renames).toEqual(['y']);
  });

  it.each(['hang', 'half an answer'] as const)(
    'leaks nothing when a subgraph does not answer in time: %s',
    async fault => {
      estate.inventory.fault = fault;
      const { body } = await estate.ask('{ me }');
      estate.inventory.fault = undefined;
      estate.inventory.release();
      expect(body.errors).toEqual([
        {
          message: 'The service "inventory" did not answer.',
          path: expect.anything(),
          extensions: {
            code: 'SUBGRAPH_UNAVAILABLE',
            service: 'inventory',
            retryable: true,
            traceId: expect.any(String),
          },
        },
      ]);
    },
  );

  it('keeps a refusal of a subgraph and hides a crash', async () => {
    const { status, body } = await estate.ask('{ refused crashed me }');
    expect(status).toBe(200);
    expect(body.data).toMatchObject({ refused: null, crashed: null, me: expect.any(String) });
    const byPath = Object.fromEntries((body.errors ?? []).map(error => [error.path?.[0], error]));
    expect(byPath['refused']).toMatchObject({
      message: 'Not for you.',
      extensions: { code: 'FORBIDDEN', retryable: false, traceId: 'trace-1', fix: 'ask' },
    });
    expect(Object.keys(byPath['refused']?.extensions ?? {})).not.toContain('stack');
    expect(byPath['crashed']).toMatchObject({
      message: 'Unexpected error.',
      extensions: { code: 'INTERNAL_SERVER_ERROR', service: 'inventory' },
    });
    expect(JSON.stringify(body)).not.toMatch(/hunter2|insides/);
  });

  it('answers a query of which nothing is allowed with its real reason, not with 500', async () => {
    const refused = await estate.ask('{ guarded }');
    expect(refused.status).toBe(403);
    expect(refused.body.errors?.[0]?.extensions).toMatchObject({ code: 'FORBIDDEN', retryable: false });
    const allowed = await estate.ask('{ guarded }', { authorization: await estate.token({ roles: ['admin'] }) });
    expect(allowed.body).toEqual({ data: { guarded: 'for admins' } });
  });

  it("answers each caller by the caller's own rights, whoever asked the same before", async () => {
    const [admin, viewer] = [await estate.token({ roles: ['admin'] }), await estate.token({ roles: ['viewer'] })];
    for (const authorization of [viewer, admin, viewer, admin]) {
      const { status, body } = await estate.ask(
        'query Both { guarded ...Rest } fragment Rest on Query { me guarded }',
        {
          authorization,
        },
      );
      if (authorization === admin) expect(body.data).toEqual({ guarded: 'for admins', me: expect.any(String) });
      else expect([status, body.errors?.[0]?.extensions['code']]).toEqual([403, 'FORBIDDEN']);
    }
  });
});

describe('the planner', () => {
  it('is given one document for one operation, so that it plans it once', async () => {
    const documents: unknown[] = [];
    const loadPlanner: LoadPlanner = async supergraphSdl => {
      const handler = await loadRustPlanner(supergraphSdl);
      return async context => {
        const graph = await handler(context);
        const { executor } = graph;
        if (executor === undefined) throw new Error('the planner executes nothing');
        const noting: typeof executor = request => {
          documents.push(request.document);
          return executor(request);
        };
        return { ...graph, executor: noting };
      };
    };
    const estate = await startEstate({ overrides: { loadPlanner } });
    for (const shown of [true, false, true])
      await estate.ask('query ($shown: Boolean!) { groups { name plan @include(if: $shown) } }', {
        body: { variables: { shown } },
      });
    await estate.stop();
    expect(documents).toHaveLength(3);
    expect(new Set(documents).size).toBe(1);
  });

  it.each([
    ['rust', undefined],
    ['js', () => Promise.reject(new Error('no addon'))],
  ])('is named in the log: %s', async (planner, loadPlanner) => {
    const lines: object[] = [];
    const note = (line: object): number => lines.push(line);
    const logger = { info: note, warn: note, error: note } as never;
    const estate = await startEstate({ overrides: { logger, ...(loadPlanner === undefined ? {} : { loadPlanner }) } });
    await estate.stop();
    expect(lines).toContainEqual(expect.objectContaining({ planner }));
  });
});
