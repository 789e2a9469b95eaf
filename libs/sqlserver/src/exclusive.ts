/**
 * The target server is the last arbiter (design.md §5): whoever sends RESTORE, RECOVER or a fence holds the applock `holdfast:<group>`
 * in `master` of that instance, on the very connection that sends it.
 *
 * Why a frozen leader that wakes up does no harm: its connections were ended by KILL before the new leader took the lock; with the
 * connection its lock is gone, nothing reconnects, and each later `run` throws LockLost. Should it open a new one, it meets a newer token.
 *
 * Connections beside the lock's let one leader work on several databases at once. They hold no lock of their own, so they must be
 * found: they carry the same program name with `/beside`. A new leader looks for older ones twice, before it takes the lock and with the lock
 * in hand; whoever opens one looks for a newer leader after it. One of the two sees the other. A leader of another service, whose token does
 * not compare, does not take the lock while any are connected.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Answer } from './driver.ts';
import { LockLost, type ServerMessage, SqlServerError } from './errors.ts';
import {
  besideSuffix,
  describe,
  endOlderHolders,
  type ExclusiveRefusal,
  type ExclusiveRequest,
  holdersOf,
  isBeside,
  newerLeaders,
  refuse,
} from './lock-holders.ts';
import { renderProgramName } from './program-name.ts';
import type { DedicatedConnection, SqlServer } from './server.ts';
import type { Columns, Statement } from './statement.ts';
import { getApplock, releaseApplock } from './statements-restore.ts';

export type { ExclusiveRefusal, ExclusiveRequest } from './lock-holders.ts';

const resourceOf = (group: string) => `holdfast:${group}`;
const waitMsOf = ({ waitMs = 30_000 }: ExclusiveRequest): number => waitMs;
const patience = (request: ExclusiveRequest): Promise<unknown> => pause(waitMsOf(request), undefined, { ref: false });

export interface Exclusive {
  readonly programName: string;
  /** One statement at a time. Throws LockLost once the connection has ended; SqlServerError otherwise. */
  run<P extends object, C extends Columns>(
    statement: Statement<P, C>,
    params: P,
    onMessage?: (message: ServerMessage) => void,
  ): Promise<Answer<C>>;
  /** False once the connection has ended. */
  holds(): boolean;
  /** Another connection under the same lock; it ends with this one. Its `release` closes it alone. */
  beside(): Promise<Exclusive | ExclusiveRefusal>;
  /** Gives the lock back and closes the connection, those beside it first. Safe to call twice, and after a loss. */
  release(): Promise<void>;
}

const takeLock = async (
  server: SqlServer,
  connection: DedicatedConnection,
  request: ExclusiveRequest,
  waitMs: number,
): Promise<ExclusiveRefusal | undefined> => {
  const { rows } = await connection.send(getApplock, { resource: resourceOf(request.group), timeoutMs: waitMs });
  const row = rows[0];
  if (row === undefined) throw new Error('sp_getapplock gave no result.');
  if (row.result >= 0) return undefined;
  if (row.result !== -1) throw new Error(`sp_getapplock answered ${row.result}.`);
  const holders = await holdersOf(server, request.group);
  const others = holders.filter(holder => holder.sessionId !== row.sessionId);
  return refuse('LockHeld', `${resourceOf(request.group)} is held by ${describe(others)}.`, others);
};

type Lock = {
  readonly server: SqlServer;
  readonly request: ExclusiveRequest;
  readonly resource: string;
  /** Whether the connection that took the lock is still there. */
  readonly holds: () => boolean;
};

