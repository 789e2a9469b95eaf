import { describe, expect, it } from '@jest/globals';
import { commonMarks, type InstancePosition } from './agreement.ts';
import type { DatabaseId } from './ids.ts';
import { requireLsn } from './lsn.ts';
import { requireMarkName } from './mark.ts';

const [a, b] = ['database-a', 'database-b'] as DatabaseId[];
function mark(name: string, atA: number | null, atB: number | null) {
  const lsns = [
    [a!, atA],
    [b!, atB],
  ] as const;
  const lsnByDatabase = new Map(lsns.flatMap(([id, lsn]) => (lsn === null ? [] : [[id, requireLsn(String(lsn))]])));
  return { mark: requireMarkName(name), lsnByDatabase };
}
const at = (databaseId: DatabaseId, lsn: number | null): InstancePosition => ({
  databaseId,
  databaseName: databaseId,
  instanceName: databaseId === a ? 'DR1' : 'DR2',
  position: lsn === null ? null : { lsn: requireLsn(String(lsn)), forkGuid: null },
});
const marks = [mark('M3', 300, 30), mark('M2', 200, 20), mark('M1', 100, 10)];

function agreed(atA: number | null, atB: number | null, known = marks) {
  const agreement = commonMarks(known, [at(a!, atA), at(b!, atB)]);
  if (agreement.kind === 'COMMON') return agreement.marks.map(({ mark: name }) => String(name));
  const names = (positions: readonly InstancePosition[]) => positions.map(({ instanceName }) => instanceName);
  return { ahead: names(agreement.ahead), behind: names(agreement.behind), absent: names(agreement.absent) };
}

describe('commonMarks', () => {
  it.each<[string, Parameters<typeof agreed>, ReturnType<typeof agreed>]>([
    ['all before every mark', [50, 5], ['M3', 'M2', 'M1']],
    ['at a mark and one slot after it', [200, 21], ['M3', 'M2']],
    ['two slots after it is past it', [200, 22], ['M3']],
    ['one ahead, one behind', [302, 15], { ahead: ['DR1'], behind: ['DR2'], absent: [] }],
    ['both past everything', [302, 32], { ahead: ['DR1', 'DR2'], behind: [], absent: [] }],
    [
      'a mark not proven in one database is not common',
      [50, 5, [mark('M3', 300, null), ...marks.slice(1)]],
      ['M2', 'M1'],
    ],
    [
      'ahead of the newest proven mark',
      [250, 15, [mark('M3', 300, null), ...marks.slice(1)]],
      { ahead: ['DR1'], behind: ['DR2'], absent: [] },
    ],
    ['an absent database agrees with nothing', [50, null], { ahead: [], behind: [], absent: ['DR2'] }],
    ['nothing proven', [50, 5, [mark('M1', null, 10)]], { ahead: [], behind: [], absent: [] }],
  ])('%s', (_, given, expected) => {
    expect(agreed(...given)).toEqual(expected);
  });

  it('finds no agreement among nobody', () => {
    expect(commonMarks(marks, []).kind).toBe('NO_COMMON_MARK');
  });
});
