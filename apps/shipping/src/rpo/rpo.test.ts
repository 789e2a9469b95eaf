import { type Lsn, requireLsn } from '@holdfast/domain';
import { describe, expect, it } from '@jest/globals';
import { copiesOf, databases, fork, full, known, log, standby, stream } from '../../test/estate.ts';
import type { KnownPoint } from '../estate/estate.ts';
import { type GroupView, stagesOf, type StandbyShelf } from './rpo.ts';

const sets = [full(), log(2), log(3), log(4)];
const point = (n: number, verdict: KnownPoint['verdict']): KnownPoint => ({
  recoveryPointId: `point-${String(n)}` as KnownPoint['recoveryPointId'],
  setId: known(log(n)).setId,
  markName: known(log(n)).markName!,
  markedAt: `2026-11-21T10:0${String(n)}:00.000Z`,
  verdict,
  judgedAt: '2026-11-21T10:30:00.000Z',
});
const at = (lsn: Lsn) =>
  databases.map(({ name }) => stream(name, { state: 'IN_SYNC', position: { lsn, forkGuid: fork } }));
const shelf = (changes: Partial<StandbyShelf> = {}): StandbyShelf => ({
  standby: { ...standby, state: 'IN_SYNC', observedAt: '2026-11-21T10:31:00.000Z' },
  streams: at(requireLsn('20')),
  copies: copiesOf(full(), log(2), log(3)),
  expired: false,
  ...changes,
});
const view = (...standbys: StandbyShelf[]): GroupView => {
  return { sets: sets.map(known), points: [point(2, 'SOUND'), point(3, 'SOUND'), point(4, 'DEGRADED')], standbys };
};
const marks = (of: GroupView) => Object.values(stagesOf(of)).map(({ markName }) => markName);

describe('the stages of a group', () => {
  it('are the newest marks taken, whole at a standby and reachable there', () => {
    expect(marks(view(shelf()))).toEqual(['M4', 'M3', 'M3']);
    expect(stagesOf(view(shelf())).restorable).toMatchObject({
      markedAt: '2026-11-21T10:03:00.000Z',
      observedAt: '2026-11-21T10:31:00.000Z',
    });
  });

  it('count no mark as taken that is broken or that nobody could judge', () => {
    const judged = { ...view(shelf()), points: [point(2, 'SOUND'), point(3, 'UNKNOWN'), point(4, 'BROKEN')] };
    expect(stagesOf(judged).taken.markName).toBe('M2');
  });

  it('restore nothing at a standby that is held, stuck, long unseen or past its marks', () => {
    const held = { ...standby, claim: { executionId: 'x' as never, yieldedAt: null } };
    for (const change of [
      { standby: held },
      { expired: true },
      { streams: at(requireLsn('40')) },
      { streams: at(requireLsn('20')).map(one => ({ ...one, seedingFileId: known(full()).files[0]!.fileId })) },
    ])
      expect(marks(view(shelf(change)))).toEqual(['M4', 'M3', null]);
  });

  it('are empty without a standby', () => {
    expect(marks(view())).toEqual(['M4', null, null]);
  });
});
