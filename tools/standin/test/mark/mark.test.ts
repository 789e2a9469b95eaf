/**
 * The steps of a distributed mark (sqlserver.md §3.4), each held open and seen from outside: two processes, the unmodified driver. What waits is
 * read from sys.dm_exec_requests, what the mark separates from copies restored to it.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { names } from '../linked/pair.ts';
import { MarkedPair } from './marked-pair.ts';

const heldBack = 'TRAN_MARKLATCH_SH';
const markWaits = 'TRAN_MARKLATCH_EX';
const inPrepare = 'PREEMPTIVE_DTC_PREPAREREQUESTDONE';

let pair: MarkedPair;

beforeAll(async () => {
  pair = await MarkedPair.create();
});
afterAll(() => pair.end());

/** Prepared at ONE, and at TWO not yet: so does a prepare hang there. */
const hang = (): Promise<void> => pair.instance('TWO').set('prepare-hangs');
const letGo = (): Promise<void> => pair.instance('TWO').clear('prepare-hangs');

/** Log backups of both, then copies at the mark, and before it. */
async function atTheMark(mark: string, first: number): Promise<unknown> {
  for (const name of names) await pair.log(name, mark);
  const at = await pair.restoredTo(mark, first, `STOPATMARK = N'${mark}'`);
  // Just before its mark the marking transaction itself is prepared, and in doubt.
  for (const name of names) await pair.presume(name, 2);
  const before = (await pair.restoredTo(mark, first, `STOPBEFOREMARK = N'${mark}'`)).map(({ ids }) => ids);
  for (const name of names) await pair.presume(name, 0);
  return { at, before };
}

describe('while a mark is placed over two instances', () => {
  it('(a) what is prepared commits before it', async () => {
    await pair.full('a');
    await hang();
    const prepared = pair.distributed('TWO', 11);
    await pair.waits('TWO', inPrepare);
    const mark = pair.mark('ONE', 'a');
    await pair.waits('ONE', markWaits);
    expect([prepared.over(), mark.over()]).toEqual([false, false]);
    await letGo();
    await Promise.all([prepared.end, mark.end]);
    const both = { ids: [11], marks: ['a'] };
    expect(await atTheMark('a', 10)).toEqual({ at: [both, both], before: [[11], [11]] });
  });

  it('(b) a new prepare waits where the mark is prepared', async () => {
    await pair.full('b');
    await hang();
    const mark = pair.mark('ONE', 'b');
    await pair.waits('TWO', inPrepare);
    const late = pair.distributed('TWO', 21);
    await pair.waits('ONE', heldBack);
    expect([late.over(), mark.over()]).toEqual([false, false]);
    await letGo();
    await Promise.all([late.end, mark.end]);
    const both = { ids: [], marks: ['a', 'b'] };
    expect(await atTheMark('b', 20)).toEqual({ at: [both, both], before: [[], []] });
    expect((await pair.content('TWO', 'D', 20)).ids).toEqual([21]);
  });

  it('(c) a local commit waits where the mark is prepared, and nowhere else', async () => {
    await pair.full('c');
    await hang();
    const mark = pair.mark('ONE', 'c');
    await pair.waits('TWO', inPrepare);
    let answered = false;
    const local = pair.at('ONE', 'INSERT D.dbo.t VALUES (31)').then(() => {
      answered = true;
    });
    await pair.waits('ONE', heldBack);
    await pair.at('TWO', 'INSERT D.dbo.t VALUES (32)');
    expect([answered, mark.over()]).toEqual([false, false]);
    await letGo();
    await Promise.all([local, mark.end]);
    const marks = ['a', 'b', 'c'];
    expect(await atTheMark('c', 30)).toEqual({
      at: [
        { ids: [], marks },
        { ids: [32], marks },
      ],
      before: [[], [32]],
    });
    expect((await pair.content('ONE', 'D', 30)).ids).toEqual([31]);
  });

  it('(e) two logs may hold two transactions in opposite order: it separates neither', async () => {
    await pair.full('e');
    await pair.instance('ONE').set('commit-gap', { ms: 99_999 });
    const first = pair.distributed('ONE', 51);
    // Committed at ONE, which coordinates it, and prepared at TWO.
    await pair.until('ONE', 'SELECT 1 FROM D.dbo.t WHERE id = 51');
    await pair.log('ONE', 'e-1');
    await pair.distributed('TWO', 52).end;
    await pair.log('TWO', 'e-1');
    const mark = pair.mark('TWO', 'e');
    await pair.waits('TWO', markWaits);
    expect([first.over(), mark.over()]).toEqual([false, false]);

    const one = await pair.copy('ONE', 'e', ['e-1']);
    await pair.recover('ONE', one);
    expect((await pair.content('ONE', one, 50)).ids).toEqual([51]);
    await inDoubt();

    await pair.instance('ONE').clear('commit-gap');
    await Promise.all([first.end, mark.end]);
    for (const name of names) {
      await pair.log(name, 'e-2');
      const copy = await pair.copy(name, 'e', ['e-1', 'e-2'], "STOPATMARK = N'e'");
      // Without a presumption: what the mark drained is not in doubt.
      await pair.recover(name, copy);
      expect(await pair.content(name, copy, 50)).toEqual({ ids: [51, 52], marks: ['a', 'b', 'c', 'e'] });
    }
    // No presumption is undone by a restart.
    await pair.restart('TWO');
    expect(await stateOf(suspect)).toEqual('SUSPECT');
    await pair.presume('TWO', 1);
    await pair.at('TWO', `ALTER DATABASE ${suspect} SET ONLINE`);
    expect((await pair.content('TWO', suspect, 50)).ids).toEqual([51, 52]);
    await pair.presume('TWO', 0);
  });
});

