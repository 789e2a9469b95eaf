/** What is asked of a source instance, and the one statement of each step of a fence. Who sends it, and when, is fence-runner.ts's. */
import { compareLsn } from '@holdfast/domain/lsn';
import { isBizTalkMark, parseMarkName } from '@holdfast/domain/mark';
import { type Exclusive, renderStatement, type SqlServer, statements } from '@holdfast/sqlserver';
import { agentTime, findBackupJob, observeJobs, outcomeOf } from '@holdfast/sqlserver/jobs';
import { type DatabaseFacts, observeDatabases, observeMarksSince } from '@holdfast/sqlserver/observe';
import type { FenceTexts } from './fence.ts';
import type { Question, SeenMore, SeenSource, Source } from './source.ts';
import type { Step } from './step.ts';

export async function lookAtSource(server: SqlServer, source: Source, question: Question | null): Promise<SeenSource> {
  const { management, databases } = source;
  const { databases: found } = await observeDatabases(server);
  const states = new Map(
    databases.map(({ databaseId, databaseName }) => [databaseId, stateOf(found, databaseName)] as const),
  );
  const job = management === null ? undefined : findBackupJob((await observeJobs(server)).jobs, management);
  return {
    states,
    job: job === undefined ? null : { name: job.name, enabled: job.enabled, running: job.runningSince !== null },
    // After the job: a run that ended in between shows in its history.
    more: question === null ? null : await answerOf(server, source, question),
  };
}

/** A server's collation decides about letter case; two databases that differ in nothing else are not expected (unverified). */
function stateOf(found: readonly DatabaseFacts[], databaseName: string): string | null {
  return found.find(({ name }) => name.toLowerCase() === databaseName.toLowerCase())?.state ?? null;
}

async function answerOf(server: SqlServer, source: Source, question: Question): Promise<SeenMore> {
  switch (question.kind) {
    case 'SESSIONS': {
      const found: string[] = [];
      for (const { databaseName: database } of source.databases) {
        const rows = await server.query(statements.databaseSessions, { database });
        for (const { programName, hostName, loginName, sessionId } of rows)
          // Our own look on and wait; they hold nothing open.
          if (programName?.startsWith('holdfast-') !== true)
            found.push(
              `${database}: ${programName ?? 'an unnamed program'} of ${loginName} from ${hostName ?? 'an unnamed host'} (session ${String(sessionId)})`,
            );
      }
      return { kind: 'SESSIONS', sessions: found };
    }
    case 'UNITS': {
      const rows = await server.query(statements.unitsInDoubt, {});
      // A server's collation decides about letter case; two databases that differ in nothing else are not expected (unverified).
      const own = rows.flatMap(({ databaseName, unitOfWork }) => {
        const database = source.databases.find(one => one.databaseName.toLowerCase() === databaseName?.toLowerCase());
        return database === undefined ? [] : [{ unitOfWork, database: database.databaseName }];
      });
      const units = [...Map.groupBy(own, ({ unitOfWork }) => unitOfWork)].map(([unitOfWork, locks]) => ({
        unitOfWork,
        databases: locks.map(({ database }) => database),
      }));
      return { kind: 'UNITS', units };
    }
    case 'RUNS': {
      const rows = await server.query(statements.jobHistory, { job: question.job, afterId: question.afterId });
      const runs = rows.filter(({ stepId }) => stepId === 0);
      return {
        kind: 'RUNS',
        runs: runs.map(({ historyId, status, runDate, runTime }) => ({
          historyId,
          outcome: outcomeOf(status),
          startedAt: agentTime(runDate, runTime).recorded,
        })),
      };
    }
    case 'MARKS': {
      const { marks } = await observeMarksSince(server, question.since);
      const own = marks.filter(({ databaseName }) => databaseName.toLowerCase() === source.management?.toLowerCase());
      const names = own
        .sort((a, b) => compareLsn(a.lsn, b.lsn))
        .flatMap(({ markName }) => parseMarkName(markName) ?? []);
      return { kind: 'MARKS', marks: names.filter(isBizTalkMark) };
    }
  }
}

export const fenceTexts: FenceTexts = {
  enableJob: (job, enabled) => renderStatement(statements.enableJob, { job, enabled }),
  setOffline: database => renderStatement(statements.setOffline, { database }),
  setOnline: database => renderStatement(statements.setOnline, { database }),
};

/** Sends the one statement of a step of the fence, or of its undo. */
export async function sendFence(exclusive: Exclusive, { work, databaseName, name }: Step): Promise<void> {
  const database = databaseName ?? '';
  switch (work.kind) {
    case 'DISABLE_JOB':
    case 'ENABLE_JOB':
      await exclusive.run(statements.enableJob, { job: work.job ?? '', enabled: work.kind === 'ENABLE_JOB' });
      return;
    case 'SET_OFFLINE':
      await exclusive.run(statements.setOffline, { database });
      return;
    case 'SET_ONLINE':
      await exclusive.run(statements.setOnline, { database });
      return;
    default:
      throw new Error(`${name} has no statement for a source.`);
  }
}
