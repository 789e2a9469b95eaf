import type { InstanceId, MarkName } from '@holdfast/domain';
import { type SqlServer, SqlServerError, statements } from '@holdfast/sqlserver';
import { saysFileRefused, saysNotOpened } from '@holdfast/sqlserver/conditions';
import { type HistoryFact, observeBackupHistory } from '@holdfast/sqlserver/management';
import { type MarkFact, observeHeaders, observeMarks, observeServer } from '@holdfast/sqlserver/observe';
import { bySource, type FileRequest, type Finding } from '../backup-file/backup-file.ts';
import type { JobFacts } from '../backup-job/backup-job.ts';
import type { MsdbRow } from '../foreign-backup/foreign-backup.ts';
import { readJob } from './job-look-store.ts';
import { orProblem, type SourceAccess, withInstance } from './source-access-store.ts';

export type HistoryRequest = {
  readonly management: { readonly instanceId: InstanceId; readonly database: string };
  /** The lowest set to read, decimal. */
  readonly fromSetId: string;
  /** A set that must still be listed: without it the numbering began anew and everything is read. null: nothing is known. */
  readonly anchor: string | null;
  /** Which marks are still to be proven, by the instance that must have committed them. */
  marksWanted(history: readonly HistoryFact[]): ReadonlyMap<InstanceId, readonly MarkName[]>;
  /** Every source instance, with the row up to which its msdb has been read. */
  readonly instances: ReadonlyMap<InstanceId, number>;
};

export type SeenMarks = {
  readonly instanceId: InstanceId;
  /** How far the instance's local time is ahead of UTC. */
  readonly offsetMinutes: number;
  readonly marks: readonly MarkFact[];
};

export type SeenMsdb = {
  readonly instanceId: InstanceId;
  readonly offsetMinutes: number;
  readonly rows: readonly MsdbRow[];
  readonly upToRowId: number;
};

/** `facts`: null when Agent has no such job. `problem`: why nothing could be seen. */
export type SeenJob = {
  readonly observedAt: string;
  readonly facts: JobFacts | null;
  readonly problem: string | null;
};

export type SeenHistory = {
  /** RFC 3339 UTC, before the question was sent. */
  readonly observedAt: string;
  readonly fromSetId: string;
  readonly history: readonly HistoryFact[];
  /** Databases that the backup job covers now. */
  readonly coveredDatabases: readonly string[];
  readonly marks: readonly SeenMarks[];
  readonly msdb: readonly SeenMsdb[];
  readonly job: SeenJob;
  /** What could not be read although the history could. */
  readonly problems: readonly string[];
};

/** The history and its marks. Throws SqlServerError when the history cannot be read: without it there is no look. */
export async function readHistory(access: SourceAccess, request: HistoryRequest): Promise<SeenHistory> {
  const { instanceId, database: management } = request.management;
  return withInstance(access, instanceId, async server => {
    const read = (fromSetId: string) => observeBackupHistory(server, { management, fromSetId });
    let { fromSetId } = request;
    let { observedAt, history } = await read(fromSetId);
    if (request.anchor !== null && !history.some(({ setId }) => setId === request.anchor)) {
      fromSetId = '0';
      ({ observedAt, history } = await read(fromSetId));
    }
    await access.checkpoint('listed');
    const covered = await server.query(statements.backupDatabases, { management });
    const askedAt = new Date(access.clock()).toISOString();
    const job = await orProblem(access, instanceId, () => readJob(server, management));
    const wanted = request.marksWanted(history);
    const instances = await allEnded(
      [...request.instances].map(async ([id, afterRowId]) => {
        const marks: SeenMarks[] = [];
        const msdb: SeenMsdb[] = [];
        const problems: string[] = [];
        const ask = async (on: SqlServer) => {
          const names = wanted.get(id) ?? [];
          // One instance that hides its marks must not hide the history, nor what else was backed up there.
          if (names.length > 0) note('Marks', marks, await orProblem(access, id, () => readMarks(on, id, names)));
          note('Backups', msdb, await orProblem(access, id, () => readMsdb(on, id, afterRowId)));
        };
        const reached = await orProblem(access, id, () =>
          id === instanceId ? ask(server) : withInstance(access, id, ask),
        );
        if ('problem' in reached) problems.push(`Marks and backups of ${reached.problem}`);
        return { marks, msdb, problems };

        function note<Seen>(
          what: string,
          all: Seen[],
          seen: { readonly answer: Seen } | { readonly problem: string },
        ): void {
          if ('problem' in seen) problems.push(`${what} of ${seen.problem}`);
          else all.push(seen.answer);
        }
      }),
    );
    const coveredDatabases = covered.map(({ databaseName }) => databaseName);
    const seenJob = 'problem' in job ? { facts: null, problem: job.problem } : { facts: job.answer, problem: null };
    return {
      observedAt,
      fromSetId,
      history,
      coveredDatabases,
      marks: instances.flatMap(({ marks }) => marks),
      msdb: instances.flatMap(({ msdb }) => msdb),
      job: { observedAt: askedAt, ...seenJob },
      problems: instances.flatMap(({ problems }) => problems),
    };
  });
}

