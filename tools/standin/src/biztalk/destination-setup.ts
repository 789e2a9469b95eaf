/** How a destination is configured and cleaned (biztalk-dr.md §3.3, §3.8). */
import { compareText } from '../engine/compare.ts';
import { fail, SqlError, unsupported } from '../messages.ts';
import { complaint, flagOf, numberOf, stringOf, textOf, typedText } from './group-context.ts';
import { procedureAt } from './covered-databases.ts';
import { linkIfMissing } from './group-servers.ts';
import { namesOf, spellings, readingTable, type DestinationNames } from './destination-names.ts';
import { dropStatement, DestinationStore } from './destination-store.ts';
import { bit, int, nvarchar, parameter } from '../procedure-parameters.ts';
import type { NativeProcedure, ProcedureContext, Transaction } from '../contract.ts';

/** freq_subday_type: minutes. */
const inMinutes = 4;

export const destinationParameters = [
  parameter('@spelling', { name: 'nchar', length: 1 }, 'a'),
  parameter('@trailingSets', int, 1n),
  parameter('@partialFullBreaks', bit, false),
  parameter('@notesPassedFulls', bit, true),
  parameter('@jobsEnabled', bit, true),
];

/** The two scripts LogShipping_Destination_Schema.sql and _Logic.sql: tables are dropped and made anew, whatever they held. */
export async function setUpDestination(context: ProcedureContext, transaction: Transaction): Promise<number> {
  const spelling = spellings.find(each => each === textOf(context, '@spelling').toLowerCase());
  if (spelling === undefined) throw unsupported(`@spelling (known are ${spellings.join(', ')})`);
  const trailing = numberOf(context, '@trailingSets');
  if (trailing !== 1 && trailing !== 2) throw unsupported('@trailingSets other than 1 and 2');
  const master = context.engine.database('master');
  if (master === undefined) throw new Error('the instance has no master');
  const stale = new Set(spellings.flatMap(each => namesOf[each].tables.map(({ name }) => name)));
  for (const name of stale) {
    const table = master.table('dbo', name);
    if (table !== undefined) await transaction.dropTable(master, table);
  }
  for (const definition of namesOf[spelling].tables) await transaction.createTable(master, definition);
  await context.query(
    `INSERT INTO master.dbo.${readingTable} (Spelling, TrailingSets, PartialFullBreaks, NotesPassedFulls, JobsEnabled)
     VALUES (@spelling, @trailing, @breaks, @notes, @enabled)`,
    {
      spelling: typedText(spelling, 1),
      trailing: { type: int, value: BigInt(trailing) },
      breaks: { type: bit, value: flagOf(context, '@partialFullBreaks') },
      notes: { type: bit, value: flagOf(context, '@notesPassedFulls') },
      enabled: { type: bit, value: flagOf(context, '@jobsEnabled') },
    },
  );
  return 0;
}

export function configureProcedure(names: DestinationNames): Pick<NativeProcedure, 'name' | 'parameters' | 'run'> {
  return {
    name: names.configure,
    parameters: [
      parameter('@nvcDescription', nvarchar(256)),
      parameter('@nvcMgmtDatabaseName', nvarchar(128)),
      parameter('@nvcMgmtServerName', nvarchar(128)),
      parameter('@SourceServerName', nvarchar(128), null),
      parameter('@fLinkServers', bit),
    ],
    run: context => configure(context, names),
  };
}

