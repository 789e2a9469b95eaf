import { quoteCount, quoteDevice, quoteMark, quoteName, quoteUuid } from './identifiers.ts';
import { defineStatement } from './statement.ts';

// One BACKUP/RESTORE per batch, the recovery keyword always written out: the default is RECOVERY, which ends the sequence (sqlserver.md §2.2).
// FILE is always given: a file may have been appended to, and the default is the oldest set (sqlserver.md §2.1).

type FromFile = {
  readonly database: string;
  /** As the restoring instance sees it. */
  readonly path: string;
  /** FILE = n inside the file. */
  readonly position: number;
  /** Only when the header says HasBackupChecksums: otherwise 3187 (design.md §5, step 2). */
  readonly checksum: boolean;
};

const fromDisk = (
  kind: 'DATABASE' | 'LOG',
  { database, path, position, checksum }: FromFile,
  options: readonly string[],
) =>
  `RESTORE ${kind} ${quoteName(database)} FROM DISK = ${quoteDevice(path)} WITH FILE = ${quoteCount(position)}, ${[
    ...options,
    ...(checksum ? ['CHECKSUM'] : []),
    'STATS = 5',
  ].join(', ')};`;

const logExample = {
  database: 'BizTalkMsgBoxDb',
  path: '\\\\backup\\bts\\SQL1_BizTalkMsgBoxDb_Log_BTS_2026_11_21_04_00_00_123.bak',
  position: 1,
  checksum: false,
};

export const restoreFull = defineStatement({
  name: 'RESTORE DATABASE … NORECOVERY',
  purpose: 'Creates the standby database from a full backup, or starts its sequence again.',
  documentation: 'sqlserver.md §2.2–2.4',
  // On a RESTORING database it starts the sequence again and gives up what was rolled forward since.
  repeat: 'unsafe',
  channel: 'batch',
  duration: 'long',
  text: (params: FromFile & { readonly replace: boolean }) =>
    fromDisk('DATABASE', params, ['NORECOVERY', ...(params.replace ? ['REPLACE'] : [])]),
  inputs: {},
  columns: {},
  example: {
    database: 'BizTalkMsgBoxDb',
    path: '\\\\backup\\bts\\SQL1_BizTalkMsgBoxDb_Full_BTS_2026_11_21_00_00_00_007.bak',
    position: 1,
    checksum: false,
    replace: false,
  },
});

export const restoreLog = defineStatement({
  name: 'RESTORE LOG … NORECOVERY',
  purpose: 'Rolls forward to the end of one log backup. Gives up every mark inside it that was not reached before.',
  documentation: 'sqlserver.md §2.2, §2.6',
  // The last file again is accepted without effect, an older one is refused with 4326 (sqlserver.md §2.6).
  repeat: 'same',
  channel: 'batch',
  duration: 'long',
  text: (params: FromFile) => fromDisk('LOG', params, ['NORECOVERY']),
  inputs: {},
  columns: {},
  example: logExample,
});

export const restoreLogToMark = defineStatement({
  name: 'RESTORE LOG … NORECOVERY, STOPATMARK',
  purpose:
    'Rolls forward to a mark, including it, and stays RESTORING so that the result can be checked before any recovery.',
  documentation: 'sqlserver.md §2.2, §3.6; biztalk-dr.md §4.12 (literal only)',
  // Past its mark the stop is not found any more: 4329 is only information and the whole file has been applied (sqlserver.md §3.6).
  repeat: 'unsafe',
  channel: 'batch',
  duration: 'long',
  text: (params: FromFile & { readonly mark: string }) =>
    fromDisk('LOG', params, ['NORECOVERY', `STOPATMARK = ${quoteMark(params.mark)}`]),
  inputs: {},
  columns: {},
  example: { ...logExample, mark: 'BTS_2026_11_21_04_00_00_123' },
});

export const recoverDatabase = defineStatement({
  name: 'RESTORE DATABASE … WITH RECOVERY',
  purpose: 'Ends the sequence and opens the database. Irreversible for its chain: the point of no return.',
  documentation: 'sqlserver.md §2.2, §2.3',
  // 3153 on a recovered database.
  repeat: 'refused',
  channel: 'batch',
  duration: 'long',
  text: ({ database }: { readonly database: string }) =>
    `RESTORE DATABASE ${quoteName(database)} WITH RECOVERY, STATS = 5;`,
  inputs: {},
  columns: {},
  example: { database: 'BizTalkMsgBoxDb' },
});

