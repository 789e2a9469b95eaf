import { setTimeout as delay } from 'node:timers/promises';
import { getApplock, releaseApplock } from './applocks.ts';
import { alterDatabase, createDatabase, dropDatabase } from './database-commands.ts';
import { orphanSpid, type Branches } from './branches.ts';
import { attachSession, detachSession, useDatabase } from './sessions.ts';
import { startInstance } from './start.ts';
import { defaultPaths, type Instance } from './instance.ts';
import { padDatabase } from './pad-database.ts';
import type { LockOwner, LockResource } from './lock-resource.ts';
import type { EngineOptions } from './options.ts';
import { RequestAborted } from './request-aborted.ts';
import type { Engine, Session } from '../contract.ts';
import { fail } from '../messages.ts';
import { holdsRole } from '../rights.ts';
import { LinkedServerList } from '../linked/linked-server-list.ts';
import { backup } from '../recovery/backup.ts';
import { restore } from '../recovery/restore.ts';
import { restoreInformation } from '../recovery/restore-information.ts';

/** Builds seen in captures (sqlserver.md, Version facts and §11); the others are made up from the major version (unverified). */
const builds: Readonly<Record<number, string>> = { 16: '16.0.4236.2', 17: '17.0.4065.4' };

/** The engine as this process sees it: with the parts of other instances' transactions. */
export type LocalEngine = Engine & { readonly branches: Branches };

/** Opens (or creates) the instance in `options.dataFolder` and recovers its databases. Throws when the folder cannot be used. */
export async function createEngine(options: EngineOptions): Promise<LocalEngine> {
  const instance = await startInstance(options);
  const linked = await LinkedServerList.open(instance);
  return {
    serverName: options.serverName,
    majorVersion: options.majorVersion,
    productVersion: builds[options.majorVersion] ?? `${options.majorVersion}.0.1000.0`,
    clock: options.clock,
    utcOffsetMinutes: options.utcOffsetMinutes ?? 0,
    waitUntil: (session, moment) => (options.waitUntil ?? waitHere(options.clock))(moment, session.signal, session),
    random: options.random,
    linked,
    branches: instance.branches,
    serverOptions: instance.serverOptions,
    defaultBackupPath: defaultPaths.backup,
    database: name => instance.find(name),
    databaseById: id => [...instance.databases.values()].find(database => database.id === id),
    databases: () => [...instance.databases.values()].sort((a, b) => a.id - b.id),
    sessions: () => [...instance.sessions.keys()],
    attach: session => attachSession(instance, session),
    detach: async session => {
      try {
        await detachSession(instance, session);
      } finally {
        linked.release(session);
      }
    },
    use: (session, name) => useDatabase(instance, session, name),
    begin: (session, name) => instance.begin(session, name),
    createDatabase: (session, name, files) => createDatabase(instance, session, name, files),
    dropDatabase: (session, name) => dropDatabase(instance, session, name),
    alterDatabase: (session, statement, sink) => alterDatabase(instance, session, statement, sink),
    padDatabase: (session, database, sizes) => padDatabase(instance, session, database, sizes),
    backup: (session, statement, sink) => backup(instance, session, statement, sink),
    restore: (session, statement, sink) => restore(instance, session, statement, sink),
    restoreInformation: (session, statement, sink) => restoreInformation(instance, session, statement, sink),
    getApplock: (session, request) => getApplock(instance, session, request),
    releaseApplock: (session, request) => releaseApplock(instance, session, request),
    locks: () => listLocks(instance),
    resolveUnit: (unit, outcome) => instance.branches.resolve(unit, outcome),
    logins: () => [...options.logins, ...instance.windowsLogins.list()],
    createWindowsLogin: async (session, name) => {
      assertMayManageLogins(session);
      await instance.windowsLogins.create(name, options.logins);
    },
    dropLogin: async (session, name) => {
      assertMayManageLogins(session);
      await instance.windowsLogins.drop(name);
    },
    hostPath: instance.hostPath,
    replicaId: database => instance.replicaId(database),
    get diskQuota() {
      return instance.quota;
    },
    faults: instance.faults,
    close: () => instance.close(),
  };
}

function waitHere(clock: () => Date): NonNullable<EngineOptions['waitUntil']> {
  return async (moment, signal) => {
    const leftMs = Math.max(0, moment.getTime() - clock().getTime());
    await delay(leftMs, undefined, { signal }).catch(() => {
      throw new RequestAborted(signal.reason);
    });
  };
}

function assertMayManageLogins(session: Session): void {
  if (!holdsRole(session, 'securityadmin')) throw fail(15247);
}

function listLocks(instance: Instance): ReturnType<Engine['locks']> {
  const orphans = instance.branches.orphans();
  const rowsOf = (lock: LockResource): ReturnType<Engine['locks']> => {
    const { type: resourceType, databaseId, description } = lock;
    const row = (owner: LockOwner, mode: string, status: 'GRANT' | 'WAIT'): ReturnType<Engine['locks']>[number] => {
      const unit = orphans.get(owner);
      const who = unit === undefined ? { spid: owner.session.spid } : { spid: orphanSpid, unit };
      return { resourceType, databaseId, description, mode, status, ...who };
    };
    return [
      ...[...lock.granted].map(([owner, mode]) => row(owner, mode, 'GRANT')),
      ...lock.queue.map(({ owner, mode }) => row(owner, mode, 'WAIT')),
    ];
  };
  return [...instance.databases.values()].flatMap(database => [
    ...rowsOf(database.lock),
    ...[...database.applocks.values()].flatMap(rowsOf),
    ...database.tables().flatMap(table => [...rowsOf(table.lock), ...[...table.rowLocks.values()].flatMap(rowsOf)]),
  ]);
}
