import { afterEach, describe, expect, it } from '@jest/globals';
import type { ExecutionId } from '@holdfast/domain';
import { openStore } from '@holdfast/store';
import { estate, failoverInput, groupId, manager, marks, sourceId, twoPlaces } from '../../test/estate-of-two.ts';
import { openRestoreStore, publishedEvents } from '../../test/open-store.ts';
import type { Estate } from '../estate/estate.ts';
import { executionCommands } from '../execution/execution-commands.ts';
import { insertExecution } from '../execution/execution-store.ts';
import type { RestoreTables } from '../tables.ts';
import { startFailover } from './failover-commands.ts';
import type { FailoverInput } from './failover.ts';

let remove: (() => Promise<void>) | undefined;
afterEach(async () => {
  await remove?.();
  remove = undefined;
});

async function opened(known?: Estate) {
  const store = await openRestoreStore(known);
  remove = store.remove;
  return store;
}

describe('startFailover', () => {
  it('records the execution with its first steps and publishes it', async () => {
    const { store, dependencies } = await opened();
    const execution = await startFailover(failoverInput(), manager, dependencies);
    expect(execution).toMatchObject({ state: 'REQUESTED', version: 1, requestedBy: 'alex', groupName: 'Orders' });
    expect('steps' in execution && execution.steps.map(({ name }) => name)).toEqual(['Probe source instance PRIMARY']);
    expect(await publishedEvents(store)).toMatchObject([
      { type: 'execution.changed', data: { state: 'REQUESTED', groupId } },
    ]);
  });

  it('answers the same for the same key, refuses the key with other input, and runs one for a group at a time', async () => {
    const { dependencies, probed } = await opened();
    const first = await startFailover(failoverInput(), manager, dependencies);
    const again = await startFailover(failoverInput(), manager, dependencies);
    expect(again).toEqual(first);
    expect(probed).toHaveLength(1);
    expect(await startFailover(failoverInput({ reason: 'fire' }), manager, dependencies)).toMatchObject({
      refused: 'IdempotencyKeyReused',
    });
    expect(await startFailover(failoverInput({ idempotencyKey: 'key-2' }), manager, dependencies)).toMatchObject({
      refused: 'ExecutionAlreadyRunning',
      execution: { executionId: 'executionId' in first ? first.executionId : '' },
    });
  });

  it('lets one of a hundred racing callers through, whichever connection to the store they come by', async () => {
    const { dependencies, location, store } = await opened();
    const second = openStore<RestoreTables>(location);
    const results = await Promise.all(
      Array.from({ length: 100 }, (_, index) =>
        startFailover(failoverInput({ idempotencyKey: `key-${String(index)}` }), manager, {
          ...dependencies,
          store: index % 2 === 0 ? store : second,
        }),
      ),
    );
    await second.close();
    const [started, ...others] = results.filter(result => 'executionId' in result);
    expect([started?.state, others]).toEqual(['REQUESTED', []]);
    for (const result of results.filter(answer => answer !== started))
      expect(result).toMatchObject({
        refused: 'ExecutionAlreadyRunning',
        execution: { executionId: started?.executionId },
      });
    expect(await publishedEvents(store)).toHaveLength(1);
  });

  it('answers a hundred racing repetitions of one request with one execution', async () => {
    const { dependencies, store } = await opened();
    const results = await Promise.all(
      Array.from({ length: 100 }, () => startFailover(failoverInput(), manager, dependencies)),
    );
    const ids = new Set(results.map(result => ('executionId' in result ? result.executionId : result.refused)));
    expect([...ids]).toEqual([expect.stringMatching(/^[0-9a-f-]{36}$/)]);
    expect(await publishedEvents(store)).toHaveLength(1);
  });

  it('cannot run two for a group, whatever the code believes', async () => {
    const { dependencies, store } = await opened();
    const first = await startFailover(failoverInput(), manager, dependencies);
    if ('refused' in first) throw new Error(first.message);
    const other = { ...first, executionId: sourceId as string as ExecutionId };
    await expect(store.transaction(tx => insertExecution(tx, other, []))).rejects.toMatchObject({ kind: 'constraint' });
  });

  it('keeps a key for its execution after that has ended, and lets another key start the next one', async () => {
    const { dependencies } = await opened();
    const first = await startFailover(failoverInput(), manager, dependencies);
    if ('refused' in first) throw new Error(first.message);
    const reason = { code: 'GONE', message: 'm', fix: 'f', evidence: null, since: null };
    await executionCommands({ ...dependencies, fencingToken: 1 }).fail(first, first.steps[0]!.stepId, reason);
    const { executionId } = first;
    expect(await startFailover(failoverInput(), manager, dependencies)).toMatchObject({ executionId, state: 'FAILED' });
    expect(await startFailover(failoverInput({ reason: 'fire' }), manager, dependencies)).toMatchObject({
      refused: 'IdempotencyKeyReused',
    });
    const next = await startFailover(failoverInput({ idempotencyKey: 'key-2' }), manager, dependencies);
    expect(next).toMatchObject({ state: 'REQUESTED' });
    expect('executionId' in next && next.executionId).not.toBe(executionId);
  });

  const refused = async (changes: Partial<FailoverInput>, known?: Estate) => {
    const { dependencies, probed } = await opened(known);
    return { result: await startFailover(failoverInput(changes), manager, dependencies), probed };
  };

  it.each([
    [
      'a planned one that declares',
      { mode: 'PLANNED' as const },
      { refused: 'InvalidInput', field: 'declaredUnreachable' },
    ],
    [
      'a planned one to a mark',
      { mode: 'PLANNED' as const, declaredUnreachable: [], target: { mark: marks[2]! } },
      { refused: 'InvalidInput', field: 'target' },
    ],
    [
      'a planned one that expects a mark',
      { mode: 'PLANNED' as const, declaredUnreachable: [], expectedMark: marks[2]! },
      { refused: 'InvalidInput', field: 'expectedMark' },
    ],
    ['another name', { confirm: 'orders' }, { refused: 'InvalidInput', field: 'confirm' }],
    ['no reason', { reason: ' ' }, { refused: 'InvalidInput', field: 'reason' }],
    ['newest: false', { target: { newest: false } }, { refused: 'InvalidInput', field: 'target.newest' }],
    ['an unknown group', { groupId: sourceId }, { refused: 'NotYetKnown', id: sourceId }],
    ['an unknown standby', { standbyId: sourceId }, { refused: 'NotYetKnown', id: sourceId }],
    [
      'a stranger declared gone',
      { declaredUnreachable: [{ instanceId: groupId, reason: 'x' }] },
      { refused: 'InvalidInput' },
    ],
    [
      'an unexpected mark',
      { expectedMark: marks[0]! },
      { refused: 'PreviewOutdated', preview: { markName: marks[2] } },
    ],
    [
      'a mark that is passed',
      { target: { mark: marks[0]! } },
      { refused: 'TargetNotReachable', nearestMarkName: marks[2] },
    ],
    [
      'a mark nobody knows',
      { target: { mark: 'BTS_x' } },
      { refused: 'TargetNotReachable', nearestMarkName: marks[2] },
    ],
    ['a time too early', { target: { newestMarkBefore: '2026-11-21T04:00:00Z' } }, { refused: 'TargetNotReachable' }],
  ])('refuses %s before it asks any server', async (_name, changes, expected) => {
    const { result, probed } = await refused(changes);
    expect(result).toMatchObject(expected);
    expect(probed).toEqual([]);
  });

  it('refuses a standby that was recovered, and one with nothing to reach', async () => {
    const known = estate();
    const recovered = { ...known, standby: { ...known.standby, state: 'RECOVERED' as const } };
    expect((await refused({}, recovered)).result).toMatchObject({
      refused: 'NothingRestorable',
      reasons: [{ code: 'STANDBY_RECOVERED' }],
    });
    await remove?.();
    expect((await refused({}, estate({ copied: 1 }))).result).toMatchObject({
      refused: 'NothingRestorable',
      reasons: expect.any(Array),
    });
  });

  it('takes a target before a time', async () => {
    const { result } = await refused({ target: { newestMarkBefore: '2026-11-21T04:30:00Z' }, expectedMark: marks[1]! });
    expect(result).toMatchObject({ state: 'REQUESTED', target: { kind: 'NEWEST_MARK_BEFORE' } });
  });

  it.each([
    ['ANSWERS', true, 'SourceNotAccountedFor'],
    ['REFUSES', true, 'SourceNotAccountedFor'],
    ['REFUSES', false, 'SourceCannotBeFenced'],
    ['SILENT', false, 'SourceNotAccountedFor'],
    ['UNKNOWN', true, 'SourceNotAccountedFor'],
  ] as const)('refuses a source that is %s and declared %s', async (answer, declared, expected) => {
    const { store, dependencies } = await opened();
    const probe = async () => ({ answer, evidence: 'because' });
    const input = failoverInput(declared ? {} : { declaredUnreachable: [] });
    expect(await startFailover(input, manager, { ...dependencies, probe })).toMatchObject({
      refused: expected,
      instance: 'PRIMARY',
    });
    expect(await publishedEvents(store)).toEqual([]);
  });

  it('wants every source instance accounted for, and names the one that is not', async () => {
    const known = estate({ shape: twoPlaces });
    const [first, second] = twoPlaces.places.map(({ sourceId: instanceId }) => ({ instanceId, reason: 'gone' }));
    const { dependencies } = await opened(known);
    const refusedAs = { refused: 'SourceNotAccountedFor', instance: String.raw`BTSDB2\BTS` };
    const one = failoverInput({ declaredUnreachable: [first!] });
    expect(await startFailover(one, manager, dependencies)).toMatchObject(refusedAs);
    const both = failoverInput({ declaredUnreachable: [first!, second!] });
    const probe: typeof dependencies.probe = async instanceId => ({
      answer: instanceId === second!.instanceId ? 'ANSWERS' : 'SILENT',
      evidence: 'because',
    });
    expect(await startFailover(both, manager, { ...dependencies, probe })).toMatchObject(refusedAs);
    const started = await startFailover(both, manager, dependencies);
    expect('steps' in started && started.steps.map(({ name }) => name)).toEqual([
      String.raw`Probe source instance BTSDB1\BTS`,
      String.raw`Probe source instance BTSDB2\BTS`,
    ]);
  });

  it('is not for viewers, and shows no group out of scope', async () => {
    const { dependencies } = await opened();
    expect(await startFailover(failoverInput(), { ...manager, roles: ['operator'] }, dependencies)).toMatchObject({
      refused: 'NotAllowed',
    });
    expect(await startFailover(failoverInput(), { ...manager, groups: [] }, dependencies)).toMatchObject({
      refused: 'NotYetKnown',
      id: groupId,
    });
  });
});
