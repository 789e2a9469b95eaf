import { hostname } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import type { Holder } from './claim.ts';
import { StoreError } from './errors.ts';
import { startOfProcess } from './process-identity.ts';
import { type SqlRow, type SqlServerLocation, SqlSession } from './sql-server.ts';
import { errorNumber, sqlServerStoreError } from './sql-server-errors.ts';

/**
 * The claims of a lease on SQL Server: a row of `leader_claim` under its token, and as long as its holder's connection lives the application
 * lock `holdfast-leader-<token>` of this database, which the server frees with the connection.
 */
export type ServerClaim = {
  readonly token: number;
  readonly holder: Holder;
  readonly beat: string;
  /** Until then it believes that it leads, whatever a replica that waits was told. */
  readonly replaceAfterMs: number;
};

const b = 'collate Latin1_General_100_BIN2';
const tables = `
if object_id(N'leader_claim') is null
  create table leader_claim (
    token bigint not null primary key, pid bigint not null, started nvarchar(60) ${b} null,
    host nvarchar(256) ${b} not null, since nvarchar(40) ${b} not null, beat bigint not null,
    replace_after_ms bigint not null
  );
if object_id(N'store_owner') is null
  create table store_owner (id int not null primary key check (id = 1), owner nvarchar(150) ${b} not null);`;
// "There is already an object with this name": another process makes it too (2714).
const isThere = 2714;

/** @throws StoreError `cannot-open` when the database is another service's. */
export async function openClaims(location: SqlServerLocation, owner: string): Promise<SqlSession> {
  const session = await SqlSession.open(location, 'holdfast-lease');
  for (let left = 20; ; left -= 1) {
    try {
      await session.batch(tables);
      await requireOwner(session, location.database, owner);
      return session;
    } catch (error) {
      if (left > 0 && errorNumber(error) === isThere) {
        await setTimeout(25);
        continue;
      }
      session.close();
      throw sqlServerStoreError(error, 'The claims to lead could not be prepared');
    }
  }
}

/** Tables and leaders of two services would meet in one database; whoever comes first has it. */
async function requireOwner(session: SqlSession, database: string, owner: string): Promise<void> {
  await session.query(
    `insert into store_owner (id, owner)
select 1, @1 where not exists (select 1 from store_owner with (updlock, holdlock) where id = 1);`,
    [owner],
  );
  const { rows } = await session.batch('select owner from store_owner where id = 1;');
  const [found] = rows.map(row => String(row['owner']));
  if (found !== owner)
    throw new StoreError(
      'cannot-open',
      `The database ${database} is the store of ${found ?? 'nobody'}: give ${owner} a database of its own.`,
    );
}

export async function newestServerClaim(session: SqlSession): Promise<ServerClaim | undefined> {
  const { rows } = await session.batch('select top (1) * from leader_claim order by token desc;');
  return rows.map(claimOf)[0];
}

function claimOf(row: SqlRow): ServerClaim {
  const started = row['started'];
  return {
    token: Number(row['token']),
    beat: String(row['beat']),
    replaceAfterMs: Number(row['replace_after_ms']),
    holder: {
      pid: Number(row['pid']),
      started: typeof started === 'string' ? started : null,
      since: String(row['since']),
      host: String(row['host']),
    },
  };
}

/** Whether its holder's connection lives. Asked with a shared lock: those who ask do not see each other. */
export async function isConnected(session: SqlSession, token: number): Promise<boolean> {
  const granted = await getApplock(session, token, 'Shared');
  if (granted) await releaseApplock(session, token);
  return !granted;
}

/** Claims this very token on this connection; false when somebody else did, or a greater one. The lock is taken first: a claim is never seen without it. */
export async function claimServerToken(session: SqlSession, token: number, replaceAfterMs: number): Promise<boolean> {
  if (!(await getApplock(session, token, 'Exclusive'))) return false;
  const started = startOfProcess(process.pid);
  const { affected } = await session.query(
    `insert into leader_claim (token, pid, started, host, since, beat, replace_after_ms)
select @1, @2, @3, @4, @5, 0, @6 where not exists (select 1 from leader_claim with (updlock, holdlock) where token >= @1);`,
    [token, process.pid, started, hostname(), new Date().toISOString(), replaceAfterMs],
  );
  if (affected === 1) return true;
  await releaseApplock(session, token);
  return false;
}

/** Claims of the living stay. */
export async function clearDeadClaims(session: SqlSession, below: number): Promise<void> {
  const { rows } = await session.batch(`select token from leader_claim where token < ${String(below)};`);
  for (const row of rows) {
    const token = Number(row['token']);
    if (!(await isConnected(session, token)))
      await session.batch(`delete from leader_claim where token = ${String(token)};`);
  }
}

/** The greatest token that ever led the store; 0 before its first leader. */
export async function readServerFence(session: SqlSession): Promise<number> {
  const { rows } = await session.batch(`if object_id(N'leader_fence') is null select 0 as fencing_token
else select fencing_token from leader_fence with (nolock) where id = 1;`);
  return Number(rows[0]?.['fencing_token'] ?? 0);
}

/** sp_getapplock answers 0 or 1 when it is granted, -1 when it is not. */
async function getApplock(session: SqlSession, token: number, mode: 'Shared' | 'Exclusive'): Promise<boolean> {
  const { rows } = await session.batch(`declare @answer int;
exec @answer = sp_getapplock @Resource = N'holdfast-leader-${String(token)}', @LockMode = N'${mode}', @LockOwner = N'Session', @LockTimeout = 0;
select @answer as answer;`);
  const answer = Number(rows[0]?.['answer']);
  if (answer < -1) throw new Error(`sp_getapplock answered ${String(answer)}.`);
  return answer >= 0;
}

async function releaseApplock(session: SqlSession, token: number): Promise<void> {
  await session.batch(
    `exec sp_releaseapplock @Resource = N'holdfast-leader-${String(token)}', @LockOwner = N'Session';`,
  );
}
