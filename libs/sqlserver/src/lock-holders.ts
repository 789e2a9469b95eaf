/** Who is connected to an instance for a group: leaders recognise each other by the program names of their sessions (design.md §5). */
import { saysSessionGone } from './conditions.ts';
import { compareTokens, type Holder, parseProgramName, renderProgramName } from './program-name.ts';
import type { SqlServer } from './server.ts';
import { programSessions } from './statements-observe.ts';
import { killSession } from './statements-restore.ts';

export type ExclusiveRequest = {
  /** The group's id: no blanks. */
  readonly group: string;
  /** Decimal, from the leader lease of the service's store. */
  readonly fencingToken: string;
  /** `service`: lower-case word, whose leaders' tokens compare. `operation`: for people; no blanks. */
  readonly purpose: { readonly service: string; readonly operation: string };
  /** How long to wait for the lock, for the end of an older holder, and for a server to take the lock back. Default 30 000. */
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

/** A connection beside the one that holds the lock. */
export const besideSuffix = '/beside';
export const isBeside = ({ operation }: Holder): boolean => operation.endsWith(besideSuffix);

type Session = Holder & { readonly sessionId: number };

export const holdersOf = async (server: SqlServer, group: string): Promise<readonly Session[]> => {
  const rows = await server.query(programSessions, { prefix: 'holdfast-' });
  return rows.flatMap(row => {
    const holder = parseProgramName(row.programName ?? '');
    return holder?.group === group ? [{ ...holder, sessionId: row.sessionId }] : [];
  });
};

export const refuse = (
  refused: ExclusiveRefusal['refused'],
  message: string,
  holders: readonly Session[],
): ExclusiveRefusal => ({
  refused,
  message,
  holders,
});

export const describe = (holders: readonly Session[]) =>
  holders.map(h => `session ${h.sessionId} (${renderProgramName(h)})`).join(', ') || 'a session that is not ours';

const kill = async (server: SqlServer, sessionId: number): Promise<void> => {
  try {
    await server.query(killSession, { sessionId });
  } catch (error) {
    // It may have ended by itself between the look and the KILL.
    if (!saysSessionGone(error)) throw error;
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
export const endOlderHolders = async (server: SqlServer, request: ExclusiveRequest, deadline: number) => {
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

/** Leaders that came after us: whoever sees one stops. */
export const newerLeaders = async (server: SqlServer, { group, fencingToken, purpose }: ExclusiveRequest) =>
  (await holdersOf(server, group)).filter(
    holder => holder.service === purpose.service && compareTokens(holder.fencingToken, fencingToken) > 0,
  );
