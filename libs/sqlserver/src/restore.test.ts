import { requireMarkName } from '@holdfast/domain/mark';
import { describe, expect, it } from '@jest/globals';
import { classify, type ServerMessage, SqlServerError } from './errors.ts';
import type { Exclusive } from './exclusive.ts';
import { recover, restoreFull, restoreLog, restoreLogToMark } from './restore.ts';

const info = (number: number, text: string): ServerMessage => ({ number, severity: 0, state: 1, text });
const done = info(3014, 'RESTORE LOG successfully processed 1234 pages in 0.456 seconds (21.142 MB/sec).');
const source = { path: 'D:\\f.bak', position: 1, checksum: false };
const mark = requireMarkName('BTS_2026_11_21_04_00_00_123');

const answering = (messages: readonly ServerMessage[], failure?: number): Exclusive => ({
  programName: 'holdfast-test',
  holds: () => true,
  run: async (statement, _params, onMessage) => {
    messages.forEach(message => onMessage?.(message));
    if (failure !== undefined) {
      const cause = Object.assign(new Error('x'), { code: 'EREQUEST', number: failure, class: 16, state: 1 });
      throw new SqlServerError(statement.name, classify(cause));
    }
    return { rows: [], messages };
  },
  beside: () => Promise.reject(new Error('nobody asks for it here')),
  release: async () => undefined,
});

describe('restoring', () => {
  it('reports progress and figures', async () => {
    const percents: number[] = [];
    const messages = [
      info(3211, '10 percent processed.'),
      info(4035, 'Processed 8 pages'),
      info(3211, '100 percent processed.'),
      done,
    ];
    const told = await restoreFull(answering(messages), { database: 'd', source, replace: false }, percent =>
      percents.push(percent),
    );
    expect(told).toMatchObject({ outcome: 'RESTORED', figures: { pages: '1234', seconds: 0.456 } });
    expect(percents).toEqual([10, 100]);
  });

  it.each([4322, 4329, 4339])('takes information %d for what it means: the mark was not reached', async number => {
    const told = await restoreLogToMark(answering([info(number, 'left in the restoring state'), done]), {
      database: 'd',
      source,
      mark,
    });
    expect(told.outcome).toBe('MARK_NOT_REACHED');
  });

  it('claims a stop only without such a line', async () => {
    expect((await restoreLogToMark(answering([done]), { database: 'd', source, mark })).outcome).toBe('STOPPED');
  });

  it('knows work that had been done before', async () => {
    expect(await restoreLog(answering([], 4326), { database: 'd', source })).toMatchObject({
      outcome: 'ALREADY_APPLIED',
      figures: null,
    });
    expect(await recover(answering([], 3153), { database: 'd' })).toMatchObject({ outcome: 'ALREADY_RECOVERED' });
    // A log that ends before the position cannot hold the mark: that is a wrong plan, not work done before.
    await expect(restoreLogToMark(answering([], 4326), { database: 'd', source, mark })).rejects.toThrow('4326');
  });

  it('does not call a database recovered that was left restoring', async () => {
    expect((await recover(answering([info(4339, 'cannot be brought online yet')]), { database: 'd' })).outcome).toBe(
      'NOT_RECOVERED',
    );
  });

  it('passes every other failure on', async () => {
    await expect(restoreLog(answering([], 4305), { database: 'd', source })).rejects.toMatchObject({
      number: 4305,
      errorClass: 'chain',
    });
  });
});
