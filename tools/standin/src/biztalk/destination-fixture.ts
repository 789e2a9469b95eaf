/** For tests: a source with a small group and a destination, linked, each with an Agent; one clock that the test moves. */
import { Agent } from '../agent/agent.ts';
import { registerAgent } from '../agent/register-agent.ts';
import { startGroup, type Additions, type Member } from '../linked/group-fixture.ts';
import { registerBizTalk } from './biztalk.ts';
import { namesOf, type DestinationNames, type Spelling } from './destination-names.ts';

export const management = 'BizTalkMgmtDb';
export const share = '\\\\share\\bts';

export type Side = {
  readonly member: Member;
  /** Rows of the last result set; throws on an error. */
  rows(text: string): Promise<unknown[][]>;
  /** `number text` of each error. */
  errors(text: string): Promise<readonly string[]>;
  /** Runs a job to its end. @returns step and run_status of its history rows (1 succeeded, 0 failed), and the message of the last step */
  job(name: string): Promise<{ readonly steps: readonly (readonly [number, number])[]; readonly message: string }>;
  /** Lets the Agent look at its schedules and waits until nothing runs. */
  look(): Promise<void>;
};

export type DestinationFixture = {
  readonly folder: string;
  readonly source: Side;
  readonly destination: Side;
  readonly names: DestinationNames;
  /** One more server that takes part. */
  start(name: string): Promise<Side>;
  /** Moves the clock by so many minutes. */
  pass(minutes: number): void;
  /** A set of each kind; the clock moves by 15 minutes before. @returns its id */
  full(): Promise<number>;
  log(): Promise<number>;
  /** Get Backup History, then Restore Databases. @returns whether the second one succeeded, and what it said */
  ship(): Promise<{ readonly succeeded: boolean; readonly message: string }>;
  /** Set ids, by order, of which a file was restored. */
  restored(): Promise<readonly number[]>;
  pointer(): Promise<number | undefined>;
  /** Databases of the group there and their states. */
  states(): Promise<Readonly<Record<string, string>>>;
  end(): Promise<void>;
};

export type DestinationOptions = { readonly spelling?: Spelling; readonly setup?: string; readonly only?: string };

export async function startDestination(
  databases: readonly string[],
  { spelling = 'a', setup = '', only }: DestinationOptions = {},
): Promise<DestinationFixture> {
  let now = Date.parse('2026-03-01T10:00:00.497Z');
  const clock = (): Date => new Date(now);
  const agents = new Map<string, Agent>();
  const mistakes: unknown[] = [];
  const additions: Additions = (registry, engine) => {
    registerBizTalk(registry, engine);
    const agent = new Agent({ engine, running: true, report: mistake => void mistakes.push(mistake) });
    registerAgent(registry, agent);
    agents.set(engine.serverName, agent);
    return agent;
  };
  const group = await startGroup(additions);
  const start = async (name: string): Promise<Side> => {
    const member = await group.start(name, { clock, hasty: true });
    const agent = agents.get(name);
    if (agent === undefined) throw new Error(`${name} has no Agent`);
    return sideOf(member, agent);
  };
  const [source, destination] = [await start('SRC\\BTS'), await start('DR\\BTS')];
  const names = namesOf[spelling];
  for (const name of [management, ...databases]) await source.rows(`CREATE DATABASE ${name}`);
  await source.rows(`EXEC sp_standin_setup_biztalk @management = N'${management}'`);
  for (const name of databases)
    await source.rows(`EXEC sp_standin_cover_database @management = N'${management}', @database = N'${name}'`);
  await source.rows(`EXEC sp_standin_create_backup_job @management = N'${management}', @path = N'${share}'`);
  await destination.rows(
    `EXEC sp_configure 'show advanced options', 1; RECONFIGURE; EXEC sp_configure 'Ad Hoc Distributed Queries', 1; RECONFIGURE`,
  );
  await destination.rows(`EXEC sp_standin_setup_destination @spelling = '${spelling}'${setup}`);
  await destination.rows(configureText(names, only));
  // Or the Agents' own looks would start them in between.
  for (const name of [names.jobs.history, names.jobs.restore])
    await destination.rows(`EXEC msdb.dbo.sp_update_job @job_name = N'${name}', @enabled = 0`);
  const take = async (procedure: string): Promise<number> => {
    now += 15 * 60_000;
    const moment = procedure === 'sp_BackupAllFull' ? ', @now' : '';
    await source.rows(
      `DECLARE @now datetime = GETUTCDATE(); EXEC ${management}.dbo.${procedure} 'BTS', '${share}'${moment}`,
    );
    const [[id] = []] = await source.rows(`SELECT MAX(BackupSetId) FROM ${management}.dbo.adm_BackupHistory`);
    return Number(id);
  };
  return {
    folder: destination.member.engine.hostPath(share) ?? '',
    source,
    destination,
    names,
    start,
    pass: minutes => {
      now += minutes * 60_000;
    },
    full: () => take('sp_BackupAllFull'),
    log: () => take('sp_MarkAll'),
    ship: async () => {
      now += 60_000;
      const history = await destination.job(names.jobs.history);
      if (history.steps.at(-1)?.[1] !== 1) throw new Error(history.message);
      const { steps, message } = await destination.job(names.jobs.restore);
      return { succeeded: steps.at(-1)?.[1] === 1, message };
    },
    restored: async () => {
      const rows = await destination.rows(
        'SELECT DISTINCT BackupSetId FROM bts_LogShippingHistory WHERE Restored = 1 ORDER BY BackupSetId',
      );
      return rows.map(([id]) => Number(id));
    },
    pointer: async () => {
      const [row] = await destination.rows(`SELECT ${names.lastSet} FROM bts_LogShippingLastRestoreSet`);
      return row === undefined ? undefined : Number(row[0]);
    },
    states: async () => {
      const rows = await destination.rows('SELECT name, state_desc FROM sys.databases WHERE database_id > 4');
      return Object.fromEntries(rows) as Record<string, string>;
    },
    end: async () => {
      await group.end();
      if (mistakes.length > 0) throw new Error('an Agent made mistakes', { cause: mistakes });
    },
  };
}

export function configureText(names: DestinationNames, only?: string): string {
  const restricted = only === undefined ? 'NULL' : `N'${only}'`;
  return `EXEC master.dbo.${names.configure} @nvcDescription = N'DR of Test', @nvcMgmtDatabaseName = N'${management}',
    @nvcMgmtServerName = N'SRC\\BTS', @SourceServerName = ${restricted}, @fLinkServers = 1`;
}

function sideOf(member: Member, agent: Agent): Side {
  const session = member.session();
  const rows = (text: string): Promise<unknown[][]> => member.rows(text, session);
  return {
    member,
    rows,
    errors: async text => (await member.run(text, session)).errors.map(each => `${each.number} ${each.text}`),
    look: async () => {
      await agent.look();
      await agent.idle();
    },
    job: async name => {
      const [[last] = []] = await rows('SELECT ISNULL(MAX(instance_id), 0) FROM msdb.dbo.sysjobhistory');
      await rows(`EXEC msdb.dbo.sp_start_job @job_name = N'${name}'`);
      await agent.idle();
      const found = await rows(
        `SELECT step_id, run_status, message FROM msdb.dbo.sysjobhistory WHERE instance_id > ${Number(last)} ORDER BY instance_id`,
      );
      const steps = found.map(([step, status]) => [Number(step), Number(status)] as const);
      return { steps, message: text(found.at(-2)?.[2]) };
    },
  };
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
