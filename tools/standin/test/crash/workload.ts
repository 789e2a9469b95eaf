/** A random workload over one instance that notes what was attempted and what was acknowledged, until its connections break. */
import mssql from 'mssql';
import { causeOf } from './failure.ts';
import { driverConfig } from './instance.ts';
import { file, moved } from './template.ts';

export type Ledger = {
  /** Row ids that were sent, and those whose commit was answered. `marked`: to App and Box in one marked transaction. */
  readonly sent: Set<number>;
  readonly acknowledged: Set<number>;
  readonly marked: Set<number>;
  /** Backup files of App's log in the order of their statements, from the template's on; how many of them Copy was offered. */
  readonly logs: string[];
  followed: number;
  /** Backup files by name: attempted, and acknowledged. */
  readonly tried: Set<string>;
  readonly made: Set<string>;
  /** Databases by what was last acknowledged of them; undefined while a statement is under way or its outcome is unknown. */
  readonly databases: Map<string, 'there' | 'gone' | undefined>;
  /** Texts of statements that were answered. */
  readonly answered: string[];
};

export function emptyLedger(): Ledger {
  return {
    sent: new Set(),
    acknowledged: new Set(),
    marked: new Set(),
    logs: ['App-log'],
    followed: 0,
    tried: new Set(),
    made: new Set(),
    databases: new Map(),
    answered: [],
  };
}

type Send = (statement: string) => Promise<void>;
type Job = (send: Send, random: () => number) => Promise<void>;

/** Starts it; resolves when every connection is lost. Rejects when the instance refuses what it must not. */
export async function work(port: number, ledger: Ledger, random: () => number): Promise<void> {
  const jobs: readonly Job[] = [
    writer(ledger, 1),
    writer(ledger, 2),
    writer(ledger, 3),
    logShipper(ledger),
    fullBackups(ledger),
    restorer(),
    makerOfDatabases(ledger),
  ];
  await Promise.all(jobs.map(job => untilLost(port, ledger, random, job)));
}

async function untilLost(port: number, ledger: Ledger, random: () => number, job: Job): Promise<void> {
  const pool = new mssql.ConnectionPool(driverConfig(port));
  pool.on('error', () => undefined);
  try {
    await pool.connect();
    const send: Send = async statement => {
      await pool.request().batch(statement);
      ledger.answered.push(statement);
    };
    for (;;) await job(send, random);
  } catch (failure) {
    const number = causeOf(failure);
    if (!Number.isNaN(number)) throw new Error(`refused with ${number}`, { cause: failure });
  } finally {
    await pool.close();
  }
}

function writer(ledger: Ledger, lane: number): Job {
  return async (send, random) => {
    const id = 1000 + (ledger.sent.size + 1) * 10 + lane;
    ledger.sent.add(id);
    const value = `REPLICATE(N'x', ${Math.floor(random() * 3000)})`;
    if (random() < 0.3) {
      ledger.marked.add(id);
      await send(
        `BEGIN TRAN w${id} WITH MARK; INSERT App.dbo.t VALUES (${id}, ${value}); INSERT Box.dbo.t VALUES (${id}, N'w'); COMMIT`,
      );
    } else await send(`INSERT App.dbo.t VALUES (${id}, ${value})`);
    ledger.acknowledged.add(id);
  };
}

/** A log backup, then perhaps its restore into Copy, which so follows App. */
function logShipper(ledger: Ledger): Job {
  return async (send, random) => {
    const name = `w-log-${String(ledger.logs.length).padStart(5, '0')}`;
    ledger.logs.push(name);
    ledger.tried.add(name);
    await send(`BACKUP LOG App TO ${file(name)} WITH CHECKSUM`);
    ledger.made.add(name);
    if (random() < 0.7) await follow(send, ledger);
  };
}

/** Every log of the list that Copy can take: those it has are 4326, and what a kill cut short is refused and followed by one that begins where it did. */
export async function follow(send: Send, ledger: Ledger): Promise<void> {
  for (; ledger.followed < ledger.logs.length; ledger.followed += 1) {
    const name = ledger.logs[ledger.followed] ?? '';
    try {
      await send(`RESTORE LOG Copy FROM ${file(name)} WITH NORECOVERY`);
    } catch (failure) {
      if (![4326, 3201, 3203, 3241, 3254, 3256].includes(causeOf(failure))) throw failure;
    }
  }
}

function fullBackups(ledger: Ledger): Job {
  return async (send, random) => {
    const name = `w-full-${ledger.answered.length}-${Math.floor(random() * 1e9)}`;
    ledger.tried.add(name);
    await send(`BACKUP DATABASE App TO ${file(name)} WITH CHECKSUM${random() < 0.5 ? ', COPY_ONLY' : ''}`);
    ledger.made.add(name);
  };
}

/** The template's full, over what the last turn left, whatever that is. */
function restorer(): Job {
  return (send, random) =>
    send(
      `RESTORE DATABASE Again FROM ${file('App-full')} WITH ${random() < 0.5 ? '' : 'NO'}RECOVERY, REPLACE, ${moved('App', 'Again')}`,
    );
}

function makerOfDatabases(ledger: Ledger): Job {
  return async (send, random) => {
    const name = `Made${Math.floor(random() * 3)}`;
    const drop = ledger.databases.get(name) === 'there';
    ledger.databases.set(name, undefined);
    await send(drop ? `DROP DATABASE ${name}` : `IF DB_ID(N'${name}') IS NULL CREATE DATABASE ${name}`);
    ledger.databases.set(name, drop ? 'gone' : 'there');
  };
}
