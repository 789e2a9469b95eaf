import type { InstanceId } from '@holdfast/domain';
import { SecretError } from '@holdfast/service';
import { SqlServerError, statements } from '@holdfast/sqlserver';
import { saysAgentRefused } from '@holdfast/sqlserver/conditions';
import { observeBackupSettings } from '@holdfast/sqlserver/management';
import type { JobFacts } from '../backup-job/backup-job.ts';
import { readJob } from './job-look-store.ts';
import { type SourceAccess, SourceHeld, SourceUnknown, withInstance } from './source-access-store.ts';

/** The backup job of one group, over one connection. */
export type JobControl = {
  /** null: Agent has no such job. */
  observe(): Promise<{ readonly observedAt: string; readonly facts: JobFacts | null }>;
  /** @throws Error when the Management database has no settings at all. */
  isFullForced(): Promise<boolean>;
  forceFull(): Promise<void>;
  /** Returns while it runs. `RUNNING`: it ran already, nothing was started. */
  start(name: string): Promise<'STARTED' | 'RUNNING'>;
};

/** Why the job could not be asked at all. */
export type JobUnreachable =
  | { readonly kind: 'UNREACHABLE'; readonly cause: string; readonly hint: string }
  | { readonly kind: 'NOT_PERMITTED'; readonly cause: string; readonly hint: string }
  | { readonly kind: 'HELD'; readonly cause: string }
  | { readonly kind: 'UNKNOWN'; readonly cause: string };

// Agent has one number for several refusals (sqlserver.md §4.3): which one it is stands in the text.
const alreadyRunning = /already running/i;

export async function withJobControl<Answer>(
  access: SourceAccess,
  { instanceId, database: management }: { readonly instanceId: InstanceId; readonly database: string },
  work: (job: JobControl) => Promise<Answer>,
): Promise<{ readonly answer: Answer } | JobUnreachable> {
  try {
    const answer = await withInstance(access, instanceId, server =>
      work({
        observe: async () => {
          const observedAt = new Date(access.clock()).toISOString();
          return { observedAt, facts: await readJob(server, management) };
        },
        isFullForced: async () => {
          const { settings } = await observeBackupSettings(server, management);
          if (settings === null) throw new Error(`adm_BackupSettings of ${management} has no row.`);
          return settings.forceFull;
        },
        forceFull: async () => {
          await access.ensureFree();
          await server.query(statements.forceFullBackup, { management });
        },
        start: async name => {
          await access.ensureFree();
          try {
            await server.query(statements.startJob, { job: name });
            return 'STARTED';
          } catch (error) {
            if (!saysAgentRefused(error)) throw error;
            if (alreadyRunning.test(error.message)) return 'RUNNING';
            throw new AgentDown(error.message, { cause: error });
          }
        },
      }),
    );
    return { answer };
  } catch (error) {
    if (error instanceof SourceHeld) return { kind: 'HELD', cause: error.message };
    if (error instanceof SourceUnknown) return { kind: 'UNKNOWN', cause: error.message };
    if (error instanceof AgentDown) return unreachable(error.message, 'Start SQL Server Agent on that instance.');
    if (error instanceof SecretError)
      return unreachable(error.message, 'Make the credentials of that instance readable.');
    if (!(error instanceof SqlServerError)) throw error;
    if (error.errorClass === 'lost' || error.errorClass === 'login') return unreachable(error.message, error.hint);
    if (error.errorClass === 'permission') return { kind: 'NOT_PERMITTED', cause: error.message, hint: error.hint };
    throw error;
  }
}

class AgentDown extends Error {
  override readonly name = 'AgentDown';
}

const unreachable = (cause: string, hint: string) => ({ kind: 'UNREACHABLE', cause, hint }) as const;
