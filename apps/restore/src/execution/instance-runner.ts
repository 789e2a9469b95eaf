/**
 * The SQL Server work of an execution. Invariant: whatever may change a database is sent on a connection of its own under the group's lock on
 * that instance, after the position was read again on that connection. Killed anywhere, the server ends the statement with the
 * connection, and the next attempt begins by reading where the database stands.
 */
import { connect } from 'node:net';
import type { InstanceId } from '@holdfast/domain';
import type { MarkName } from '@holdfast/domain/mark';
import type { RestoreStep } from '@holdfast/domain/restore-plan';
import { resolveSecret, safeMessage } from '@holdfast/service';
import { traceStatements } from '@holdfast/service/tracing';
import {
  type Address,
  type Exclusive,
  type ExclusiveRefusal,
  openExclusive,
  openServer,
  recover,
  renderAddress,
  renderStatement,
  restoreFull,
  restoreLog,
  restoreLogToMark,
  type SqlServer,
  SqlServerError,
  statements,
} from '@holdfast/sqlserver';
import { type DatabaseFacts, observeDatabases, observeMarkLog, observeServer } from '@holdfast/sqlserver/observe';
import type { Store } from '@holdfast/store';
import { findAddress } from '../estate/estate-store.ts';
import type { AddressView, Member } from '../estate/estate.ts';
import type { RestoreTables } from '../tables.ts';
import type { Seen, SeenDatabases } from './alignment.ts';
import type { Execution } from './execution.ts';
import { settled } from './side-by-side.ts';
import type { Question, SeenSource, Source } from './source.ts';
import { KeptServers } from './server-runner.ts';
import { lookAtSource } from './source-runner.ts';
import type { CommandTexts } from './step.ts';

export type InstanceOptions = {
  readonly store: Store<RestoreTables>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: () => number;
  /** Decimal, from the leader lease. */
  readonly fencingToken: string;
  /** How long a source may take to answer a probe. */
  readonly probeTimeoutMs: number;
};

/** Whether somebody is there. REFUSES: somebody is, but we cannot work there. UNKNOWN: it could not be tried. */
export type Probe = {
  readonly answer: 'ANSWERS' | 'REFUSES' | 'SILENT' | 'UNKNOWN';
  readonly evidence: string;
};

/** A connection under the group's lock on one instance. Looking is done on it: who has lost the lock sees nothing. */
export type Locked = {
  readonly exclusive: Exclusive;
  look(members: readonly Member[]): Promise<SeenDatabases>;
  source(source: Source, question?: Question | null): Promise<SeenSource>;
  /** Another connection under the same lock, with which it ends. Throws when a newer leader is there. */
  beside(): Promise<Locked>;
};

export type Instances = {
  probe(instanceId: InstanceId): Promise<Probe>;
  /** State and position of each, read now. */
  look(members: readonly Member[]): Promise<SeenDatabases>;
  /** The group's databases and job at a source instance, read now. */
  source(source: Source, question?: Question | null): Promise<SeenSource>;
  /** Does the work under the group's lock. Throws when somebody else holds it; the connection ends with `signal`. */
  locked<Result>(
    execution: Pick<Execution, 'executionId' | 'groupId'>,
    instanceId: InstanceId,
    signal: AbortSignal,
    work: (locked: Locked) => Promise<Result>,
  ): Promise<Result>;
  /** The option 'in-doubt xact resolution' there: 0 none, 1 presume commit, 2 presume abort; null when it could not be read. */
  inDoubtResolution(instanceId: InstanceId): Promise<number | null>;
  marks(member: Member, mark: MarkName): Promise<{ readonly holdsMark: boolean; readonly newest: readonly string[] }>;
};

/** Somebody else holds the lock of the group: nothing was sent. */
class LockRefused extends Error {
  override readonly name = 'LockRefused';

  constructor({ label }: SqlServer, { refused, message }: ExclusiveRefusal) {
    super(`${refused} at ${label}: ${message}`);
  }
}