const exclusiveOver = (
  connection: DedicatedConnection,
  programName: string,
  lock: Lock,
  end: () => Promise<void>,
): Exclusive => {
  let busy = false;
  let released = false;
  const beside = new Set<Exclusive>();
  const holds = () => !released && !connection.ended() && lock.holds();
  return {
    programName,
    holds,
    run: async (statement, params, onMessage) => {
      if (!holds()) throw new LockLost(statement.name, lock.resource);
      if (busy) throw new Error(`${statement.name}: another statement still runs under ${lock.resource}.`);
      busy = true;
      try {
        return await connection.send(statement, params, onMessage);
      } catch (error) {
        // Whatever the driver calls it: without the connection there is no lock. A timeout leaves both in doubt.
        if (error instanceof SqlServerError && error.errorClass === 'lost') await connection.close();
        throw error;
      } finally {
        busy = false;
      }
    },
    beside: async () => {
      if (!holds()) throw new LockLost('open beside', lock.resource);
      const opened = await openBeside({ ...lock, holds });
      if ('refused' in opened) return opened;
      const own: Exclusive = {
        ...opened,
        // A lock may be held for the life of its service: what was opened beside it and closed again is not kept.
        release: () => {
          beside.delete(own);
          return opened.release();
        },
      };
      beside.add(own);
      return own;
    },
    release: async () => {
      if (released) return;
      released = true;
      await Promise.all([...beside].map(other => other.release()));
      try {
        // A server that is silent gives it back when it sees the connection's end.
        if (!busy && !connection.ended()) await Promise.race([end(), patience(lock.request)]);
      } catch (error) {
        // A connection that ended has given the lock back already.
        if (!(error instanceof SqlServerError && error.errorClass === 'lost')) throw error;
      } finally {
        await connection.close();
      }
    },
  };
};

const openBeside = async (lock: Lock): Promise<Exclusive | ExclusiveRefusal> => {
  const { server, request, resource } = lock;
  const { group, fencingToken, purpose } = request;
  const operation = `${purpose.operation}${besideSuffix}`;
  const programName = renderProgramName({ service: purpose.service, group, fencingToken, operation });
  const connection = await server.dedicated(programName);
  try {
    // Only now, when a newer leader would find this connection: had it looked before, it is connected itself.
    const late = await newerLeaders(server, request);
    if (late.length > 0) {
      await connection.close();
      return refuse('Superseded', `A newer leader works here: ${describe(late)}.`, late);
    }
    if (!lock.holds()) throw new LockLost('open beside', resource);
    // It holds no lock of its own: there is nothing to give back.
    return exclusiveOver(connection, programName, lock, async () => undefined);
  } catch (error) {
    await connection.close();
    throw error;
  }
};

/** With the lock in hand: what a leader that came meanwhile, or one that thawed, may have opened while we waited for it. */
const lookAgain = async (
  server: SqlServer,
  request: ExclusiveRequest,
  deadline: number,
): Promise<ExclusiveRefusal | undefined> => {
  const late = await newerLeaders(server, request);
  if (late.length > 0) return refuse('Superseded', `A newer leader arrived meanwhile: ${describe(late)}.`, late);
  const older = await endOlderHolders(server, request, deadline);
  if (older !== undefined) return older;
  const beside = (await holdersOf(server, request.group)).filter(isBeside);
  return beside.length > 0
    ? refuse('LockHeld', `Connections of an earlier lock are still there: ${describe(beside)}.`, beside)
    : undefined;
};

/** Takes the group's lock on a connection of its own. Refusals are values; failures of the server are thrown (SqlServerError). */
export const openExclusive = async (
  server: SqlServer,
  request: ExclusiveRequest,
): Promise<Exclusive | ExclusiveRefusal> => {
  const { group, fencingToken, purpose } = request;
  const waitMs = waitMsOf(request);
  const deadline = server.clock() + waitMs;
  const resource = resourceOf(group);
  const programName = renderProgramName({ ...purpose, group, fencingToken });
  const refusal = await endOlderHolders(server, request, deadline);
  if (refusal !== undefined) return refusal;
  const connection = await server.dedicated(programName);
  try {
    const refused =
      (await takeLock(server, connection, request, waitMs)) ?? (await lookAgain(server, request, deadline));
    if (refused !== undefined) {
      await connection.close();
      return refused;
    }
    return exclusiveOver(connection, programName, { server, request, resource, holds: () => true }, async () => {
      await connection.send(releaseApplock, { resource });
    });
  } catch (error) {
    await connection.close();
    throw error;
  }
};
