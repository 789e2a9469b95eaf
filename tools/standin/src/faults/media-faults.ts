/** Faults of backup devices and of the disks behind them (sqlserver.md §1.4, §2.4, §9.4; biztalk-dr.md §7.1 F-03, F-04, F-11). */
import { anyDatabase, anyPath, matches, percentOfContent, times, type Definitions, type Reader } from './definition.ts';

const operation = {
  type: 'choice',
  meaning: 'which statements it keeps out (any: looking for files and making folders, too)',
  choices: ['any', 'backup', 'restore'],
  default: 'any',
} as const;
const kind = {
  type: 'choice',
  meaning: 'which backups it spoils',
  choices: ['any', 'full', 'differential', 'log'],
  default: 'any',
} as const;
const spoiled = { database: anyDatabase, path: anyPath, kind, times } as const;

export const mediaFaults = {
  'share-down': {
    description:
      'The share is gone: opening a device is 3201 with 53, a BACKUP that writes fails with 3202 and 59, a RESTORE that reads with 3203 and 64; its files and folders are not seen, xp_create_subdir is 22048 with 53.',
    parameters: { path: anyPath },
  },
  'path-missing': {
    description:
      'Opening a device is 3201 with 3; with operation=any its files and folders are not seen, xp_create_subdir is 22048 with 3.',
    parameters: { path: anyPath, operation, times },
  },
  'access-denied': {
    // That nothing is seen there is a choice (unverified).
    description:
      "Opening a device is 3201 with 5: the engine's account has no rights there; with operation=any its files and folders are not seen, xp_create_subdir is 22048 with 5.",
    parameters: { path: anyPath, operation, times },
  },
  'file-in-use': {
    description: 'Opening a device is 3201 with 32, as while somebody copies the file.',
    parameters: { path: anyPath, operation, times },
  },
  'disk-full': {
    description: 'BACKUP fails with 3202 and 112 and leaves a partial file.',
    parameters: {
      percent: percentOfContent,
      database: anyDatabase,
      path: anyPath,
      also3271: { type: 'choice', meaning: '3271 follows 3202', choices: ['no', 'yes'], default: 'no' },
      times,
    },
  },
  'write-error': {
    description: 'BACKUP fails with 3202 and leaves a partial file.',
    parameters: {
      percent: percentOfContent,
      error: { type: 'choice', meaning: "Windows' error", choices: ['59', '64', '1117'], default: '64' },
      database: anyDatabase,
      path: anyPath,
      times,
    },
  },
  'read-error': {
    description: 'RESTORE fails with 3203; a data backup leaves its database RESTORING, as an interrupted one.',
    parameters: {
      percent: percentOfContent,
      error: { type: 'choice', meaning: "Windows' error", choices: ['13', '23', '38', '64', '1117'], default: '23' },
      path: anyPath,
      times,
    },
  },
  'slow-backup': {
    description: 'BACKUP takes so long for each percent; its percentage moves, KILL and cancel end it.',
    parameters: {
      msPerPercent: { type: 'number', meaning: 'milliseconds for each percent', least: 1, most: 600_000 },
      database: anyDatabase,
    },
  },
  'restore-pace': {
    description: 'RESTORE of a database or log takes time as on a real server; only the session that sent it waits.',
    parameters: {
      bytesPerSecond: {
        type: 'number',
        meaning: 'log rolled forward, or data backup read, in a second',
        least: 1,
        most: 1e12,
      },
      msPerStatement: {
        type: 'number',
        meaning: 'what each RESTORE takes besides, a recovery too',
        least: 0,
        most: 3_600_000,
      },
    },
  },
  'disk-quota': {
    description: "Everything behind the instance's paths is one disk of that size.",
    parameters: { bytes: { type: 'number', meaning: 'size of the disk', least: 0, most: 999_999_999_999_999 } },
  },
  'rotten-backup': {
    description:
      'A byte of the content flips after BACKUP has succeeded: the header stays fine, RESTORE finds it (3203 and 13; 3183 with checksums).',
    parameters: spoiled,
  },
  'rotten-header': {
    description: 'The head of the file is overwritten after BACKUP has succeeded: 3241.',
    parameters: spoiled,
  },
  'truncated-backup': {
    description: 'The file is cut after BACKUP has succeeded: 3203 and 38 when the set is read.',
    parameters: {
      ...spoiled,
      percent: { type: 'number', meaning: 'how much of the file stays', least: 1, most: 99, default: 90 },
    },
  },
  'empty-backup': {
    description: 'The file has no bytes any more after BACKUP has succeeded: 3254.',
    parameters: spoiled,
  },
  'vanished-backup': {
    description: 'The file is gone after BACKUP has succeeded: 3201 with 2.',
    parameters: spoiled,
  },
} as const satisfies Definitions;

