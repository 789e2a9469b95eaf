import { type Bench } from './bench.ts';
import type { Strikes } from './strike.ts';

const group = { A: 'BoxA', B: 'BoxB' } as const;

/** A group of three databases: management and two message boxes. */
export async function makeGroup(bench: Bench): Promise<void> {
  for (const name of ['Mgmt', 'BoxA', 'BoxB']) await bench.rows(`CREATE DATABASE ${name}`);
  await bench.rows(`EXEC sp_standin_setup_biztalk @management = N'Mgmt', @group = N'G', @messageBox = N'BoxA'`);
  await bench.rows(`EXEC sp_standin_add_message_box @management = N'Mgmt', @database = N'BoxB'`);
  await bench.rows(
    "DECLARE @now datetime = GETUTCDATE(); EXEC Mgmt.dbo.sp_BackupAllFull 'BTS', '\\\\share\\bts', @now",
  );
}

type SetOfBackups = { readonly errors: readonly string[]; readonly rows: readonly string[]; readonly files: boolean };

/** One set in a session of its own, which ends: a failed one keeps the writer lock. */
async function makeSet(bench: Bench, call: string): Promise<SetOfBackups> {
  await bench.pass(1);
  const session = bench.session();
  const moment = call === 'sp_BackupAllFull' ? ', @now' : '';
  const errors = await bench.errors(
    `DECLARE @now datetime = GETUTCDATE(); EXEC Mgmt.dbo.${call} 'BTS', '\\\\share\\bts'${moment}`,
    session,
  );
  await bench.engine.detach(session);
  const rows = await bench.rows(
    `SELECT h.DatabaseName AS name, h.SetComplete AS complete, h.BackupFileName AS f FROM Mgmt.dbo.adm_BackupHistory h
     WHERE h.BackupSetId = (SELECT MAX(NextBackupSetId) - 1 FROM Mgmt.dbo.adm_BackupSetId) ORDER BY h.DatabaseName`,
  );
  return {
    errors,
    rows: rows.map(row => `${String(row['name'])} ${row['complete'] === true ? 'complete' : 'partial'}`),
    files: rows.every(row => bench.exists(String(row['f']))),
  };
}

const complete = ['BoxA complete', 'BoxB complete', 'Mgmt complete'];
const whole: SetOfBackups = { errors: [], rows: complete, files: true };

/** Marks of the last log set in one database, beside the set. */
async function markAll(bench: Bench, place: string): Promise<unknown> {
  const database = group[place as keyof typeof group];
  const before = await bench.count(`msdb.dbo.logmarkhistory WHERE database_name = N'${database}'`);
  const set = await makeSet(bench, 'sp_MarkAll');
  const marks = (await bench.count(`msdb.dbo.logmarkhistory WHERE database_name = N'${database}'`)) - before;
  return { ...set, marks };
}

export const bizTalkStrikes: Strikes<Bench> = {
  'backup-skipped': {
    parameters: { database: 'BoxA' },
    act: bench => makeSet(bench, 'sp_BackupAllFull'),
    normal: whole,
    faulty: { ...whole, files: false },
  },
  'backup-worker-fails': {
    parameters: { database: 'BoxB', kind: 'full' },
    act: bench => makeSet(bench, 'sp_BackupAllFull'),
    normal: whole,
    faulty: { errors: ['50000'], rows: ['BoxA partial'], files: true },
  },
  'backup-history-lost': {
    parameters: { database: 'BoxA', kind: 'log' },
    act: bench => makeSet(bench, 'sp_MarkAll'),
    normal: whole,
    faulty: { errors: ['50000'], rows: ['BoxB complete', 'Mgmt complete'], files: true },
  },
  'mark-not-set': {
    parameters: { database: 'BoxA' },
    act: markAll,
    normal: { ...whole, marks: 1 },
    faulty: { ...whole, marks: 0 },
    sparesB: true,
  },
};
