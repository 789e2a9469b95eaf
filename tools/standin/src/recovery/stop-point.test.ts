/** Times of records are in milliseconds, those of msdb in steps of datetime: who stops at what he read there means that record (sqlserver.md §3.6). */
import { describe, expect, it } from '@jest/globals';
import { findDataStop, findStop, type StopPoint } from './stop-point.ts';
import type { LogRecord } from '../engine/log-records.ts';
import type { RestoreStop } from '../contract.ts';

const second = Date.parse('2026-03-01T10:00:00Z');

function commit(lsn: bigint, milliseconds: number, name: string): LogRecord {
  const mark = { name, description: undefined, user: 'sa' };
  return { lsn, entry: { kind: 'commit', transaction: lsn, timeMs: second + milliseconds, mark } };
}

/** Two marks of one name at .005 and .504; msdb tells .007 and .503. */
const log = {
  records: [commit(10n, 5, 'm'), commit(20n, 504, 'm')],
  lastLsn: 30n,
  sliceEndMs: second + 605,
};

function stopped(stop: RestoreStop, position = { lsn: 1n, appliedTimeMs: 0 }): StopPoint {
  return findStop(stop, log, position);
}

describe('AFTER', () => {
  const after = (time: string): bigint | undefined =>
    stopped({ kind: 'at mark', mark: 'm', after: `2026-03-01T10:00:00${time}` }).until;

  it('the time that msdb tells of a mark, finds it', () => {
    expect(after('')).toBe(11n);
    expect(after('.007')).toBe(11n);
    expect(after('.503')).toBe(21n);
  });

  it('a later time, finds the next one or none', () => {
    expect(after('.010')).toBe(21n);
    expect(after('.507')).toBeUndefined();
  });
});

describe('STOPAT', () => {
  const at = (time: string): StopPoint => stopped({ kind: 'at time', time: `2026-03-01T10:00:00${time}` });

  it('the time that msdb tells, includes what was committed then', () => {
    expect(at('.003').until).toBe(10n);
    expect(at('.007').until).toBe(20n);
    expect(at('.503').until).toBe(30n);
  });

  it('the end of the log as msdb tells it, is not beyond it', () => {
    expect(at('.607')).toEqual({ until: 30n, missed: undefined });
    expect(at('.610').missed?.number).toBe(4322);
  });

  it('the time of what is applied already, is not too early', () => {
    const stop = { kind: 'at time', time: '2026-03-01T10:00:00.003' } as const;
    const applied = { lsn: 11n, appliedTimeMs: second + 4 };
    expect(findStop(stop, { ...log, records: [] }, applied).until).toBe(30n);
  });

  it('the end of a data backup as msdb tells it, is its end', () => {
    const set = { recoveryModel: 'FULL', finishMs: second + 4, lastLsn: '30' } as const;
    expect(findDataStop({ kind: 'at time', time: '2026-03-01T10:00:00.003' }, set)).toBeUndefined();
    const later = findDataStop({ kind: 'at time', time: '2026-03-01T10:00:00.007' }, set);
    expect(later?.number).toBe(4322);
  });
});
