/** A group of 13 databases on two linked instances, in processes of their own, and its backup job run by the Agent. */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Pair, type Instance, type Name } from '../linked/pair.ts';

export const serverNames = { ONE: 'BTSDB1\\BTS', TWO: 'BTSDB2\\BTS' } as const;
export const management = 'BizTalkMgmtDb';
const job = `Backup BizTalk Server (${management})`;
const betweenLooksMs = 50;
const share = '\\\\share\\bts';

/** Database and role. Those of ONE are prepared by the set-up calls. */
const here = [
  management,
  'BizTalkMsgBoxDb',
  'BizTalkRuleEngineDb',
  'SSODB',
  'BAMPrimaryImport',
  'BAMAlertsApplication',
  'BAMAlertsNSMain',
];
const there = [
  ['BizTalkMsgBoxDb2', 'messageBox'],
  ['BizTalkDTADb', 'tracking'],
  ['EsbExceptionDb', 'custom'],
  ['EsbItineraryDb', 'custom'],
  ['Orders', 'custom'],
  ['Billing', 'custom'],
] as const;
export const databasesOf: Readonly<Record<Name, readonly string[]>> = { ONE: here, TWO: there.map(([name]) => name) };

type Rows = Awaited<ReturnType<Instance['run']>>;

export class SampleGroup {
  readonly #pair: Pair;
  readonly #instances = new Map<Name, Instance>();

  private constructor(pair: Pair) {
    this.#pair = pair;
  }

  static async create(): Promise<SampleGroup> {
    const group = new SampleGroup(await Pair.create());
    await mkdir(join(group.#pair.folder, 'share'));
    for (const name of ['ONE', 'TWO'] as const) {
      await group.start(name);
      for (const database of databasesOf[name]) await group.at(name, `CREATE DATABASE ${database}`);
    }
    for (const [database, role] of there)
      await group.at('TWO', `EXEC sp_standin_prepare_database @database = N'${database}', @role = N'${role}'`);
    await group.link(serverNames.TWO, `N'SQL Server'`);
    for (const text of setUp()) await group.at('ONE', text);
    return group;
  }

  async start(name: Name, dieAt?: string): Promise<void> {
    const more = ['--map', `${share}=${join(this.#pair.folder, 'share')}`];
    const options = { serverName: serverNames[name], more, ...(dieAt === undefined ? {} : { dieAt }) };
    this.#instances.set(name, await this.#pair.start(name, options));
  }

  at(name: Name, text: string): Promise<Rows> {
    return this.#instance(name).run(text);
  }

  kill(name: Name): Promise<void> {
    return this.#instance(name).kill();
  }

  /** Resolves once it has died. */
  async ended(name: Name): Promise<void> {
    await this.#instance(name).ended;
  }

  /** From ONE, with RPC Out. */
  async link(server: string, rest: string): Promise<void> {
    await this.at('ONE', `EXEC sp_addlinkedserver N'${server}', ${rest}`);
    for (const option of ['rpc', 'rpc out'])
      await this.at('ONE', `EXEC sp_serveroption N'${server}', '${option}', 'true'`);
  }

  alias(dataSource: string, name: Name): Promise<void> {
    return this.#pair.alias(dataSource, serverNames[name]);
  }

  /** Starts the job, waits for its end. @returns step and outcome of its history rows: 1 succeeded, 0 failed */
  async runJob(): Promise<readonly (readonly [number, number])[]> {
    const [last] = await this.at('ONE', 'SELECT ISNULL(MAX(instance_id), 0) AS id FROM msdb.dbo.sysjobhistory');
    await this.startJob();
    const query = `SELECT step_id, run_status FROM msdb.dbo.sysjobhistory WHERE instance_id > ${Number(last?.['id'])} ORDER BY instance_id`;
    for (;;) {
      const rows = await this.at('ONE', query);
      const steps = rows.map(row => [Number(row['step_id']), Number(row['run_status'])] as const);
      // The row of the whole job is the last one.
      if (steps.at(-1)?.[0] === 0) return steps;
      await delay(betweenLooksMs);
    }
  }

  async startJob(): Promise<void> {
    await this.at('ONE', `EXEC msdb.dbo.sp_start_job @job_name = N'${job}'`);
  }

  files(): Promise<readonly string[]> {
    return readdir(join(this.#pair.folder, 'share'));
  }

  async end(): Promise<void> {
    await this.#pair.end();
    await rm(this.#pair.folder, { recursive: true });
  }

  #instance(name: Name): Instance {
    const instance = this.#instances.get(name);
    if (instance === undefined) throw new Error(`${name} was not started`);
    return instance;
  }
}

function setUp(): readonly string[] {
  const within = `@management = N'${management}'`;
  const cover = (database: string, rest: string): string =>
    `EXEC sp_standin_cover_database ${within}, @database = N'${database}', ${rest}`;
  return [
    `EXEC sp_standin_setup_biztalk ${within}, @messageBox = N'BizTalkMsgBoxDb', @tracking = N'BizTalkDTADb', @trackingServer = N'${serverNames.TWO}',
       @sso = N'SSODB', @ruleEngine = N'BizTalkRuleEngineDb', @bamPrimaryImport = N'BAMPrimaryImport'`,
    `EXEC sp_standin_add_message_box ${within}, @database = N'BizTalkMsgBoxDb2', @server = N'${serverNames.TWO}'`,
    cover('BAMAlertsApplication', `@default = N'BAM Alerts Application DB'`),
    cover('BAMAlertsNSMain', `@default = N'BAM Alerts Instance DB'`),
    ...there.filter(([, role]) => role === 'custom').map(([name]) => cover(name, `@server = N'${serverNames.TWO}'`)),
    `EXEC sp_standin_create_backup_job ${within}, @path = N'${share}'`,
  ];
}
