import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createEmbeddedBus } from '@holdfast/messaging';
import { observeDatabases, observeMarkLog } from '@holdfast/sqlserver/observe';
import { whyNoTestServer } from '@holdfast/sqlserver/testing';
import { databases, groupId, marks, sourceId, standbyId } from './estate-of-two.ts';
import { makeHistory } from './real-estate.ts';
import { open, startTwoServers } from './two-servers.ts';
import { askFailover, clientOf, confirmAsked, nobody, othersOn, startRestore, untilKnown } from './whole-service.ts';

const names = databases.map(({ name }) => name);
const closing: (() => Promise<void>)[] = [];
let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-restore-'));
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});

const skipped = whyNoTestServer(process.env);
(skipped === undefined ? describe : describe.skip)(
  `a failover over two servers${skipped === undefined ? '' : ` (${skipped})`}`,
  () => {
    it('is refused while a source that was declared gone answers, and recovers every database to the newest mark once it is gone', async () => {
      const servers = await startTwoServers(folder, process.env);
      closing.push(
        () => servers.standby.close(),
        () => servers.primary.close(),
      );
      const known = await makeHistory(servers);
      const standby = await open(servers.standby);
      closing.push(() => standby.close());

      const bus = createEmbeddedBus();
      closing.push(() => bus.close());
      const others = await othersOn(bus, known, servers);
      closing.push(() => others.close());
      const { service, url } = await startRestore(bus, servers, { stateFolder: join(folder, 'state') });
      closing.push(() => service.stop());
      const client = clientOf(url);
      closing.push(() => client.close());
      await untilKnown(client, sourceId);
      const group = [{ __typename: 'BizTalkGroup', id: groupId }];
      const fileQuery =
        'query ($of: [_Any!]!, $standby: ID!) { _entities(representations: $of) { ... on BizTalkGroup { updateInfo(standbyId: $standby) } } }';
      const file = await client.query(fileQuery, { of: group, standby: standbyId });
      expect(file.data).toEqual({ _entities: [{ updateInfo: expect.stringContaining('<ManagementDB oldDBName=') }] });
      const none = await client.query(fileQuery, { of: group, standby: groupId });
      expect(none.data).toEqual({ _entities: [{ updateInfo: null }] });

      const early = await askFailover(client, { idempotencyKey: 'early' });
      expect(early.__typename).toBe('SourceNotAccountedFor');

      await servers.primary.close();
      const started = await askFailover(client, { idempotencyKey: 'late' });
      expect(started).toMatchObject({ __typename: 'Execution', state: 'REQUESTED' });
      const states: string[] = [];
      const watch = client.subscribe(
        'subscription ($id: ID!) { execution(id: $id) { state version markName passedPointOfNoReturn actualRecoveryTime dataLoss { atLeast atMost } sources { instanceName outcome by } steps { id name kind state command attempts reasons { code message } } } }',
        { id: started.id },
      );
      let last: Record<string, unknown> = {};
      for await (const { data, errors } of watch) {
        expect(errors).toBeUndefined();
        last = data?.['execution'] as Record<string, unknown>;
        states.push(String(last['state']));
        await confirmAsked(client, started.id, last as Parameters<typeof confirmAsked>[2]);
        if (['COMPLETED', 'FAILED'].includes(String(last['state']))) break;
      }
      expect(last).toMatchObject({
        state: 'COMPLETED',
        markName: marks[2],
        passedPointOfNoReturn: true,
        actualRecoveryTime: expect.stringMatching(/^PT/),
        dataLoss: { atLeast: 'PT0S' },
        sources: [{ instanceName: 'PRIMARY', outcome: 'DECLARED_UNREACHABLE', by: 'alex' }],
      });
      const steps = last['steps'] as { state: string; kind: string }[];
      expect(steps.map(({ state }) => state)).toEqual(steps.map(() => 'SUCCEEDED'));
      // By nobody but the service up to the verified databases, by people alone after them.
      expect(steps.filter(({ kind }) => kind === 'AUTOMATIC')).toHaveLength(12);
      expect(steps.slice(12).map(({ kind }) => kind)).toEqual(steps.slice(12).map(() => 'MANUAL'));
      expect(states.filter(state => state === 'REFERENCING').length).toBeGreaterThan(0);
      const { databases: found } = await observeDatabases(standby);
      for (const name of names) {
        expect(found.find(database => database.name === name)).toMatchObject({ state: 'ONLINE' });
        expect(await observeMarkLog(standby, { database: name, mark: marks[2] as never })).toMatchObject({
          holdsMark: true,
          newest: marks.toReversed(),
        });
      }
      const viewer = clientOf(url, { sub: 'vera', roles: ['viewer'], groups: ['*'] });
      closing.push(() => viewer.close());
      const stepsQuery = 'query ($id: ID!) { execution(id: $id) { updateInfo steps { name command } } }';
      const [own, seen] = await Promise.all(
        [client, viewer].map(async reader => {
          const { data } = await reader.query(stepsQuery, { id: started.id });
          return data?.['execution'] as { updateInfo: string; steps: { name: string; command: string }[] };
        }),
      );
      expect(own?.updateInfo).toContain('<ManagementDB oldDBName=');
      expect(
        own?.steps.find(({ name }) => name.startsWith('Update the references in the databases'))?.command,
      ).toContain(own?.updateInfo);
      // The texts of jobs are their owners'.
      const differing = own?.steps.filter(({ command }, at) => command !== seen?.steps[at]?.command);
      expect(differing?.map(({ name }) => name)).toEqual([expect.stringContaining('Create the Agent jobs')]);

      const seenBy = Date.now() + 30_000;
      while (others.released.length === 0 && Date.now() < seenBy) await new Promise(resolve => setImmediate(resolve));
      expect(others.released).toEqual(['RECOVERED']);

      const { data } = await client.query(
        `query ($of: [_Any!]!) { executions { nodes { id state group { id } } pageInfo { hasNextPage } }
      _entities(representations: $of) { ... on BizTalkGroup { currentExecution { id } executions(first: 1) { nodes { id kind mode } } } } }`,
        { of: [{ __typename: 'BizTalkGroup', id: groupId }] },
      );
      expect(data).toEqual({
        executions: {
          nodes: [{ id: started.id, state: 'COMPLETED', group: { id: groupId } }],
          pageInfo: { hasNextPage: false },
        },
        _entities: [
          { currentExecution: null, executions: { nodes: [{ id: started.id, kind: 'FAILOVER', mode: 'UNPLANNED' }] } },
        ],
      });
    }, 180_000);
  },
);

