import { describe, expect, it } from '@jest/globals';
import type { LoggedStatement } from '@holdfast/demo';
import { busyMs, restoresBy, shippedSets } from './statements.ts';

const mark = 'BTS_2026_11_21_10_00_00_000';
const at = (ms: number): string => new Date(Date.parse('2026-11-21T10:00:00.000Z') + ms).toISOString();

function ran(text: string, endedMs: number, rest: Partial<LoggedStatement> = {}): LoggedStatement {
  return { at: at(endedMs), spid: 51, program: 'holdfast-shipping g', text, outcome: 'ok', milliseconds: 100, ...rest };
}
const log = (database: string, stop = ''): string =>
  `RESTORE LOG [${database}] FROM DISK = N'f.bak' WITH NORECOVERY${stop}`;
const stopped = (database: string): string => log(database, `, STOPATMARK = N'${mark}'`);

it('takes the RESTOREs of one sender that ended well, in order', () => {
  const statements = [
    ran(log('B'), 20),
    ran(log('A'), 10),
    ran(log('A'), 5, { outcome: 'started' }),
    ran(log('C'), 6, { outcome: 'failed' }),
    ran(log('D'), 7, { program: 'holdfast-restore g' }),
    ran("RESTORE HEADERONLY FROM DISK = N'f.bak'", 8),
  ];
  expect(restoresBy('shipping', statements).map(({ text }) => text)).toEqual([log('A'), log('B')]);
  expect(restoresBy('restore', statements).map(({ text }) => text)).toEqual([log('D')]);
});

it('counts time in which several ran once', () => {
  expect(busyMs([ran('a', 100), ran('b', 150), ran('c', 400)])).toBe(250);
  expect(busyMs([ran('a', 100, { milliseconds: 100 }), ran('b', 90, { milliseconds: 20 })])).toBe(100);
});

describe('shippedSets', () => {
  const complete = ran("exec [dbo].[sp_MarkAll] 'BTS'", 1_000, { program: 'SQLAgent' });
  const earlier = ran("exec [dbo].[sp_MarkAll] 'BTS'", -500, { program: 'SQLAgent' });

  it('counts from the completion at the source to the last database at its mark', () => {
    const standby = [ran(log('A'), 900), ran(log('A'), 1_500), ran(stopped('A'), 1_700), ran(stopped('B'), 2_000)];
    expect(shippedSets([complete, earlier], standby, 2)).toEqual([{ mark, totalMs: 1_000, restoringMs: 300 }]);
  });

  it('leaves out a set that is not whole at the standby, or not known at the source', () => {
    expect(shippedSets([complete], [ran(stopped('A'), 1_700)], 2)).toEqual([]);
    expect(shippedSets([earlier], [ran(stopped('A'), 1_700)], 1)).toEqual([]);
  });
});