export const setOffline = defineStatement({
  name: 'ALTER DATABASE … SET OFFLINE',
  purpose:
    'Fences a source database: nobody works in it any more, also after a restart of the server. Undo: SET ONLINE.',
  documentation: 'design.md §5, failover step 1; sqlserver.md §9.2',
  repeat: 'same',
  channel: 'batch',
  duration: 'long',
  text: ({ database }: { readonly database: string }) =>
    `ALTER DATABASE ${quoteName(database)} SET OFFLINE WITH ROLLBACK IMMEDIATE;`,
  inputs: {},
  columns: {},
  example: { database: 'BizTalkMsgBoxDb' },
});

export const setOnline = defineStatement({
  name: 'ALTER DATABASE … SET ONLINE',
  purpose: 'Undoes the fence.',
  documentation: 'design.md §5, failover step 1; sqlserver.md §9.2',
  repeat: 'same',
  channel: 'batch',
  duration: 'long',
  text: ({ database }: { readonly database: string }) =>
    `ALTER DATABASE ${quoteName(database)} SET ONLINE WITH ROLLBACK IMMEDIATE;`,
  inputs: {},
  columns: {},
  example: { database: 'BizTalkMsgBoxDb' },
});

export const getApplock = defineStatement({
  name: 'sp_getapplock',
  purpose:
    'Takes the group lock for this session. Scoped to the current database, so the connection must sit in master.',
  documentation: 'design.md §5; MicrosoftDocs/sql-docs sp-getapplock-transact-sql',
  // Each success adds one to the session's count; the lock goes with the session all the same.
  repeat: 'same',
  channel: 'query',
  duration: 'short',
  text: () => `DECLARE @result int;
EXEC @result = sp_getapplock @Resource = @resource, @LockMode = N'Exclusive', @LockOwner = N'Session', @LockTimeout = @timeoutMs;
SELECT @result AS result, @@SPID AS sessionId;`,
  inputs: { resource: 'name', timeoutMs: 'integer' },
  /** 0 at once, 1 after waiting, -1 timeout, -2 cancelled, -3 deadlock victim, -999 wrong call. */
  columns: { result: 'integer', sessionId: 'integer' },
  example: { resource: 'holdfast:0192f4c1-0000-7000-8000-000000000001', timeoutMs: 10_000 },
});

export const releaseApplock = defineStatement({
  name: 'sp_releaseapplock',
  purpose: 'Gives the group lock back.',
  documentation: 'MicrosoftDocs/sql-docs sp-releaseapplock-transact-sql',
  repeat: 'refused',
  channel: 'query',
  duration: 'short',
  text: () => `DECLARE @result int;
EXEC @result = sp_releaseapplock @Resource = @resource, @LockOwner = N'Session';
SELECT @result AS result;`,
  inputs: { resource: 'name' },
  columns: { result: 'integer' },
  example: { resource: 'holdfast:0192f4c1-0000-7000-8000-000000000001' },
});

export const killSession = defineStatement({
  name: 'KILL',
  purpose:
    'Ends a session of an older leader. Returns at once; the roll-back goes on, so wait until the session is gone.',
  documentation: 'sqlserver.md §8.4',
  // Session ids are used again: the second KILL may hit somebody else.
  repeat: 'unsafe',
  channel: 'batch',
  duration: 'short',
  text: ({ sessionId }: { readonly sessionId: number }) => `KILL ${quoteCount(sessionId)};`,
  inputs: {},
  columns: {},
  example: { sessionId: 57 },
});

export const rollBackUnit = defineStatement({
  name: 'KILL … WITH ROLLBACK',
  purpose:
    'Ends a distributed transaction that is prepared here and whose coordinator is gone for good, by rolling back its part.',
  // WITH ROLLBACK is on the page of the current versions and not on that of 2014; an older server may answer 6112, "only MS DTC can resolve".
  documentation:
    'learn.microsoft.com, KILL (Transact-SQL), UOW and WITH ROLLBACK; on a prepared part unverified on a real server',
  // What it ended is not there any more; the number of that refusal is unverified.
  repeat: 'refused',
  channel: 'batch',
  duration: 'short',
  text: ({ unitOfWork }: { readonly unitOfWork: string }) => `KILL ${quoteUuid(unitOfWork)} WITH ROLLBACK;`,
  inputs: {},
  columns: {},
  example: { unitOfWork: 'd5499c66-e398-45ca-bf7e-dc9c194b48cf' },
});
