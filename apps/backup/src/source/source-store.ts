import type { InstanceId, MarkName } from '@holdfast/domain';
import { type Clock, resolveSecret, SecretError } from '@holdfast/service';
import { openServer, type SqlServer, SqlServerError, statements } from '@holdfast/sqlserver';
import { type HistoryFact, observeBackupHistory } from '@holdfast/sqlserver/management';
import { type MarkFact, observeHeaders, observeMarks, observeServer } from '@holdfast/sqlserver/observe';
import { bySource, type FileRequest, type Finding } from '../backup-file/backup-file.ts';
import type { KnownAddress } from '../estate/estate.ts';

/** Where the ways to the source's instances come from. */
export type SourceAccess = {
  readonly clock: Clock;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly addresses: ReadonlyMap<InstanceId, KnownAddress>;
  /** @@SERVERNAME of each: what people know it by. */
  readonly serverNames: ReadonlyMap<InstanceId, string>;
  /** Before anything is sent. @throws SourceHeld when the source is not ours to ask. */
  ensureFree(): Promise<void>;
  /** A named place where the process may die with a connection open. */
  checkpoint(name: string): Promise<void>;
};

export type HistoryRequest = {
  readonly management: { readonly instanceId: InstanceId; readonly database: string };
  /** The lowest set to read, decimal. */
  readonly fromSetId: string;
  /** A set that must still be listed: without it the numbering began anew and everything is read. null: nothing is known. */
  readonly anchor: string | null;
  /** Which marks are still to be proven, by the instance that must have committed them. */
  marksWanted(history: readonly HistoryFact[]): ReadonlyMap<InstanceId, readonly MarkName[]>;
};

export type SeenMarks = {
  readonly instanceId: InstanceId;
  /** How far the instance's local time is ahead of UTC. */
  readonly offsetMinutes: number;
  readonly marks: readonly MarkFact[];
};

export type SeenHistory = {
  /** RFC 3339 UTC, before the question was sent. */
  readonly observedAt: string;
  readonly fromSetId: string;
  readonly history: readonly HistoryFact[];
  /** Databases that the backup job covers now. */
  readonly coveredDatabases: readonly string[];
  readonly marks: readonly SeenMarks[];
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
    const marks: SeenMarks[] = [];
    const problems: string[] = [];
    for (const [id, names] of request.marksWanted(history)) {
      const ask = (on: SqlServer) => readMarks(on, id, names);
      // One instance that hides its marks must not hide the history.
      const seen = await orProblem(access, id, () => (id === instanceId ? ask(server) : withInstance(access, id, ask)));
      if ('problem' in seen) problems.push(`Marks of ${seen.problem}`);
      else marks.push(seen.answer);
    }
    const coveredDatabases = covered.map(({ databaseName }) => databaseName);
    return { observedAt, fromSetId, history, coveredDatabases, marks, problems };
  });
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
  const seen: SeenFile[] = [];
  for (const [instanceId, files] of bySource(requests)) {
    const answer = await orProblem(access, instanceId, () =>
      withInstance(access, instanceId, server => readFilesOn(access, server, files, signal)),
    );
    if ('answer' in answer) seen.push(...answer.answer);
    else {
      const finding = { kind: 'NO_ANSWER', problem: answer.problem } as const;
      seen.push(...files.map(file => ({ ...file, finding, offsetMinutes: null })));
    }
  }
  return seen;
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
    const { errorClass, number } = error;
    // 3201: the service account cannot open the file; what its text adds is already in the class (sqlserver.md §2.5).
    if (errorClass === 'media') return { kind: 'LOST', state: number === 3201 ? 'MISSING' : 'DAMAGED' };
    if (errorClass === 'permission' && (number === 3201 || number === 3203))
      return { kind: 'LOST', state: 'UNREADABLE' };
    // The instance is gone, not the file: the files after this one need not be tried.
    if (errorClass === 'lost' || errorClass === 'login') throw error;
    return { kind: 'NO_ANSWER', problem: `${params.path}: ${error.message} ${error.hint}` };
  }
}

async function withInstance<Answer>(
  access: SourceAccess,
  instanceId: InstanceId,
  ask: (server: SqlServer) => Promise<Answer>,
): Promise<Answer> {
  const { addresses, clock, env } = access;
  const known = addresses.get(instanceId);
  if (known === undefined) throw new SourceUnknown('How to reach it has not been published by inventory yet.');
  await access.ensureFree();
  const { userRef, passwordRef, ...address } = known.address;
  const credentials = {
    user: await resolveSecret(userRef, { env }),
    password: await resolveSecret(passwordRef, { env }),
  };
  const server = await openServer({ address, credentials, applicationName: 'holdfast-backup', clock });
  try {
    return await ask(server);
  } finally {
    await server.close();
  }
}

/** An instance whose address is not here yet. */
export class SourceUnknown extends Error {
  override readonly name = 'SourceUnknown';
}

/** The source belongs to somebody else for now. */
export class SourceHeld extends Error {
  override readonly name = 'SourceHeld';
}

/** One instance that does not answer is a problem with its name, not the end of the look. */
async function orProblem<Answer>(
  { serverNames }: SourceAccess,
  instanceId: InstanceId,
  ask: () => Promise<Answer>,
): Promise<{ readonly answer: Answer } | { readonly problem: string }> {
  try {
    return { answer: await ask() };
  } catch (error) {
    const server = serverNames.get(instanceId) ?? instanceId;
    if (error instanceof SourceUnknown || error instanceof SecretError)
      return { problem: `${server}: ${error.message}` };
    if (error instanceof SqlServerError) return { problem: `${server}: ${error.message} ${error.hint}` };
    throw error;
  }
}
