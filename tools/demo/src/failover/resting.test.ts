import { expect, it } from '@jest/globals';
import { notAtRest, restingComplaints, restoresInFailover } from './resting.ts';
import type { LoggedStatement } from './statements.ts';

const mark = 'BTS_2026_11_21_10_00_00_000';
const before = 'BTS_2026_11_21_09_00_00_000';

function ran(text: string, rest: Partial<LoggedStatement> = {}): LoggedStatement {
  return { at: '', spid: 51, program: 'holdfast-shipping g 1 s', text, outcome: 'ok', milliseconds: 1, ...rest };
}
const log = (database: string, stop = ''): string =>
  `RESTORE LOG [${database}] FROM DISK = N'E:\\Copies\\${database}.bak' WITH FILE = 1, NORECOVERY${stop}`;
const stopAt = (name: string): string => `, STOPATMARK = N'${name}'`;

it('finds the databases whose last restore did not stop at the mark', () => {
  const rests = ran(log('A', stopAt(mark)));
  const all = ['A'];
  expect(notAtRest([rests], all, mark)).toEqual([]);
  expect(notAtRest([ran(log('A', stopAt(before))), ran(log('A')), rests], all, mark)).toEqual([]);
  // Rolled on to the end of the file, stopped at another mark, refused, under way, never touched.
  expect(notAtRest([rests, ran(log('A'))], all, mark)).toEqual(all);
  expect(notAtRest([ran(log('A', stopAt(before)))], all, mark)).toEqual(all);
  expect(notAtRest([ran(rests.text, { outcome: 'failed' })], all, mark)).toEqual(all);
  expect(notAtRest([ran(rests.text, { outcome: 'started' })], all, mark)).toEqual(all);
  expect(notAtRest([rests], ['A', 'B'], mark)).toEqual(['B']);
});

it('counts what the failover restored, not what it opened and not what shipping did', () => {
  const program = 'holdfast-restore g 1 e';
  const sent = (text: string): LoggedStatement[] => [
    ran(text, { program, outcome: 'started' }),
    ran(text, { program, outcome: 'failed' }),
  ];
  expect(restoresInFailover([ran(log('A')), ...sent('RESTORE DATABASE [A] WITH RECOVERY')])).toBe(0);
  const full = "RESTORE DATABASE [A] FROM DISK = N'E:\\Copies\\f.bak' WITH FILE = 1, NORECOVERY, REPLACE";
  expect(restoresInFailover([...sent(log('A', stopAt(mark))), ...sent(full)])).toBe(2);
});

it('says what is not as it must be', () => {
  expect(restingComplaints({ mark, elsewhere: [], restoresInFailover: 0 })).toEqual([]);
  expect(restingComplaints({ mark, elsewhere: ['A', 'B'], restoresInFailover: 2 })).toEqual([
    `not at rest at ${mark}: A, B`,
    'the failover restored 2 files, though the standby rested at its mark',
  ]);
});
