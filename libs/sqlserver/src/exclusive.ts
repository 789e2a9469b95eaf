/**
 * The target server is the last arbiter (design.md §5): whoever sends RESTORE, RECOVER or a fence holds the applock `holdfast:<group>`
 * in `master` of that instance, on the very connection that sends it.
 *
 * Why a frozen leader that wakes up does no harm: its connection was ended by KILL before the new leader took the lock; with the
 * connection its lock is gone, nothing reconnects, and each later `run` throws LockLost. Should it open a new one, it meets a newer token.
 */
import type { Answer } from './driver.ts';
import { LockLost, type ServerMessage, SqlServerError } from './errors.ts';
import { compareTokens, type Holder, parseProgramName, renderProgramName } from './program-name.ts';
import type { DedicatedConnection, SqlServer } from './server.ts';
import type { Columns, Statement } from './statement.ts';
import { programSessions } from './statements-observe.ts';
import { getApplock, killSession, releaseApplock } from './statements-restore.ts';

export type ExclusiveRequest = {
  /** The group's id: no blanks. */
  readonly group: string;
  /** Decimal, from the leader lease of the service's store. */
  readonly fencingToken: string;
  /** `service`: lower-case word, whose leaders' tokens compare. `operation`: for people; no blanks. */
  readonly purpose: { readonly service: string; readonly operation: string };
  /** How long to wait for the lock, and for the end of an older holder. Default 30 000. */
  readonly waitMs?: number;
};

export type ExclusiveRefusal = {
  /**
   * `LockHeld`: somebody else works on this group here. `Superseded`: a newer leader of the same service is connected; stop.
   * `HolderStillEnding`: the older leader's session was killed and still rolls back; try again later.
   */
  readonly refused: 'LockHeld' | 'Superseded' | 'HolderStillEnding';
  readonly message: string;
  readonly holders: readonly (Holder & { readonly sessionId: number })[];
};

export interface Exclusive {
  readonly programName: string;
  readonly sessionId: number;
  /** One statement at a time. Throws LockLost once the connection has ended; SqlServerError otherwise. */
  run<P extends object, C extends Columns>(
    statement: Statement<P, C>,
    params: P,
    onMessage?: (message: ServerMessage) => void,
  ): Promise<Answer<C>>;
  /** False once the connection has ended. */
  holds(): boolean;
  /** Gives the lock back and closes the connection. Safe to call twice, and after a loss. */
  release(): Promise<void>;
}

type Session = Holder & { readonly sessionId: number };

const resourceOf = (group: string) => `holdfast:${group}`;

const holdersOf = async (server: SqlServer, group: string): Promise<readonly Session[]> => {
  const rows = await server.query(programSessions, { prefix: 'holdfast-' });
  return rows.flatMap(row => {
    const holder = parseProgramName(row.programName ?? '');
    return holder?.group === group ? [{ ...holder, sessionId: row.sessionId }] : [];
  });
};

const refuse = (
  refused: ExclusiveRefusal['refused'],
  message: string,
  holders: readonly Session[],
): ExclusiveRefusal => ({
  refused,
  message,
  holders,
});

const describe = (holders: readonly Session[]) =>
  holders.map(h => `session ${h.sessionId} (${renderProgramName(h)})`).join(', ') || 'a session that is not ours';

const kill = async (server: SqlServer, sessionId: number): Promise<void> => {
  try {
    await server.query(killSession, { sessionId });
  } catch (error) {
    // 6106: it ended by itself between the look and the KILL.
    if (!(error instanceof SqlServerError && error.number === 6106)) throw error;
  }
};

/** Polls until none of the sessions is left; KILL returns at once while the roll-back goes on (sqlserver.md §8.4). */
const untilGone = async (
  server: SqlServer,
  group: string,
  sessions: readonly Session[],
  deadline: number,
): Promise<readonly Session[]> => {
  for (;;) {
    const present = await holdersOf(server, group);
    // Compared with their whole name: a session id may belong to somebody else by now.
    const left = present.filter(p =>
      sessions.some(s => s.sessionId === p.sessionId && s.fencingToken === p.fencingToken),
    );
    if (left.length === 0 || server.clock() >= deadline) return left;
    await new Promise(resolve => setTimeout(resolve, 100));
  }
};

