import type { BackupSetId } from '@holdfast/domain';
import { requireLsn } from '@holdfast/domain';
import { describe, expect, it } from '@jest/globals';
import { fork, full } from '../../test/estate.ts';
import { isAskedFor, judgeSeeding, type RestoreRow, type SeedingEvidence } from './seeding.ts';

const { setId, files } = full();
const { backupSetUuid } = files[0]!.header!;
const evidence: SeedingEvidence = {
  setId: setId as BackupSetId,
  backupSetUuid,
  lastForkGuid: fork,
  lastLsn: requireLsn('20'),
  afterHistoryId: 7,
  fencingToken: 3,
};
const at = (lsn: string | null, redoStartForkGuid: string | null = fork) => {
  return { redoStartLsn: lsn === null ? null : requireLsn(lsn), redoStartForkGuid };
};
const row = (historyId: number, type: string, uuid: string = backupSetUuid): RestoreRow => {
  return { historyId, type, backupSetUuid: uuid };
};
const other = '11111111-1111-4111-8111-111111111111';
const older = [row(7, 'L', other), row(6, 'D')];

describe('what became of a full that nobody saw end', () => {
  it.each([
    ['its row is there', [row(8, 'D'), ...older]],
    ['its row is there, in capitals', [row(8, 'D', backupSetUuid.toUpperCase()), ...older]],
    ['somebody rolled it forward since', [row(9, 'L', other), row(8, 'D'), ...older]],
    ['somebody else had restored there before it', [row(9, 'D'), row(8, 'D', other), ...older]],
  ])('it ended: %s', (_what, history) => {
    expect(judgeSeeding(evidence, at('20'), history)).toEqual({
      kind: 'ENDED',
      position: { lsn: '20', forkGuid: fork },
    });
  });

  it.each([
    ['no row since', at('20'), older],
    ['no row at all', at('20'), []],
    ['no position is shown', at(null, null), older],
    ['a position without a path', at('15', '00000000-0000-0000-0000-000000000000'), older],
    ['only a file was verified since', at('20'), [row(8, 'V', other), ...older]],
  ])('it is half done: %s', (_what, there, history) => {
    const since = history.length === 0 ? { ...evidence, afterHistoryId: 0 } : evidence;
    expect(judgeSeeding(since, there, history)).toEqual({ kind: 'HALF_DONE' });
  });

  it.each([
    ['another full since', evidence, at('20'), [row(8, 'D', other), ...older]],
    ['another full after ours', evidence, at('20'), [row(9, 'D', other), row(8, 'D'), ...older]],
    ['a log without our full', evidence, at('20'), [row(8, 'L', other), ...older]],
    ['another recovery path', evidence, at('20', other), older],
    ['beyond the end of our full', evidence, at('21'), older],
    ['a history that ends before what was read', evidence, at('20'), [row(6, 'D')]],
    ['a history that is gone', evidence, at('20'), []],
    ['its row, but no position', evidence, at(null, null), [row(8, 'D'), ...older]],
    ['nothing written down', null, at('20'), [row(8, 'D')]],
  ])('it is not proven to be ours: %s', (_what, written, there, history) => {
    expect(judgeSeeding(written, there, history)).toMatchObject({ kind: 'UNPROVEN' });
  });

  it('left nothing, whatever is written down', () => {
    for (const written of [evidence, null])
      expect(judgeSeeding(written, null, older)).toEqual({ kind: 'NOTHING_THERE' });
  });
});

describe('what a reseed may replace', () => {
  const place = (lsn: string, forkGuid: string | null = fork) => ({ lsn: requireLsn(lsn), forkGuid });

  it.each([
    ['nothing stood there when it was asked for', null, place('30'), false],
    ['it stands where it stood', place('30'), place('30'), true],
    ['it was rolled on', place('30'), place('40'), true],
    ['it stands before that', place('30'), place('20'), false],
    ['it is on another path', place('30'), place('30', other), false],
    ['its path is not known, its place is the same', place('30', null), place('30', null), true],
    ['its path is not known, its place is another', place('30', null), place('40', null), false],
  ])('%s', (_what, over, there, asked) => {
    expect(isAskedFor(over, there)).toBe(asked);
  });

  it('is still untouched after a full that has not begun: it is sent again', () => {
    const over = { ...evidence, over: place('40', other) };
    expect(judgeSeeding(over, at('40', other), older)).toEqual({ kind: 'HALF_DONE' });
    expect(judgeSeeding(over, at('50', other), older)).toMatchObject({ kind: 'UNPROVEN' });
    expect(judgeSeeding(over, at('40', other), [row(8, 'D', other), ...older])).toMatchObject({ kind: 'UNPROVEN' });
  });
});