export function instances(options: InstanceOptions): Instances & { close(): Promise<void> } {
  const { store, clock, fencingToken } = options;
  const kept = new KeptServers(view => open(view, options, {}));
  const withServer = async <Result>(instanceId: InstanceId, work: (server: SqlServer) => Promise<Result>) => {
    const address = await store.read(db => findAddress(db, instanceId));
    if (address === undefined) throw new Error(`The address of instance ${instanceId} is not known here yet.`);
    return kept.using(instanceId, address, work);
  };
  return {
    probe: async instanceId => probe(await store.read(db => findAddress(db, instanceId)), options),
    look: async members => {
      const byInstance = [...Map.groupBy(members, ({ instanceId }) => instanceId)];
      const looks = byInstance.map(([instanceId, own]) => withServer(instanceId, server => lookAt(server, own)));
      return together(await settled(looks));
    },
    source: (source, question) =>
      withServer(source.instanceId, server => lookAtSource(server, source, question ?? null)),
    inDoubtResolution: instanceId =>
      withServer(instanceId, async server => (await observeServer(server)).inDoubtResolution),
    locked: ({ executionId, groupId }, instanceId, signal, work) =>
      withServer(instanceId, async server => {
        const purpose = { service: 'restore', operation: executionId };
        const exclusive = await openExclusive(server, { group: groupId, fencingToken, purpose });
        if ('refused' in exclusive) throw new LockRefused(server, exclusive);
        let aborted: Promise<void> | undefined;
        const cut = () => {
          aborted = exclusive.release();
          // Awaited below; until then it must not count as unhandled.
          aborted.catch(() => undefined);
        };
        signal.addEventListener('abort', cut, { once: true });
        try {
          signal.throwIfAborted();
          return await work(under(server, exclusive));
        } finally {
          signal.removeEventListener('abort', cut);
          await (aborted ?? exclusive.release());
        }
      }),
    marks: ({ instanceId, databaseName: database }, mark) =>
      withServer(instanceId, server => observeMarkLog(server, { database, mark })),
    close: () => kept.close(),
  };

  async function open(
    { address }: AddressView,
    { env }: InstanceOptions,
    timeouts: { readonly connectMs?: number },
  ): Promise<SqlServer> {
    const credentials = {
      user: await resolveSecret(address.userRef, { env }),
      password: await resolveSecret(address.passwordRef, { env }),
    };
    const applicationName = 'holdfast-restore';
    return traceStatements(
      await openServer({ address: plain(address), credentials, applicationName, clock, timeouts }),
    );
  }

  async function probe(view: AddressView | undefined, settings: InstanceOptions): Promise<Probe> {
    if (view === undefined)
      return { answer: 'UNKNOWN', evidence: 'Its address has not been published: nobody could ask it.' };
    const connectMs = settings.probeTimeoutMs;
    const where = renderAddress(plain(view.address));
    try {
      const server = await open(view, settings, { connectMs });
      await server.close();
      return { answer: 'ANSWERS', evidence: `${where} accepted a connection.` };
    } catch (error) {
      if (!(error instanceof SqlServerError))
        return { answer: 'UNKNOWN', evidence: `${where} could not be asked: ${safeMessage(error)}` };
      if (error.errorClass !== 'lost') return { answer: 'REFUSES', evidence: `${where} refused us: ${error.message}` };
      // A failed login handshake is no silence: a certificate that is not trusted ends the connection just as a dead host does.
      if (await accepts(plain(view.address), connectMs))
        return {
          answer: 'REFUSES',
          evidence: `${where} accepts TCP connections, though no login worked: ${error.message}`,
        };
      return { answer: 'SILENT', evidence: error.message };
    }
  }
}

function under(server: SqlServer, exclusive: Exclusive): Locked {
  return {
    exclusive,
    look: members => lookAt(through(server, exclusive), members),
    source: (source, question) => lookAtSource(through(server, exclusive), source, question ?? null),
    beside: async () => {
      const opened = await exclusive.beside();
      if ('refused' in opened) throw new LockRefused(server, opened);
      return under(server, opened);
    },
  };
}

async function lookAt(server: SqlServer, members: readonly Member[]): Promise<SeenDatabases> {
  const { databases } = await observeDatabases(server);
  return new Map(members.map(member => [member.databaseId, seenOf(databases, member.databaseName)]));
}