describe('the subgraph', () => {
  it('answers with named refusals, and hides executions that are not there', async () => {
    const bus = createEmbeddedBus();
    closing.push(() => bus.close());
    const servers = { primary: nobody, standby: nobody };
    const { service, url } = await startRestore(bus, servers, { stateFolder: join(folder, 'state') });
    closing.push(() => service.stop());
    const client = clientOf(url);
    closing.push(() => client.close());
    expect(await askFailover(client, {})).toMatchObject({ __typename: 'NotYetKnown', fix: expect.any(String) });
    expect(await askFailover(client, { mode: 'PLANNED' })).toMatchObject({ __typename: 'InvalidInput' });
    const { data } = await client.query(
      `mutation ($step: StepInput!, $skip: SkipStepInput!, $cancel: CancelExecutionInput!) {
        confirmStep(input: $step) { __typename } skipStep(input: $skip) { __typename } cancelExecution(input: $cancel) { __typename } }`,
      {
        step: { executionId: groupId, stepId: groupId },
        skip: { executionId: groupId, stepId: groupId, reason: 'why' },
        cancel: { executionId: groupId, reason: 'why' },
      },
    );
    expect(new Set(Object.values(data ?? {}).map(answer => JSON.stringify(answer)))).toEqual(
      new Set(['{"__typename":"NotFound"}']),
    );
    await expect(askFailover(client, { target: { newest: true, mark: marks[0]! } })).rejects.toThrow('Exactly one key');
    expect((await client.query('query ($id: ID!) { execution(id: $id) { id } }', { id: groupId })).data).toEqual({
      execution: null,
    });
    const live = client.subscribe('subscription ($id: ID!) { execution(id: $id) { id } }', { id: groupId });
    expect((await live.next()).value?.errors?.[0]).toMatchObject({ extensions: { code: 'NOT_FOUND' } });
  });
});