/** Ends the sessions of older leaders of the same service; the refusal when that is not possible or not our right. */
const endOlderHolders = async (server: SqlServer, request: ExclusiveRequest, deadline: number) => {
  const { group, fencingToken, purpose } = request;
  const holders = (await holdersOf(server, group)).filter(holder => holder.service === purpose.service);
  const newer = holders.filter(holder => compareTokens(holder.fencingToken, fencingToken) > 0);
  if (newer.length > 0) return refuse('Superseded', `A newer leader works here: ${describe(newer)}.`, newer);
  const older = holders.filter(holder => compareTokens(holder.fencingToken, fencingToken) < 0);
  for (const holder of older) await kill(server, holder.sessionId);
  const left = older.length === 0 ? [] : await untilGone(server, group, older, deadline);
  return left.length > 0
    ? refuse('HolderStillEnding', `An older leader was ended and still rolls back: ${describe(left)}.`, left)
    : undefined;
};

const takeLock = async (
  server: SqlServer,
  connection: DedicatedConnection,
  request: ExclusiveRequest,
  waitMs: number,
) => {
  const { rows } = await connection.send(getApplock, { resource: resourceOf(request.group), timeoutMs: waitMs });
  const row = rows[0];
  if (row === undefined) throw new Error('sp_getapplock gave no result.');
  if (row.result >= 0) return { sessionId: row.sessionId };
  if (row.result !== -1) throw new Error(`sp_getapplock answered ${row.result}.`);
  const holders = await holdersOf(server, request.group);
  const others = holders.filter(holder => holder.sessionId !== row.sessionId);
  return refuse('LockHeld', `${resourceOf(request.group)} is held by ${describe(others)}.`, others);
};

const exclusiveOver = (
  connection: DedicatedConnection,
  programName: string,
  sessionId: number,
  group: string,
): Exclusive => {
  let busy = false;
  let released = false;
  const resource = resourceOf(group);
  return {
    programName,
    sessionId,
    holds: () => !released && !connection.ended(),
    run: async (statement, params, onMessage) => {
      if (released || connection.ended()) throw new LockLost(statement.name, resource);
      if (busy) throw new Error(`${statement.name}: another statement still runs under ${resource}.`);
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
    release: async () => {
      if (released) return;
      released = true;
      try {
        if (!busy && !connection.ended()) await connection.send(releaseApplock, { resource });
      } catch (error) {
        // A connection that ended has given the lock back already.
        if (!(error instanceof SqlServerError && error.errorClass === 'lost')) throw error;
      } finally {
        await connection.close();
      }
    },
  };
};

/** Takes the group's lock on a connection of its own. Refusals are values; failures of the server are thrown (SqlServerError). */
export const openExclusive = async (
  server: SqlServer,
  request: ExclusiveRequest,
): Promise<Exclusive | ExclusiveRefusal> => {
  const { group, fencingToken, purpose } = request;
  const waitMs = request.waitMs ?? 30_000;
  const programName = renderProgramName({ ...purpose, group, fencingToken });
  const refusal = await endOlderHolders(server, request, server.clock() + waitMs);
  if (refusal !== undefined) return refusal;
  const connection = await server.dedicated(programName);
  try {
    const taken = await takeLock(server, connection, request, waitMs);
    if ('refused' in taken) {
      await connection.close();
      return taken;
    }
    // While we waited for the lock a newer leader may have arrived: it then saw no older holder that it could have ended.
    const late = (await holdersOf(server, group)).filter(
      holder => holder.service === purpose.service && compareTokens(holder.fencingToken, fencingToken) > 0,
    );
    if (late.length > 0) {
      await connection.close();
      return refuse('Superseded', `A newer leader arrived meanwhile: ${describe(late)}.`, late);
    }
    return exclusiveOver(connection, programName, taken.sessionId, group);
  } catch (error) {
    await connection.close();
    throw error;
  }
};