/** How long RESTOREs take (recovery/pace.ts). */
export type RestorePace = { readonly bytesPerSecond: number; readonly msPerStatement: number };
export type Damage =
  | { readonly kind: 'flip' | 'head' | 'empty' }
  | { readonly kind: 'remove' }
  | { readonly kind: 'cut'; readonly percentLeft: number };
type Content = {
  readonly path: string;
  readonly database: string;
  /** How much of the content is through with what is written or read now. */
  readonly percent: number;
};
type Finished = {
  readonly path: string;
  readonly database: string;
  readonly kind: 'full' | 'differential' | 'log';
};

export type MediaFaults = ReturnType<typeof mediaQuestions>;

export function mediaQuestions(faults: Reader<typeof mediaFaults>) {
  const shareIsDown = (path: string): boolean =>
    faults.strike('share-down', set => matches(set.path, path)) !== undefined;
  return {
    /** Windows' error for opening a device. */
    openError(path: string, statement: 'backup' | 'restore'): number | undefined {
      if (shareIsDown(path)) return 53;
      const applies = (set: { readonly path: string; readonly operation: string }): boolean =>
        matches(set.path, path) && (set.operation === 'any' || set.operation === statement);
      if (faults.strike('path-missing', applies)) return 3;
      if (faults.strike('access-denied', applies)) return 5;
      return faults.strike('file-in-use', applies) ? 32 : undefined;
    },

    /** Windows' error for looking at a path or making a folder there: neither is a BACKUP or a RESTORE. */
    pathError(path: string): number | undefined {
      if (shareIsDown(path)) return 53;
      const applies = (set: { readonly path: string; readonly operation: string }): boolean =>
        matches(set.path, path) && set.operation === 'any';
      if (faults.strike('path-missing', applies)) return 3;
      return faults.strike('access-denied', applies) ? 5 : undefined;
    },

    /** For content about to be written: what comes through of the whole, in percent, and Windows' error for the rest. */
    writeError(
      content: Content,
    ): { readonly percent: number; readonly error: number; readonly also3271: boolean } | undefined {
      if (shareIsDown(content.path)) return { percent: 0, error: 59, also3271: false };
      const applies = (set: { readonly path: string; readonly database: string; readonly percent: number }): boolean =>
        matches(set.path, content.path) && matches(set.database, content.database) && content.percent >= set.percent;
      const full = faults.strike('disk-full', applies);
      if (full) return { percent: full.percent, error: 112, also3271: full.also3271 === 'yes' };
      const broken = faults.strike('write-error', applies);
      return broken && { percent: broken.percent, error: Number(broken.error), also3271: false };
    },

    /** Windows' error for content about to be read. */
    readError({ path, percent }: Omit<Content, 'database'>): number | undefined {
      if (shareIsDown(path)) return 64;
      const broken = faults.strike('read-error', set => matches(set.path, path) && percent >= set.percent);
      return broken && Number(broken.error);
    },

    /** How long a BACKUP takes; asked again while it runs. */
    backupMs(database: string): number {
      const slow = faults.now('slow-backup');
      return slow && matches(slow.database, database) ? slow.msPerPercent * 100 : 0;
    },

    /** Asked again while a RESTORE runs; undefined: as fast as it goes. */
    restorePace(): RestorePace | undefined {
      return faults.now('restore-pace');
    },

    /** undefined: the disk is as large as this machine's. */
    diskQuotaBytes(): number | undefined {
      return faults.now('disk-quota')?.bytes;
    },

    /** What becomes of the file of a BACKUP that has succeeded. */
    damage(done: Finished): Damage | undefined {
      const applies = (set: { readonly path: string; readonly database: string; readonly kind: string }): boolean =>
        matches(set.path, done.path) &&
        matches(set.database, done.database) &&
        (set.kind === 'any' || set.kind === done.kind);
      if (faults.strike('rotten-backup', applies)) return { kind: 'flip' };
      if (faults.strike('rotten-header', applies)) return { kind: 'head' };
      const cut = faults.strike('truncated-backup', applies);
      if (cut) return { kind: 'cut', percentLeft: cut.percent };
      if (faults.strike('empty-backup', applies)) return { kind: 'empty' };
      return faults.strike('vanished-backup', applies) ? { kind: 'remove' } : undefined;
    },
  };
}
