import { hostname } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import type { Holder } from './claim.ts';
import { startOfProcess } from './process-identity.ts';
import { type SqlRow, type SqlServerLocation, SqlSession } from './sql-server.ts';
import { errorNumber, sqlServerStoreError } from './sql-server-errors.ts';

/**
 * The claims of a lease on SQL Server: a row of `leader_claim` under its token, and as long as its holder's connection lives the application
 * lock `holdfast-leader-<token>` of this database, which the server frees with the connection.
 */
export type ServerClaim = { readonly token: number; readonly holder: Holder; readonly beat: string };

const b = 'collate Latin1_General_100_BIN2';
const table = `
if object_id(N'leader_claim') is null
  create table leader_claim (
    token bigint not null primary key, pid bigint not null, started nvarchar(60) ${b} null,
    host nvarchar(256) ${b} not null, since nvarchar(40) ${b} not null, beat bigint not null
  );`;
// "There is already an object with this name": another process makes it too (2714: unverified).
const isThere = 2714;

export async function openClaims(location: SqlServerLocation): Promise<SqlSession> {
  const session = await SqlSession.open(location, 'holdfast-lease');
  for (let left = 20; ; left -= 1) {
    try {
      await session.batch(table);
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

export async function newestServerClaim(session: SqlSession): Promise<ServerClaim | undefined> {
  const { rows } = await session.batch('select top (1) * from leader_claim order by token desc;');
  return rows.map(claimOf)[0];
}

function claimOf(row: SqlRow): ServerClaim {
  const started = row['started'];
  return {
    token: Number(row['token']),
    beat: String(row['beat']),
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
export async function claimServerToken(session: SqlSession, token: number): Promise<boolean> {
  if (!(await getApplock(session, token, 'Exclusive'))) return false;
  const started = startOfProcess(process.pid);
  const { affected } = await session.query(
    `insert into leader_claim (token, pid, started, host, since, beat)
select @1, @2, @3, @4, @5, 0 where not exists (select 1 from leader_claim with (updlock, holdlock) where token >= @1);`,
    [token, process.pid, started, hostname(), new Date().toISOString()],
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
