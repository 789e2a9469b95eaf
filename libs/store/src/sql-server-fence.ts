import { randomUUID } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { StoreError } from './errors.ts';
import { superseded } from './fence.ts';
import type { Lease } from './lease.ts';
import { type SqlServerLocation, SqlSession } from './sql-server.ts';
import { errorNumber, sqlServerStoreError } from './sql-server-errors.ts';
import { StallWatch } from './stall-watch.ts';

/**
 * The one row of `leader_fence` on SQL Server. Every transaction that writes changes it first, every read holds it shared: so transactions of
 * all processes come one after the other, a read sees one state, and whoever leads when a transaction has begun leads at its commit.
 *
 * `session_id`: of the transaction that has the row, for whoever waits for it and may not look into the server's views. `store_commit`: how many
 * transactions each open store has committed; after a connection was lost inside a commit it tells whether that one is among them.
 */
// Without a lock where all is there: a leader frozen in a transaction has the row.
const tables = `
set lock_timeout 5000;
if object_id(N'leader_fence') is null
  create table leader_fence (id int not null primary key check (id = 1), fencing_token bigint not null, session_id int not null);
if object_id(N'store_commit') is null
  create table store_commit (writer nchar(36) not null primary key, commits bigint not null, fencing_token bigint not null);
if not exists (select 1 from leader_fence with (nolock) where id = 1)
  insert into leader_fence (id, fencing_token, session_id) values (1, 0, 0);`;

const lockTimeoutMs = 5_000;
// "There is already an object with this name", a duplicate key, a deadlock: another process makes the same tables (2714, 2627).
const racing = [2714, 2627, 1205];

export async function prepareFence(session: SqlSession): Promise<void> {
  for (let left = 20; ; left -= 1) {
    try {
      await session.batch(tables);
      return;
    } catch (error) {
      if (left === 0 || !racing.includes(errorNumber(error) ?? 0))
        throw sqlServerStoreError(error, 'The store could not be prepared');
    }
    await setTimeout(25);
  }
}

export class Fence {
  readonly #writer = randomUUID();
  readonly #lease: Lease | undefined;
  #commits = 0;

  constructor(lease: Lease | undefined) {
    this.#lease = lease;
  }

  /** The first words of a transaction that writes. @throws StoreError `superseded`, `busy` when another has the row for 5 s */
  async enter(session: SqlSession): Promise<void> {
    const token = String(this.#lease?.fencingToken ?? 0);
    const { rows } = await session.batch(`set lock_timeout ${String(lockTimeoutMs)};
update leader_fence set session_id = @@spid where id = 1;
update store_commit set commits = ${String(this.#commits + 1)} where writer = '${this.#writer}';
if @@rowcount = 0
  insert into store_commit (writer, commits, fencing_token) values ('${this.#writer}', ${String(this.#commits + 1)}, ${token});
select fencing_token from leader_fence where id = 1;`);
    this.#requireLead(Number(rows[0]?.['fencing_token']));
  }

  /** The first words of a read. */
  async share(session: SqlSession): Promise<void> {
    await session.batch(
      `set lock_timeout ${String(lockTimeoutMs)}; select id from leader_fence with (repeatableread, rowlock) where id = 1;`,
    );
  }

  /** The transaction that entered last is committed. */
  committed(): void {
    this.#commits += 1;
  }

  /** Whether it is, asked on another connection than the one that was lost. Undefined while the server has not ended it yet. */
  async isCommitted(session: SqlSession): Promise<boolean | undefined> {
    try {
      const { rows } = await session.batch(
        `set lock_timeout 500; select commits from store_commit with (repeatableread) where writer = '${this.#writer}';`,
      );
      return Number(rows[0]?.['commits'] ?? 0) > this.#commits;
    } catch (error) {
      const typed = sqlServerStoreError(error, 'Whether a transaction is committed could not be asked');
      if (typed.kind === 'busy') return undefined;
      throw typed;
    }
  }

  #requireLead(token: number): void {
    const lease = this.#lease;
    if (lease === undefined || token === lease.fencingToken) return;
    const reason = superseded(lease, `token ${String(token)} has taken it over`);
    lease.lose(reason);
    throw reason;
  }
}

export type SqlServerFenceOptions = {
  readonly sqlServer: SqlServerLocation;
  readonly lease: Lease;
  readonly signal?: AbortSignal;
  /** 3,000 when left out. */
  readonly blockedLimitMs?: number;
  readonly blocked?: (explanation: string) => void;
};

export const programPrefix = 'holdfast-store';

/** What a store's connection says of itself in sys.dm_exec_sessions. Of another database's store it is told apart by the database. */
export function programOf(lease: Lease | undefined): string {
  return lease === undefined ? programPrefix : `${programPrefix} ${String(lease.fencingToken)}`;
}

const retryMs = 20;

