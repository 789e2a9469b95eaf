/** The statements that take long or touch files; what may be found when the process died within one of them, and how it is brought to its end. */
import { chainGoesOn, eitherWay, nextTurn, nothingToDo, repeated, type Ending } from './endings.ts';
import { bulk, file, moved } from './template.ts';
import type { Act } from './trial.ts';

export type Trial = {
  readonly name: string;
  /** Where it is said what may be true after the restart. */
  readonly source: string;
  readonly act: Act;
  /** A commit that dies at this place first: the trial starts from what it leaves. */
  readonly wound?: { readonly statement: string; readonly dieAt: string };
  /** Its effects in their order, in the words of `changes` (observation.ts); without steps it has happened or it has not. */
  readonly steps?: readonly string[];
  readonly ending: Ending;
  /** Places of the normal run; one if not given. */
  readonly sample?: number;
};

// A running BACKUP is gone after a restart (sqlserver.md §9.2) and leaves a file that is refused (§1.4); then the file is whole, its place in
// the chain and its row in msdb follow. A client that got no answer looks into msdb and goes on under a new name (§8.4).
const stepsOf = (file: string, refused: string, effects: readonly string[]): readonly string[] => [
  `file ${file}: ${refused}`,
  `file ${file}: done`,
  ...effects,
];
const afterBackup = 'sqlserver.md §8.4';
// A running RESTORE DATABASE leaves its database RESTORING and of no use until the full is restored again (§2.3, §9.2); when only its row in
// the history is missing, the position tells (§8.4).
const afterRestore = 'sqlserver.md §2.3';
const halfRestored = 'RESTORING FULL - -';

const restoreFull = (name: string): string =>
  `RESTORE DATABASE ${name} FROM ${file('App-full')} WITH NORECOVERY, REPLACE, ${moved('App', name)}`;
const restoreDifferential = `RESTORE DATABASE Copy FROM ${file('App-diff')} WITH NORECOVERY`;
const restoreLog = `RESTORE LOG Copy FROM ${file('App-log')} WITH`;
const standby = `STANDBY = 'S:\\Backup\\Undo'`;
const marked = `BEGIN TRAN m2 WITH MARK; INSERT App.dbo.t VALUES (900, N'm2'); INSERT Box.dbo.t VALUES (900, N'm2'); COMMIT`;

function statement(text: string, part: Omit<Trial, 'act' | 'ending'> & { readonly ending?: Ending }): Trial {
  return { ending: repeated(text), ...part, act: { statement: text } };
}

const backups: readonly Trial[] = [
  statement(`BACKUP DATABASE App TO ${file('app-2')} WITH CHECKSUM`, {
    name: 'BACKUP DATABASE',
    source: afterBackup,
    steps: stepsOf('app-2.bak', 'refused', ['base of App: done', 'msdb app-2.bak: done']),
    ending: chainGoesOn('full'),
  }),
  statement(`BACKUP DATABASE App TO ${file('app-2')} WITH DIFFERENTIAL, CHECKSUM`, {
    name: 'BACKUP DATABASE WITH DIFFERENTIAL',
    source: afterBackup,
    steps: stepsOf('app-2.bak', 'refused', ['msdb app-2.bak: done']),
    ending: chainGoesOn('differential'),
  }),
  {
    name: 'BACKUP LOG',
    act: { prepare: bulk('App', 600), statement: `BACKUP LOG App TO ${file('app-2')} WITH CHECKSUM` },
    source: afterBackup,
    steps: stepsOf('app-2.bak', 'refused', ['database App: done', 'msdb app-2.bak: done']),
    ending: chainGoesOn('log'),
    sample: 3,
  },
  statement(`BACKUP LOG App TO ${file('App-log')} WITH NOINIT, CHECKSUM`, {
    name: 'BACKUP LOG into a file that holds one',
    source: afterBackup,
    steps: stepsOf('App-log.bak', 'whole refused', ['database App: done', 'msdb App-log.bak: done']),
    ending: chainGoesOn('log'),
  }),
  statement(`BACKUP LOG App TO ${file('app-2')} WITH NORECOVERY, CHECKSUM`, {
    name: 'BACKUP LOG WITH NORECOVERY',
    source: afterBackup,
    steps: stepsOf('app-2.bak', 'refused', ['content of App: done, database App: done', 'msdb app-2.bak: done']),
    ending: chainGoesOn('log'),
    sample: 2,
  }),
];