let suspect = '';

/** The log of TWO at which 52 is committed and 51 prepared, under each value of `in-doubt xact resolution` (sqlserver.md §3.5). */
async function inDoubt(): Promise<void> {
  for (const [outcome, ids] of [
    [1, [51, 52]],
    [2, [52]],
  ] as const) {
    await pair.presume('TWO', outcome);
    const copy = await pair.copy('TWO', 'e', ['e-1']);
    await pair.recover('TWO', copy);
    expect((await pair.content('TWO', copy, 50)).ids).toEqual(ids);
  }
  await pair.presume('TWO', 0);
  suspect = await pair.copy('TWO', 'e', ['e-1']);
  await expect(pair.recover('TWO', suspect)).rejects.toMatchObject({
    number: 3013,
    precedingErrors: [{ number: 3437 }, { number: 3431 }, { number: 3414 }],
  });
  expect(await stateOf(suspect)).toBe('SUSPECT');
}

async function stateOf(database: string): Promise<unknown> {
  return (await pair.at('TWO', `SELECT state_desc AS s FROM sys.databases WHERE name = N'${database}'`))[0]?.['s'];
}

describe('a mark whose transactions do not end in time', () => {
  it('(d) is rolled back and fails the Backup job, and the transaction that is stuck at the other instance commits', async () => {
    await pair.makeGroup();
    await pair.restart('ONE', ['--mark-timeout', '200']);
    await hang();
    const stuck = pair.distributed('ONE', 41);
    await pair.waits('TWO', inPrepare);
    const failed = await pair.runJob();
    expect(failed.map(([step, outcome]) => [step, outcome])).toEqual([
      [1, 1],
      [2, 1],
      [3, 0],
      [0, 0],
    ]);
    expect(failed[2]?.[2]).toMatch(/3928/);
    expect(stuck.over()).toBe(false);
    const marked = "SELECT database_name AS d FROM msdb.dbo.logmarkhistory WHERE mark_name LIKE 'BTS%' ORDER BY 1";
    for (const name of names) expect(await pair.at(name, marked)).toEqual([]);
    await letGo();
    await stuck.end;

    expect((await pair.runJob()).at(-1)?.slice(0, 2)).toEqual([0, 1]);
    expect(await pair.at('ONE', marked)).toEqual([{ d: 'D' }, { d: 'Mgmt' }]);
    expect(await pair.at('TWO', marked)).toEqual([{ d: 'D' }, { d: 'Msg' }]);
    for (const name of names) {
      const [full, log, ...more] = await pair.at(
        'ONE',
        `SELECT BackupFileName AS f, MarkName AS m FROM Mgmt.dbo.adm_BackupHistory
         WHERE DatabaseName = N'D' AND ServerName = N'${name}' ORDER BY BackupId`,
      );
      expect(more).toEqual([]);
      const stop = `STOPATMARK = N'${String(log?.['m'])}'`;
      const copy = await pair.copyFrom(name, String(full?.['f']), [String(log?.['f'])], stop);
      await pair.recover(name, copy);
      expect((await pair.content(name, copy, 41)).ids.filter(id => id < 50)).toEqual([41]);
    }
  });
});
