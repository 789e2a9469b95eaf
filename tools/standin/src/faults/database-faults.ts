/** Faults of databases, their log chain and their history (sqlserver.md §1.4, §2.4, §3.5, §9.4; biztalk-dr.md §7). */
import { anyDatabase, anyPath, matches, times, type Definitions, type Reader } from './definition.ts';

export const databaseFaults = {
  'foreign-log-backup': {
    description:
      "Somebody else takes a log backup just before each BACKUP LOG, into the default backup folder and with its row in msdb: a gap between the caller's own files.",
    parameters: { database: anyDatabase, times },
  },
  'foreign-full-backup': {
    description: 'Somebody else takes a normal full just before each BACKUP: the base of differentials moves.',
    parameters: { database: anyDatabase, times },
  },
  'recovery-model-flip': {
    description:
      'Just before a BACKUP LOG the recovery model changes. SIMPLE and back: 4214 until a full. SIMPLE: 4208. What it changed stays when it is cleared.',
    parameters: {
      database: anyDatabase,
      to: { type: 'choice', meaning: 'what it is afterwards', choices: ['full', 'simple'], default: 'full' },
      times,
    },
  },
  'lsn-gap': {
    description: 'BACKUP LOG leaves out what was logged since the last one, and says nothing: 4305 at its RESTORE.',
    parameters: { database: anyDatabase, times },
  },
  'history-insert-fails': {
    description: 'BACKUP or RESTORE do their work, write nothing into msdb and say 3009, without 3013.',
    parameters: { database: anyDatabase, times },
  },
  'history-lost': {
    description: 'BACKUP succeeds without a row in msdb.',
    parameters: { database: anyDatabase, times },
  },
  'newer-backup': {
    description:
      'RESTORE of a database or log, FILELISTONLY and VERIFYONLY find a backup of the next version of SQL Server: 3169. HEADERONLY and LABELONLY read it as ever.',
    parameters: { path: anyPath, times },
  },
  'missing-certificate': {
    description:
      'RESTORE of a database or log, FILELISTONLY and VERIFYONLY find a backup of an encrypted database and no certificate for it: 33111. HEADERONLY and LABELONLY read it as ever.',
    parameters: {
      path: anyPath,
      thumbprint: {
        type: 'text',
        meaning: 'of the certificate',
        default: '0x1F2E3D4C5B6A798897A6B5C4D3E2F10112233445',
      },
      times,
    },
  },
  'database-in-use': {
    description: 'RESTORE over the database, and its tail-log backup, are 3101.',
    parameters: { database: anyDatabase, times },
  },
  'backup-serialised': {
    description: 'BACKUP DATABASE is 3023, as while another tool backs the database up.',
    parameters: { database: anyDatabase, times },
  },
  'damaged-page': {
    description:
      'A page of the data file has a wrong checksum. BACKUP DATABASE WITH CHECKSUM is 3043, with a row in msdb.dbo.suspect_pages; without CHECKSUM nothing is noticed.',
    parameters: {
      database: anyDatabase,
      page: { type: 'number', meaning: 'which page', least: 1, most: 4_294_967_295, default: 143 },
      times,
    },
  },
  'damaged-log': {
    description: 'The log is damaged where BACKUP LOG reads it: 3049.',
    parameters: { database: anyDatabase, times },
  },
  'restore-denied': {
    description: 'RESTORE is 3110.',
    parameters: {
      login: { type: 'text', meaning: 'logins without the right', default: '*' },
      database: anyDatabase,
      times,
    },
  },
  'unresolved-outcome': {
    description:
      'Recovery finds a distributed transaction that nobody can decide: 3437, 3431, 3414 and SUSPECT, unless `in-doubt xact resolution` presumes.',
    parameters: { database: anyDatabase, times },
  },
  'log-full': {
    description: 'Changes in the database are 9002.',
    parameters: {
      database: anyDatabase,
      reason: {
        type: 'choice',
        meaning: 'what keeps the log from being cut',
        choices: ['LOG_BACKUP', 'ACTIVE_TRANSACTION', 'DATABASE_MIRRORING', 'REPLICATION'],
        default: 'LOG_BACKUP',
      },
      times,
    },
  },
  'availability-group': {
    description:
      '`sys.databases.replica_id` of the database is not NULL and RESTORE over it is 3104; nothing else changes.',
    parameters: { database: { type: 'text', meaning: 'databases in a group' } },
  },
} as const satisfies Definitions;

export type Meddling = 'foreign log' | 'foreign full' | 'simple and back' | 'simple' | 'gap';

export type DatabaseFaults = ReturnType<typeof databaseQuestions>;

export function databaseQuestions(faults: Reader<typeof databaseFaults>) {
  const hits =
    (database: string) =>
    (set: { readonly database: string }): boolean =>
      matches(set.database, database);
  return {
    /** What others do to the database just before a BACKUP of it. */
    meddling(database: string, kind: 'database' | 'log'): readonly Meddling[] {
      const found: Meddling[] = [];
      if (faults.strike('foreign-full-backup', hits(database))) found.push('foreign full');
      if (kind === 'database') return found;
      if (faults.strike('foreign-log-backup', hits(database))) found.push('foreign log');
      if (faults.strike('lsn-gap', hits(database))) found.push('gap');
      const flip = faults.strike('recovery-model-flip', hits(database));
      if (flip) found.push(flip.to === 'full' ? 'simple and back' : 'simple');
      return found;
    },

    /** What becomes of the rows of msdb. `fails`: and 3009 says so. */
    historyOf(database: string, statement: 'backup' | 'restore'): 'written' | 'fails' | 'lost' {
      if (faults.strike('history-insert-fails', hits(database))) return 'fails';
      return statement === 'backup' && faults.strike('history-lost', hits(database)) ? 'lost' : 'written';
    },

    comesFromNewerVersion(path: string): boolean {
      return faults.strike('newer-backup', set => matches(set.path, path)) !== undefined;
    },

    /** Its thumbprint. */
    missingCertificate(path: string): string | undefined {
      return faults.strike('missing-certificate', set => matches(set.path, path))?.thumbprint;
    },

    isInUse(database: string): boolean {
      return faults.strike('database-in-use', hits(database)) !== undefined;
    },

    isBackedUpByOthers(database: string): boolean {
      return faults.strike('backup-serialised', hits(database)) !== undefined;
    },

    /** A page that does not fit its checksum. */
    damagedPage(database: string): number | undefined {
      return faults.strike('damaged-page', hits(database))?.page;
    },

    hasDamagedLog(database: string): boolean {
      return faults.strike('damaged-log', hits(database)) !== undefined;
    },

    deniesRestore(login: string, database: string): boolean {
      const applies = (set: { readonly login: string; readonly database: string }): boolean =>
        matches(set.login, login) && matches(set.database, database);
      return faults.strike('restore-denied', applies) !== undefined;
    },

    leavesOutcomeOpen(database: string): boolean {
      return faults.strike('unresolved-outcome', hits(database)) !== undefined;
    },

    /** Why the log cannot be cut, when it is full. */
    logFullBy(database: string): string | undefined {
      return faults.strike('log-full', hits(database))?.reason;
    },

    isInAvailabilityGroup(database: string): boolean {
      const set = faults.now('availability-group');
      return set !== undefined && matches(set.database, database);
    },
  };
}