const msdbRowsAtOnce = 500;
/** Bounds a look at an instance of whose msdb nothing was read yet; the next look goes on from there. */
const msdbReadsPerLook = 20;

async function readMsdb(server: SqlServer, instanceId: InstanceId, afterRowId: number): Promise<SeenMsdb> {
  const { utcOffsetMinutes: offsetMinutes } = await observeServer(server);
  const seen: MsdbRow[] = [];
  let upToRowId = afterRowId;
  for (let read = 0; read < msdbReadsPerLook; read += 1) {
    const rows = await server.query(statements.backupSetsAfter, { afterId: upToRowId, rows: msdbRowsAtOnce });
    seen.push(...rows);
    upToRowId = rows.at(-1)?.rowId ?? upToRowId;
    if (rows.length < msdbRowsAtOnce) break;
  }
  return { instanceId, offsetMinutes, rows: seen, upToRowId };
}

async function readMarks(server: SqlServer, instanceId: InstanceId, names: readonly MarkName[]): Promise<SeenMarks> {
  const { utcOffsetMinutes: offsetMinutes } = await observeServer(server);
  const { marks } = await observeMarks(server, names);
  return { instanceId, offsetMinutes, marks };
}

export type SeenFile = FileRequest & {
  readonly finding: Finding;
  /** Of the source instance; null when it gave no answer. */
  readonly offsetMinutes: number | null;
};

/** Each file's headers as its own source instance reads them. An instance that does not answer leaves its files unseen. */
export async function readHeaders(
  access: SourceAccess,
  requests: readonly FileRequest[],
  signal: AbortSignal,
): Promise<readonly SeenFile[]> {
  const seen = await allEnded(
    [...bySource(requests)].map(async ([instanceId, files]) => {
      const answer = await orProblem(access, instanceId, () =>
        withInstance(access, instanceId, server => readFilesOn(access, server, files, signal)),
      );
      if ('answer' in answer) return answer.answer;
      const finding = { kind: 'NO_ANSWER', problem: answer.problem } as const;
      return files.map(file => ({ ...file, finding, offsetMinutes: null }));
    }),
  );
  return seen.flat();
}

/** Also where one fails: who thinks that nothing is sent any more must be right. */
async function allEnded<Answer>(work: readonly Promise<Answer>[]): Promise<readonly Answer[]> {
  await Promise.allSettled(work);
  return Promise.all(work);
}

async function readFilesOn(
  access: SourceAccess,
  server: SqlServer,
  files: readonly FileRequest[],
  signal: AbortSignal,
): Promise<readonly SeenFile[]> {
  const { majorVersion, utcOffsetMinutes: offsetMinutes } = await observeServer(server);
  const seen: SeenFile[] = [];
  for (const request of files) {
    signal.throwIfAborted();
    await access.ensureFree();
    const { path } = request.file;
    const finding = await readFile(server, { path, majorVersion });
    seen.push({ ...request, finding, offsetMinutes });
    await access.checkpoint('read');
  }
  return seen;
}

async function readFile(
  server: SqlServer,
  params: { readonly path: string; readonly majorVersion: number },
): Promise<Finding> {
  try {
    const { headers } = await observeHeaders(server, params);
    return { kind: 'HEADERS', headers };
  } catch (error) {
    if (!(error instanceof SqlServerError)) throw error;
    const { errorClass } = error;
    if (errorClass === 'media') return { kind: 'LOST', state: saysNotOpened(error) ? 'MISSING' : 'DAMAGED' };
    if (errorClass === 'permission' && saysFileRefused(error)) return { kind: 'LOST', state: 'UNREADABLE' };
    // The instance is gone, not the file: the files after this one need not be tried.
    if (errorClass === 'lost' || errorClass === 'login') throw error;
    return { kind: 'NO_ANSWER', problem: `${params.path}: ${error.message} ${error.hint}` };
  }
}