/** As `raiseFence` of a file. What stands in the way is a session: it is named and, where this login may, ended by KILL. */
export async function raiseSqlServerFence(options: SqlServerFenceOptions): Promise<void> {
  const { sqlServer, lease, signal, blockedLimitMs = 3_000 } = options;
  const session = await SqlSession.open(sqlServer, programOf(lease));
  const watch = new StallWatch(1_000);
  let said = '';
  const say = (explanation: string): void => {
    if (explanation !== said) options.blocked?.(explanation);
    said = explanation;
  };
  try {
    await prepareFence(session);
    for (;;) {
      signal?.throwIfAborted();
      if (lease.lost.aborted) throw superseded(lease, 'it was lost before the store was taken over');
      if (await tryRaise(session, lease)) return;
      const blockers = await blockersOf(session, lease.fencingToken);
      say(explain(blockers));
      if (watch.look('blocked', performance.now()) >= blockedLimitMs) say(await endBlockers(session, blockers));
      await setTimeout(retryMs);
    }
  } finally {
    session.close();
  }
}

/** False while somebody has the row. */
async function tryRaise(session: SqlSession, lease: Lease): Promise<boolean> {
  const token = String(lease.fencingToken);
  try {
    const { rows } = await session.batch(`set lock_timeout 200;
update leader_fence set fencing_token = ${token}, session_id = 0 where id = 1 and fencing_token < ${token};
if @@rowcount = 1 delete from store_commit where fencing_token < ${token} - 100;
select fencing_token from leader_fence where id = 1;`);
    const led = Number(rows[0]?.['fencing_token']);
    if (led !== lease.fencingToken) throw superseded(lease, `token ${String(led)} led it already`);
    return true;
  } catch (error) {
    const typed = sqlServerStoreError(error, 'The store could not be taken over');
    if (typed.kind === 'busy') return false;
    throw typed;
  }
}

type Blocker = { readonly id: number; readonly program: string; readonly host: string; readonly since: string };
type Blockers = { readonly sessions: readonly Blocker[]; readonly last: number };

/** Sessions of older leaders, if this login may see others' (VIEW SERVER STATE), and the one that wrote its id last. */
async function blockersOf(session: SqlSession, token: number): Promise<Blockers> {
  const last = await session.batch('select session_id from leader_fence with (nolock) where id = 1;');
  const { rows } =
    await session.batch(`select session_id, program_name, host_name, convert(varchar(23), login_time, 126) as since
from sys.dm_exec_sessions where database_id = db_id() and program_name like '${programPrefix} %' and session_id <> @@spid;`);
  const sessions = rows.flatMap((row): Blocker[] => {
    const program = String(row['program_name']).trimEnd();
    const led = /^\S+ (\d+)$/.exec(program)?.[1];
    if (led === undefined || Number(led) >= token) return [];
    return [{ id: Number(row['session_id']), program, host: String(row['host_name']), since: String(row['since']) }];
  });
  return { sessions, last: Number(last.rows[0]?.['session_id'] ?? 0) };
}

function nameOf({ id, program, host, since }: Blocker): string {
  return `session ${String(id)} (${program}, from ${host}, since ${since})`;
}

function explain({ sessions, last }: Blockers): string {
  if (sessions.length > 0)
    return `the store is locked, by all appearances by ${sessions.map(nameOf).join(' and ')}, a replaced leader`;
  return last === 0
    ? 'the store is locked by another session; a login that may view server state is told which'
    : `the store is locked, by all appearances by session ${String(last)}: end it, or let this login view server state and end connections`;
}

/** Each only if it is still the one that was seen: its number may be another's by now. */
async function endBlockers(session: SqlSession, blockers: Blockers): Promise<string> {
  const ended: Blocker[] = [];
  for (const blocker of blockers.sessions) {
    const { id, program, since } = blocker;
    try {
      await session.batch(`if exists (select 1 from sys.dm_exec_sessions where session_id = ${String(id)}
  and program_name = '${program}' and convert(varchar(23), login_time, 126) = '${since}') kill ${String(id)};`);
      ended.push(blocker);
    } catch (error) {
      const number = errorNumber(error);
      // 6102: not allowed (sqlserver.md §8.4); 6106: gone by itself.
      if (number === 6106) continue;
      if (number !== 6102) throw sqlServerStoreError(error, 'A replaced leader could not be ended');
      return `${explain(blockers)}: this login may not end it (KILL), so end it by hand`;
    }
  }
  if (ended.length === 0) return explain(blockers);
  return `the store was locked by ${ended.map(nameOf).join(' and ')}, a replaced leader: ended`;
}

export function unknownOutcome(cause: unknown): StoreError {
  return new StoreError(
    'unknown',
    'The connection was lost inside a commit, and the server does not tell whether it took place.',
    cause,
  );
}
