/** Faults of marks, of distributed transactions and of the clock (sqlserver.md §3, §9.4; biztalk-dr.md §7.1 F-12). */
import { anyDatabase, matches, times, type Definitions, type Reader } from './definition.ts';

const anyMark = { type: 'text', meaning: 'names of marks', default: '*' } as const;

export const markFaults = {
  'mark-missing': {
    description: 'A marked transaction commits, and leaves no mark in the log of that database: 4329 at its RESTORE.',
    parameters: {
      database: anyDatabase,
      history: {
        type: 'choice',
        meaning: 'its row of logmarkhistory: missing too, or there all the same',
        choices: ['missing', 'present'],
        default: 'missing',
      },
      times,
    },
  },
  'duplicate-mark': {
    description: 'The next transactions without a mark that change the database become marks of that name.',
    parameters: { database: anyDatabase, mark: { type: 'text', meaning: 'the name they get' }, times },
  },
  'mark-deadlock': {
    description: 'The commit of a marked transaction is the victim of a deadlock: 1205.',
    parameters: { mark: anyMark, times },
  },
  'mark-timeout': {
    description: 'The commit of a marked transaction is 3928, as when prepared ones do not end in time.',
    parameters: { mark: anyMark, times },
  },
  'mark-time-skew': {
    description: 'logmarkhistory.mark_time is not the time of the mark in the log.',
    parameters: {
      seconds: { type: 'number', meaning: 'later; negative: earlier', least: -31_536_000, most: 31_536_000 },
      database: anyDatabase,
      times,
    },
  },
  'no-mark-stall': {
    description: 'Marks hold no transaction back.',
    parameters: {},
  },
  'commit-gap': {
    description:
      'So long between the commits of a distributed transaction at two instances; with the one above marks tear.',
    parameters: { ms: { type: 'number', meaning: 'milliseconds', least: 1, most: 99_999 } },
  },
  'prepare-hangs': {
    description:
      'The prepare of a distributed transaction at this instance does not come to an end while the fault is set; a cancel ends it.',
    parameters: {},
  },
  'no-dtc': {
    description: 'No distributed transactions, as without MSDTC: 8501, 7391.',
    parameters: {},
  },
  'clock-goes-back': {
    description: 'POST /clock may set the clock back.',
    parameters: {},
  },
  'clock-skew': {
    description: "The instance's clock is wrong by so much; it steps back when the fault is cleared.",
    parameters: {
      seconds: { type: 'number', meaning: 'ahead; negative: behind', least: -315_360_000, most: 315_360_000 },
    },
  },
} as const satisfies Definitions;

export type MarkFaults = ReturnType<typeof markQuestions>;

export function markQuestions(faults: Reader<typeof markFaults>) {
  return {
    /** What a marked transaction leaves in one database: the mark in its log, the row of logmarkhistory. */
    leaves(database: string): { readonly mark: boolean; readonly history: boolean } {
      const set = faults.strike('mark-missing', each => matches(each.database, database));
      return { mark: set === undefined, history: set?.history !== 'missing' };
    },

    /** The mark that an unmarked transaction over these databases becomes. */
    forgedMark(databases: readonly string[]): string | undefined {
      return faults.strike('duplicate-mark', set => databases.some(name => matches(set.database, name)))?.mark;
    },

    /** What the commit of a marked transaction is refused with. */
    refusalOf(mark: string): 1205 | 3928 | undefined {
      if (faults.strike('mark-deadlock', set => matches(set.mark, mark))) return 1205;
      return faults.strike('mark-timeout', set => matches(set.mark, mark)) ? 3928 : undefined;
    },

    historySkewMs(database: string): number {
      return (faults.strike('mark-time-skew', set => matches(set.database, database))?.seconds ?? 0) * 1000;
    },

    stallsTransactions(): boolean {
      return faults.now('no-mark-stall') === undefined;
    },

    commitGapMs(): number {
      return faults.now('commit-gap')?.ms ?? 0;
    },

    prepareHangs(): boolean {
      return faults.now('prepare-hangs') !== undefined;
    },

    distributedTransactions(): boolean {
      return faults.now('no-dtc') === undefined;
    },

    clockMayGoBack(): boolean {
      return faults.now('clock-goes-back') !== undefined;
    },

    clockSkewMs(): number {
      return (faults.now('clock-skew')?.seconds ?? 0) * 1000;
    },
  };
}