/** One that failed half way leaves what it wrote and cannot be repeated: one begins again with the schema script (biztalk-dr.md §3.3 step 5). */
async function configure(context: ProcedureContext, names: DestinationNames): Promise<number> {
  const store = new DestinationStore(context, names);
  const [server, database] = [textOf(context, '@nvcMgmtServerName'), textOf(context, '@nvcMgmtDatabaseName')];
  const given = textOf(context, '@SourceServerName');
  const only = given === '' ? undefined : given;
  for (const other of await store.sources()) {
    const same = compareText(other.server, server) === 0 && compareText(other.database, database) === 0;
    if (same && compareText(other.only ?? '', given) === 0)
      throw new SqlError([complaint('The source is configured already.', names.configure)], 'statement');
  }
  const source = await store.addSource({ server, database, only }, textOf(context, '@nvcDescription'));
  if (context.engine.serverOptions.inUse('Ad Hoc Distributed Queries') !== 1)
    throw fail(
      15281,
      'STATEMENT',
      'OpenRowset/OpenDatasource',
      'Ad Hoc Distributed Queries',
      'Ad Hoc Distributed Queries',
      'Ad Hoc Distributed Queries',
    );
  if (flagOf(context, '@fLinkServers')) await link(context, server);
  const rows = await context.query(
    `EXEC ${procedureAt(context, { server, database }, 'sp_GetBackupDatabasesForServer').name} @ServerName = @only`,
    { only: { type: nvarchar(128), value: only ?? null } },
  );
  for (const row of rows) await store.addDatabase(source, stringOf(row['ServerName']), stringOf(row['DatabaseName']));
  await createJobs(context, names);
  return 0;
}

/** With RPC and RPC Out (biztalk-dr.md §3.2 D10), unlike the source's own full step. */
async function link(context: ProcedureContext, server: string): Promise<void> {
  if (context.engine.linked.find(server) !== undefined) return;
  await linkIfMissing(context, server);
  if (context.engine.linked.find(server) === undefined) return;
  for (const option of ['rpc', 'rpc out'])
    await context.query(`EXEC sp_serveroption @server, '${option}', 'true'`, { server: typedText(server, 128) });
}

type Job = {
  readonly name: string;
  readonly steps: readonly (readonly [name: string, procedure: string])[];
  readonly scheduled: boolean;
};

/** Owned by who configures (unverified); a second source finds them there. */
async function createJobs(context: ProcedureContext, names: DestinationNames): Promise<void> {
  const jobs: readonly Job[] = [
    { name: names.jobs.history, steps: [['Get Backup History', names.importHistory]], scheduled: true },
    { name: names.jobs.restore, steps: [['Restore Databases', names.restoreDatabases]], scheduled: true },
    {
      name: names.jobs.mark,
      steps: [
        ['Restore To Mark', names.restoreToMark],
        ['Create Agent Jobs', names.createJobs],
      ],
      scheduled: false,
    },
  ];
  for (const job of jobs) {
    const found = await context.query('SELECT 1 AS one FROM msdb.dbo.sysjobs WHERE name = @name', {
      name: typedText(job.name, 128),
    });
    if (found.length === 0) await createJob(context, job);
  }
}

async function createJob(context: ProcedureContext, { name, steps, scheduled }: Job): Promise<void> {
  const text = steps.map(
    ([step, procedure], at) =>
      `EXEC msdb.dbo.sp_add_jobstep @job_name = @job, @step_name = N'${step}', @command = N'exec [dbo].[${procedure}]', @database_name = N'master',
         @on_success_action = ${at === steps.length - 1 ? 1 : 3}, @on_fail_action = 2;`,
  );
  const schedule = `EXEC msdb.dbo.sp_add_jobschedule @job_name = @job, @name = @job, @freq_type = 4, @freq_interval = 1,
    @freq_subday_type = ${inMinutes}, @freq_subday_interval = 1;`;
  await context.query(
    `EXEC msdb.dbo.sp_add_job @job_name = @job, @enabled = 1;
     ${text.join('\n')} ${scheduled ? schedule : ''}
     EXEC msdb.dbo.sp_add_jobserver @job_name = @job;`,
    { job: typedText(name, 128) },
  );
}

/** Drops every database of the source that is here, in whatever state, then the pointer: the history stays (biztalk-dr.md §3.8). */
export async function clean(context: ProcedureContext, names: DestinationNames): Promise<number> {
  const store = new DestinationStore(context, names);
  const given = textOf(context, '@SourceID');
  const source = await store.sourceNamed(given);
  if (source === undefined) return 0;
  for (const database of await store.databases(source))
    if (context.engine.database(database) !== undefined) await context.query(dropStatement(database));
  await store.dropPointer(given);
  return 0;
}
