import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { failoverInput, estate, groupId, manager, marks, sourceId, standbyId } from '../../test/estate-of-two.ts';
import { openFailover } from '../../test/open-failover.ts';
import { openRestoreStore } from '../../test/open-store.ts';
import type { Estate } from '../estate/estate.ts';
import { startFailover, tryFailover } from '../failover/failover-commands.ts';
import { type PreviewInput, recoveryPreview } from './preview-commands.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function opened(known?: Estate) {
  const store = await openRestoreStore(known);
  closing.push(store.remove);
  return store;
}

const known = estate();
const input = (changes: Partial<PreviewInput> = {}): PreviewInput => ({
  groupId,
  standbyId,
  target: { newest: true },
  ...changes,
});

describe('recoveryPreview', () => {
  const viewer = { ...manager, roles: ['viewer'] as const };
  let shared: Awaited<ReturnType<typeof openRestoreStore>>;
  beforeAll(async () => {
    shared = await openRestoreStore();
  });
  afterAll(() => shared.remove());

  it('is there for a viewer, and takes the id of a recovery point for its mark', async () => {
    const { dependencies, probed } = shared;
    expect(await recoveryPreview(input(), viewer, dependencies)).toMatchObject({ markName: marks[2] });
    const { recoveryPointId } = known.points[1]!;
    expect(await recoveryPreview(input({ target: { recoveryPointId } }), viewer, dependencies)).toMatchObject({
      recoveryPointId,
      markName: marks[1],
      databases: [
        {
          statements: [expect.stringContaining(marks[1]!), expect.any(String), expect.any(String)],
        },
        {},
      ],
    });
    expect(probed).toEqual([]);
  });

  it.each<[string, Partial<PreviewInput>, object]>([
    ['no id', { standbyId: 'x' }, { refused: 'InvalidInput', field: 'standbyId' }],
    [
      'a point that is no id',
      { target: { recoveryPointId: 'x' } },
      { refused: 'InvalidInput', field: 'target.recoveryPointId' },
    ],
    ['a point nobody knows', { target: { recoveryPointId: sourceId } }, { refused: 'NotYetKnown', id: sourceId }],
    ['no mark name', { target: { mark: '' } }, { refused: 'InvalidInput', field: 'target.mark' }],
    ['newest: false', { target: { newest: false } }, { refused: 'InvalidInput', field: 'target.newest' }],
    ['an unknown group', { groupId: sourceId }, { refused: 'NotYetKnown', id: sourceId }],
    ['an unknown standby', { standbyId: sourceId }, { refused: 'NotYetKnown', id: sourceId }],
    [
      'a passed mark',
      { target: { mark: marks[0]! } },
      { refused: 'TargetNotReachable', nearestMarkName: marks[2], nearest: { id: known.points[2]!.recoveryPointId } },
    ],
    ['a time too early', { target: { newestMarkBefore: '2026-11-21T04:00:00Z' } }, { refused: 'TargetNotReachable' }],
  ])('refuses %s', async (_name, changes, expected) => {
    expect(await recoveryPreview(input(changes), viewer, shared.dependencies)).toMatchObject(expected);
  });

  it.each<[string, Estate, object]>([
    [
      'a recovered standby',
      { ...known, standby: { ...known.standby, state: 'RECOVERED' } },
      { refused: 'NothingRestorable', reasons: [{ code: 'STANDBY_RECOVERED' }] },
    ],
    [
      "another group's standby",
      { ...known, standby: { ...known.standby, groupId: sourceId } },
      { refused: 'NotFound', id: standbyId },
    ],
    [
      'no log at the standby',
      estate({ copied: 1 }),
      { refused: 'NothingRestorable', reasons: [{ code: 'MARK_NOT_AT_STANDBY' }, {}] },
    ],
  ])('refuses %s', async (_name, other, expected) => {
    const { dependencies } = await opened(other);
    expect(await recoveryPreview(input(), viewer, dependencies)).toMatchObject(expected);
  });

  it('shows no group out of scope, and nothing to who may not read', async () => {
    const { dependencies } = shared;
    const { recoveryPointId } = known.points[1]!;
    for (const target of [{ newest: true }, { recoveryPointId }, { recoveryPointId: sourceId }])
      expect(await recoveryPreview(input({ target }), { ...viewer, groups: [] }, dependencies)).toMatchObject({
        refused: 'NotYetKnown',
        id: groupId,
      });
    expect(await recoveryPreview(input(), { ...viewer, roles: [] }, dependencies)).toMatchObject({
      refused: 'NotAllowed',
    });
  });
});

describe('a failover that is only tried', () => {
  it('asks what a failover asks, answers its preview, and leaves key and record unused', async () => {
    const { dependencies, probed } = await opened();
    expect(await tryFailover(failoverInput({ confirm: 'orders' }), manager, dependencies)).toMatchObject({
      refused: 'InvalidInput',
      field: 'confirm',
    });
    expect(await tryFailover(failoverInput(), manager, dependencies)).toMatchObject({
      markName: marks[2],
      // Nobody has published how to reach it.
      blockers: [{ code: 'INSTANCE_NOT_ADDRESSED' }],
    });
    expect(probed).toEqual([sourceId]);
    expect(await startFailover(failoverInput({ reason: 'fire' }), manager, dependencies)).toMatchObject({
      state: 'REQUESTED',
    });
    expect(await tryFailover(failoverInput(), manager, dependencies)).toMatchObject({
      refused: 'ExecutionAlreadyRunning',
    });
    expect(await recoveryPreview(input(), manager, dependencies)).toMatchObject({
      blockers: [{ code: 'EXECUTION_RUNNING' }, { code: 'INSTANCE_NOT_ADDRESSED' }],
    });
  });

  it('gives the preview of the mark that would be reached now', async () => {
    const { dependencies } = await opened();
    const { recoveryPointId } = known.points[0]!;
    const outdated = { refused: 'PreviewOutdated', preview: { markName: marks[2], databases: [{}, {}] } };
    expect(await startFailover(failoverInput({ expectedMark: marks[1]! }), manager, dependencies)).toMatchObject(
      outdated,
    );
    expect(await startFailover(failoverInput({ target: { recoveryPointId } }), manager, dependencies)).toMatchObject({
      refused: 'TargetNotReachable',
    });
  });
});

describe('the preview taken while shipping rests', () => {
  it.each<[string, PreviewInput['target']]>([
    ['the newest', { newest: true }],
    ['the newest before a time', { newestMarkBefore: '2026-11-21T04:30:00Z' }],
    ['a recovery point', { recoveryPointId: known.points[1]!.recoveryPointId }],
  ])('names the mark at which the failover lands: %s', async (_name, target) => {
    const failover = await openFailover({ input: { target } });
    closing.push(failover.remove);
    const preview = await recoveryPreview(input({ target }), manager, failover.dependencies);
    if ('refused' in preview) throw new Error(preview.message);
    await failover.run();
    const { state, chosen, steps } = await failover.view();
    expect([state, chosen?.markName, chosen?.recoveryPointId]).toEqual([
      'COMPLETED',
      preview.markName,
      preview.recoveryPointId,
    ]);
    const commands = steps.filter(({ databaseId }) => databaseId !== null).map(({ command }) => command);
    expect(commands.toSorted()).toEqual(preview.databases.flatMap(({ statements }) => statements).toSorted());
  });
});