const restores: readonly Trial[] = [
  statement(restoreFull('New'), {
    name: 'RESTORE DATABASE of a new one',
    source: afterRestore,
    steps: [`base of New: done, database New: ${halfRestored}`, 'database New: done', 'restores of New: done'],
    sample: 2,
  }),
  statement(restoreFull('Old'), {
    name: 'RESTORE DATABASE over another',
    source: afterRestore,
    steps: [
      `base of Old: done, content of Old: done, database Old: ${halfRestored}`,
      'database Old: done',
      'restores of Old: done',
    ],
  }),
  statement(restoreDifferential, {
    name: 'RESTORE DATABASE from a differential',
    source: afterRestore,
    steps: [`database Copy: ${halfRestored}`, 'database Copy: done', 'restores of Copy: done'],
    ending: repeated(`${restoreFull('Copy')}; ${restoreDifferential}`),
  }),
  // RESTORE LOG is there or not, and may be sent again: at the end of the log it has no effect (§2.6), behind the mark it is 4335 (§9.2).
  statement(`${restoreLog} NORECOVERY`, {
    name: 'RESTORE LOG',
    source: 'sqlserver.md §2.6',
    steps: ['database Copy: done', 'restores of Copy: done'],
    sample: 2,
  }),
  statement(`${restoreLog} NORECOVERY, STOPATMARK = 'm1'`, {
    name: 'RESTORE LOG … STOPATMARK',
    source: 'sqlserver.md §9.2',
    steps: ['database Copy: done', 'restores of Copy: done'],
    ending: repeated(`${restoreLog} NORECOVERY, STOPATMARK = 'm1'`, [4335], ['restores of Copy']),
  }),
  statement(`${restoreLog} RECOVERY`, {
    name: 'RESTORE LOG WITH RECOVERY',
    source: 'sqlserver.md §2.3',
    steps: [
      'database Copy: RESTORING FULL # -',
      'content of Copy: done, database Copy: done',
      'restores of Copy: done',
    ],
    ending: repeated(`${restoreLog} RECOVERY`, [3117], ['restores of Copy']),
  }),
  statement(`${restoreLog} ${standby}`, {
    name: 'RESTORE LOG WITH STANDBY',
    source: 'sqlserver.md §2.3',
    steps: [
      'database Copy: RESTORING FULL # -',
      'content of Copy: done, database Copy: done, file Undo: done',
      'restores of Copy: done',
    ],
    ending: repeated(`${restoreLog} ${standby}`, [], ['restores of Copy']),
  }),
  statement(`RESTORE DATABASE Ready WITH ${standby}`, {
    name: 'RESTORE DATABASE WITH STANDBY',
    source: 'sqlserver.md §2.3',
  }),
  statement('RESTORE DATABASE Ready WITH RECOVERY', {
    name: 'RESTORE DATABASE WITH RECOVERY',
    source: 'sqlserver.md §2.5',
    steps: ['content of Ready: done, database Ready: done', 'restores of Ready: done'],
    ending: repeated('RESTORE DATABASE Ready WITH RECOVERY', [3153], ['restores of Ready']),
  }),
  {
    name: 'RESTORE LOG WITH RECOVERY of a mark that was set here',
    source: 'sqlserver.md §3.2',
    act: {
      prepare: `${marked}; BACKUP LOG App TO ${file('app-2')}`,
      statement: `RESTORE LOG Ready FROM ${file('app-2')} WITH RECOVERY`,
    },
    steps: [
      'database Ready: RESTORING FULL # -',
      'content of Ready: done, database Ready: done',
      'restores of Ready: done',
    ],
    ending: repeated(`RESTORE LOG Ready FROM ${file('app-2')} WITH RECOVERY`, [3117], ['restores of Ready']),
  },
];

