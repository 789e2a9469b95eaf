/** Faults of SQL Server Agent and of BizTalk's Backup job (sqlserver.md §4.3; biztalk-dr.md §7.1). */
import { anyDatabase, matches, times, type Definitions, type Reader } from './definition.ts';

const job = { type: 'text', meaning: 'names of jobs', default: '*' } as const;
const step = { type: 'text', meaning: 'names of steps', default: '*' } as const;
const kind = {
  type: 'choice',
  meaning: 'which backups',
  choices: ['any', 'full', 'log'],
  default: 'any',
} as const;

export const jobFaults = {
  'agent-down': {
    description: 'SQL Server Agent is down: sp_start_job is 22022, nothing is started by schedule; what runs goes on.',
    parameters: {},
  },
  'job-start-lost': {
    description: 'sp_start_job says 14243, and nothing starts.',
    parameters: { job, times },
  },
  'job-schedule-skipped': {
    description: 'A job that is due is not started; its next time comes.',
    parameters: { job, times },
  },
  'job-step-not-run': {
    description: 'A step is reported as a success without having run.',
    parameters: { job, step, times },
  },
  'job-login-fails': {
    description: 'A step cannot log in and fails.',
    parameters: { job, step, times },
  },
  'job-owner-lost': {
    description: 'The job fails: its owner has no access to the server any more.',
    parameters: { job, times },
  },
  'job-history-lost': {
    description: 'Runs leave no rows in sysjobhistory.',
    parameters: { job },
  },
  'job-hangs': {
    description: 'A step does not come to its command while the fault is set; sp_stop_job ends it.',
    parameters: { job, step },
  },
  'backup-skipped': {
    description: "BizTalk's worker procedure answers success and a path, and has made no backup (F-11).",
    parameters: { database: anyDatabase, kind, times },
  },
  'backup-worker-fails': {
    description: "BizTalk's worker procedure answers status 1 without an error: `Failed running the …`, a partial set.",
    parameters: { database: anyDatabase, kind, times },
  },
  'backup-history-lost': {
    description: 'A file has no row in adm_BackupHistory: `Failed backing up the databases`.',
    parameters: { database: anyDatabase, kind, times },
  },
  'mark-not-set': {
    description: 'sp_SetMark answers success and changes nothing: that log has no mark, the set is complete.',
    parameters: { database: anyDatabase, times },
  },
} as const satisfies Definitions;

export type JobFaults = ReturnType<typeof jobQuestions>;

export function jobQuestions(faults: Reader<typeof jobFaults>) {
  const ofJob =
    (name: string) =>
    (set: { readonly job: string }): boolean =>
      matches(set.job, name);
  const ofStep =
    (name: string, place: string) =>
    (set: { readonly job: string; readonly step: string }): boolean =>
      matches(set.job, name) && matches(set.step, place);
  const ofBackup =
    (database: string, made: 'full' | 'log') =>
    (set: { readonly database: string; readonly kind: string }): boolean =>
      matches(set.database, database) && (set.kind === 'any' || set.kind === made);
  return {
    agentIsDown(): boolean {
      return faults.now('agent-down') !== undefined;
    },
    losesStart(name: string): boolean {
      return faults.strike('job-start-lost', ofJob(name)) !== undefined;
    },
    skipsSchedule(name: string): boolean {
      return faults.strike('job-schedule-skipped', ofJob(name)) !== undefined;
    },
    skipsStep(name: string, place: string): boolean {
      return faults.strike('job-step-not-run', ofStep(name, place)) !== undefined;
    },
    refusesStep(name: string, place: string): boolean {
      return faults.strike('job-login-fails', ofStep(name, place)) !== undefined;
    },
    losesOwner(name: string): boolean {
      return faults.strike('job-owner-lost', ofJob(name)) !== undefined;
    },
    losesHistory(name: string): boolean {
      return faults.strike('job-history-lost', ofJob(name)) !== undefined;
    },
    /** Asked again while it hangs. */
    hangs(name: string, place: string): boolean {
      const set = faults.now('job-hangs');
      return set !== undefined && ofStep(name, place)(set);
    },
    /** What BizTalk's worker does instead of the backup. */
    workerOf(database: string, made: 'full' | 'log'): 'works' | 'skips' | 'fails' {
      if (faults.strike('backup-skipped', ofBackup(database, made))) return 'skips';
      return faults.strike('backup-worker-fails', ofBackup(database, made)) ? 'fails' : 'works';
    },
    losesBackupRow(database: string, made: 'full' | 'log'): boolean {
      return faults.strike('backup-history-lost', ofBackup(database, made)) !== undefined;
    },
    skipsMark(database: string): boolean {
      return faults.strike('mark-not-set', set => matches(set.database, database)) !== undefined;
    },
  };
}
