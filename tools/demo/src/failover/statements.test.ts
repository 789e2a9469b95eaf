import { describe, expect, it } from '@jest/globals';
import { countUnsafeRepeats, criticalPathSeconds, type LoggedStatement, parseStatementLog } from './statements.ts';

const full = "RESTORE DATABASE [Orders] FROM DISK = N'E:\\Copies\\f.bak' WITH FILE = 1, NORECOVERY";
const stop = "RESTORE LOG [Orders] FROM DISK = N'E:\\Copies\\l.bak' WITH NORECOVERY, STOPATMARK = N'BTS_1'";
const log = "RESTORE LOG [Orders] FROM DISK = N'E:\\Copies\\l.bak' WITH FILE = 1, NORECOVERY";
const recover = 'RESTORE DATABASE [Orders] WITH RECOVERY';

function ran(text: string, rest: Partial<LoggedStatement> = {}): LoggedStatement {
  return { at: '', spid: 51, program: 'holdfast-restore g 1 e', text, outcome: 'ok', milliseconds: 100, ...rest };
}

/** As the log has it: a line when it starts and one when it ends. */
function sent(text: string, rest: Partial<LoggedStatement> = {}): LoggedStatement[] {
  return [ran(text, { ...rest, outcome: 'started' }), ran(text, rest)];
}

describe('countUnsafeRepeats', () => {
  it('counts what must not run twice and was sent again', () => {
    expect(countUnsafeRepeats([full, stop, stop, full, full].flatMap(text => sent(text)))).toBe(3);
    expect(countUnsafeRepeats([...sent(full), ...sent(`${full}, REPLACE`)])).toBe(1);
  });

  it('counts what was refused the second time, or never ended', () => {
    expect(countUnsafeRepeats([...sent(stop), ...sent(stop, { outcome: 'failed' })])).toBe(1);
    expect(countUnsafeRepeats([...sent(stop), ran(stop, { outcome: 'started' })])).toBe(1);
  });

  it('lets a database begin again once where a person confirmed it', () => {
    const reseed = sent(`${full}, REPLACE`);
    const seeded = sent(full, { program: 'holdfast-shipping g 1 s' });
    expect(countUnsafeRepeats([...seeded, ...reseed], ['Orders'])).toBe(0);
    expect(countUnsafeRepeats([...seeded, ...reseed], ['Billing'])).toBe(1);
    expect(countUnsafeRepeats([...seeded, ...reseed, ...reseed], ['Orders'])).toBe(1);
    expect(countUnsafeRepeats([...seeded, ...seeded, ...reseed], ['Orders'])).toBe(1);
    const failed = sent(`${full}, REPLACE`, { outcome: 'failed' });
    expect(countUnsafeRepeats([...seeded, ...failed, ...reseed], ['Orders'])).toBe(0);
  });

  it('counts nothing that may be repeated, did no work before or was not ours', () => {
    const others = [...sent(stop, { outcome: 'failed' }), ran(stop, { outcome: 'started' }), ...sent(stop)];
    expect(countUnsafeRepeats(others)).toBe(0);
    expect(countUnsafeRepeats([...sent(stop), ...sent(stop, { program: 'somebody' })])).toBe(0);
    expect(countUnsafeRepeats([log, log, recover, recover].flatMap(text => sent(text)))).toBe(0);
  });
});

it('takes the slowest database for the critical path', () => {
  const statements = [ran(stop), ran(recover), ran(recover.replace('Orders', 'Billing'), { milliseconds: 150 })];
  expect(
    criticalPathSeconds([...statements, ran(full, { program: 'holdfast-shipping g 1 e', milliseconds: 9_000 })]),
  ).toBe(0.2);
  expect(criticalPathSeconds([])).toBe(0);
});

it('reads a log that a kill has cut', () => {
  const line = JSON.stringify(ran(stop));
  expect(parseStatementLog(`${line}\n${line}\n{"at":"20`)).toHaveLength(2);
  expect(parseStatementLog('')).toEqual([]);
});
