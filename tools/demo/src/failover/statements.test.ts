import { describe, expect, it } from '@jest/globals';
import { countUnsafeRepeats, criticalPathSeconds, type LoggedStatement, parseStatementLog } from './statements.ts';

const full = "RESTORE DATABASE [Orders] FROM DISK = N'E:\\Copies\\f.bak' WITH FILE = 1, NORECOVERY";
const stop = "RESTORE LOG [Orders] FROM DISK = N'E:\\Copies\\l.bak' WITH NORECOVERY, STOPATMARK = N'BTS_1'";
const log = "RESTORE LOG [Orders] FROM DISK = N'E:\\Copies\\l.bak' WITH FILE = 1, NORECOVERY";
const recover = 'RESTORE DATABASE [Orders] WITH RECOVERY';

function ran(text: string, rest: Partial<LoggedStatement> = {}): LoggedStatement {
  return { program: 'holdfast-restore g 1 e', text, outcome: 'ok', milliseconds: 100, ...rest };
}

describe('countUnsafeRepeats', () => {
  it('counts what must not run twice and did', () => {
    expect(countUnsafeRepeats([ran(full), ran(stop), ran(stop), ran(full), ran(full)])).toBe(3);
  });

  it('counts nothing that may be repeated, failed or was not ours', () => {
    const others = [
      ran(stop, { outcome: 'failed' }),
      ran(stop, { program: 'somebody' }),
      ran(stop, { outcome: 'started' }),
    ];
    expect(countUnsafeRepeats([ran(stop), ...others, ran(log), ran(log), ran(recover), ran(recover)])).toBe(0);
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