const setUp = "EXEC sp_standin_setup_biztalk @management = N'NewMgmt', @group = N'New', @messageBox = N'NewMsg'";

// Everything else is there or not (§9.2), and the repeat is refused as done.
const definitions: readonly Trial[] = [
  ['CREATE DATABASE Fresh', 1801],
  ['DROP DATABASE Old', 3701],
  ['ALTER DATABASE Old SET OFFLINE WITH ROLLBACK IMMEDIATE', undefined],
  ['ALTER DATABASE Shut SET ONLINE', undefined],
  ['CREATE TABLE App.dbo.made (id int)', 2714],
  [marked, 2627],
  [setUp, 2714],
].map(([text, done]) =>
  statement(String(text), {
    name: String(text).split(' @')[0] ?? '',
    source: 'sqlserver.md §9.2',

    ending: repeated(String(text), typeof done === 'number' ? [done] : []),
  }),
);

// The job's databases one after the other; a set is complete at the end of all (biztalk-dr.md §2.3, §2.4).
const jobSteps = (kind: 'Full' | 'Log', refused: string, moves: string): readonly string[] => {
  const [old, type] = ['1 Mgmt db true | 1 Msg db true', kind === 'Full' ? 'db' : 'lg'];
  const half = [`${old} | 2 Mgmt ${type} false`, `${old} | 2 Mgmt ${type} false | 2 Msg ${type} false`];
  const backups = ['Mgmt', 'Msg'].flatMap((database, at) => [
    ...stepsOf(`CRASH_ONE_${database}_${kind}_BTS.bak`, refused, [
      `${moves} ${database}: done`,
      `msdb CRASH_ONE_${database}_${kind}_BTS.bak: done`,
    ]),
    `history of Mgmt: ${half[at] ?? ''}`,
  ]);
  return [...backups, 'history of Mgmt: done'];
};

const simple = 'ALTER DATABASE App SET RECOVERY SIMPLE';
const job = (text: string, steps: readonly string[]): Trial =>
  statement(text, { name: text, source: 'biztalk-dr.md §2.3', steps, ending: nextTurn(text), sample: 2 });

const others: readonly Trial[] = [
  job(
    "DECLARE @now datetime = GETUTCDATE(); EXEC Mgmt.dbo.sp_BackupAllFull 'BTS', 'S:\\Backup', @now",
    jobSteps('Full', 'refused / whole', 'base of'),
  ),
  job("EXEC Mgmt.dbo.sp_MarkAll 'BTS', 'S:\\Backup'", [
    'mark BTS in Mgmt: done, mark BTS in Msg: done, marks of Mgmt: done, marks of Msg: done',
    ...jobSteps('Log', 'refused', 'database'),
  ]),
  // The chain is broken (§9.2) or it is whole.
  statement(simple, {
    name: simple,
    source: 'sqlserver.md §9.2',
    ending: eitherWay(chainGoesOn('log'), repeated(simple)),
  }),
  { name: 'the start', source: 'sqlserver.md §9.2', act: 'start', ending: nothingToDo },
  {
    name: 'the start after a commit that was decided',
    source: 'sqlserver.md §3.2',
    act: 'start',
    wound: { statement: marked, dieAt: 'write commit.journal:1' },

    ending: repeated(marked, [2627]),
  },
  { name: 'the orderly stop', source: 'sqlserver.md §9.2', act: 'stop', ending: nothingToDo },
];

export const trials: readonly Trial[] = [...backups, ...restores, ...definitions, ...others];