/** The statements as they are sent, for step records. */
export const commandTexts: CommandTexts = {
  restore: (database, restore, checksum, replace = false) => {
    const { path, position } = restore.file;
    const from = { database, path, position, checksum };
    switch (restore.kind) {
      case 'RESTORE_FULL':
        return renderStatement(statements.restoreFull, { ...from, replace });
      case 'RESTORE_LOG':
        return renderStatement(statements.restoreLog, from);
      case 'RESTORE_LOG_TO_MARK':
        return renderStatement(statements.restoreLogToMark, { ...from, mark: restore.mark });
    }
  },
  recover: database => renderStatement(statements.recoverDatabase, { database }),
  verify: (database, mark) => renderStatement(statements.markLogEntry, { database, mark }),
};

/** Sends the one statement of a restore step. */
export async function sendRestore(
  exclusive: Exclusive,
  database: string,
  {
    restore,
    checksum,
    replace,
  }: {
    readonly restore: RestoreStep;
    readonly checksum: boolean;
    readonly replace: boolean;
  },
  onPercent: (percent: number) => void,
): Promise<'DONE' | 'MARK_NOT_REACHED'> {
  const { path, position } = restore.file;
  const source = { path, position, checksum };
  switch (restore.kind) {
    case 'RESTORE_FULL':
      // REPLACE only where a person confirmed it: what is there may be the only copy (design.md §1, principle 6).
      await restoreFull(exclusive, { database, source, replace }, onPercent);
      return 'DONE';
    case 'RESTORE_LOG':
      await restoreLog(exclusive, { database, source }, onPercent);
      return 'DONE';
    case 'RESTORE_LOG_TO_MARK': {
      const { outcome } = await restoreLogToMark(exclusive, { database, source, mark: restore.mark }, onPercent);
      return outcome === 'STOPPED' ? 'DONE' : 'MARK_NOT_REACHED';
    }
  }
}

/** @throws Error when the server left the database RESTORING: the step is tried again. */
export async function sendRecover(
  exclusive: Exclusive,
  database: string,
  onPercent: (percent: number) => void,
): Promise<void> {
  const { outcome, messages } = await recover(exclusive, { database }, onPercent);
  if (outcome === 'NOT_RECOVERED')
    throw new Error(`${database} was left RESTORING: ${messages.map(({ text }) => text).join(' ')}`);
}

/** The instance, asked on the connection that holds the lock. */
function through(server: SqlServer, exclusive: Exclusive): SqlServer {
  return { ...server, query: async (statement, params) => (await exclusive.run(statement, params)).rows };
}

function seenOf(databases: readonly DatabaseFacts[], name: string): Seen {
  // A server's collation decides about letter case; two databases that differ in nothing else are not expected (unverified).
  const facts = databases.find(database => database.name.toLowerCase() === name.toLowerCase());
  if (facts === undefined) return { state: null, position: null };
  const { state, redoStartLsn, redoStartForkGuid } = facts;
  return { state, position: redoStartLsn === null ? null : { lsn: redoStartLsn, forkGuid: redoStartForkGuid } };
}

/** Does the work while the locks of all these instances are held, taken in this order. */
export function lockedAll<Result>(
  instances: Instances,
  execution: Pick<Execution, 'executionId' | 'groupId'>,
  [first, ...rest]: readonly InstanceId[],
  signal: AbortSignal,
  work: (locks: ReadonlyMap<InstanceId, Locked>) => Promise<Result>,
): Promise<Result> {
  if (first === undefined) return work(new Map());
  return instances.locked(execution, first, signal, lock =>
    lockedAll(instances, execution, rest, signal, locks => work(new Map([[first, lock], ...locks]))),
  );
}

export function together(looks: readonly SeenDatabases[]): SeenDatabases {
  return new Map(looks.flatMap(look => [...look]));
}

function plain({ server, port, instanceName, encrypt, trustServerCertificate }: AddressView['address']): Address {
  return { server, port, instanceName, encrypt, trustServerCertificate };
}

/** By TCP alone. An instance found by its name has no port that we know: only the login speaks for it. */
function accepts({ server, port, instanceName }: Address, timeoutMs: number): Promise<boolean> {
  if (instanceName !== null) return Promise.resolve(false);
  return new Promise(resolve => {
    const socket = connect({ host: server, port: port ?? 1433, timeout: timeoutMs });
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => end(true));
    socket.once('timeout', () => end(false));
    socket.once('error', () => end(false));
  });
}
