import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createEmbeddedBus } from '@holdfast/messaging';
import { type Caller, createLogger, newId, type Service } from '@holdfast/service';
import { signedClient } from '@holdfast/service/testing';
import { whyNoTestServer } from '@holdfast/sqlserver/testing';
import { backupSchema } from '../src/config.ts';
import { createBackup } from '../src/service.ts';
import { address, databaseNames, group, groupId } from './ledger.ts';
import { startOthers } from './others.ts';
import { addressOf, connect, folderNames, startInstance } from './source.ts';

// The job is made by a procedure that only the stand-in has; a real group brings its own.
const reason =
  process.env['SQLSERVER_URL'] === undefined ? whyNoTestServer(process.env) : 'the job of a real server is not ours';
const suite = reason === undefined ? describe : describe.skip;
const key = Buffer.from('k'.repeat(32));
const operator: Caller = { sub: 'test', roles: ['operator'], groups: ['*'] };
const share = '\\\\backup\\bts';
const [management, messageBox] = databaseNames as [string, string];
const jobName = `Backup BizTalk Server (${management})`;

/** As biztalk-dr.md §2.1 lists them for older versions. */
const steps = (path: string) =>
  [
    ['BackupFull', `exec [dbo].[sp_BackupAllFull_Schedule] 'd','BTS','${path}',0,null`],
    ['MarkAndBackupLog', `exec [dbo].[sp_MarkAll] 'BTS','${path}'`],
    ['Clear Backup History', 'exec [dbo].[sp_DeleteBackupHistory] @DaysToKeep=14'],
  ] as const;

/** As BizTalk's configuration leaves it: without a path. The test's login owns it. */
function createJob(): string {
  const added = steps('<destination path>').map(([name, command], index, all) => {
    const onSuccess = index === all.length - 1 ? 1 : 3;
    return `EXEC msdb.dbo.sp_add_jobstep @job_name = N'${jobName}', @step_name = N'${name}', @database_name = N'${management}',
      @command = N'${command.replaceAll("'", "''")}', @on_success_action = ${String(onSuccess)}, @on_fail_action = 2;`;
  });
  return `EXEC msdb.dbo.sp_add_job @job_name = N'${jobName}', @enabled = 0;
    ${added.join('\n')}
    EXEC msdb.dbo.sp_add_jobschedule @job_name = N'${jobName}', @name = N'MarkAndBackupLogSched', @freq_type = 4, @freq_interval = 1,
      @freq_subday_type = 4, @freq_subday_interval = 15;
    EXEC msdb.dbo.sp_add_jobserver @job_name = N'${jobName}';`;
}

const fields = `configured enabled running markPrefix path fullFrequency usesLocalTime forcesFullAfterFailure fullForced
  intervalBetweenLogs lastRun lastOutcome exposure { code } observation { freshness error }`;
type Job = Record<string, unknown> & {
  readonly lastOutcome: string | null;
  readonly observation: { readonly error: string | null };
};
type Foreign = { readonly databaseName: string; readonly breaksChain: boolean };
type Group = {
  readonly backupJob: Job | null;
  readonly foreignBackups: { readonly nodes: readonly Foreign[] };
  readonly latestRecoveryPoint: {
    readonly markName: string;
    readonly verdict: string;
    readonly reasons: readonly { readonly code: string }[];
  } | null;
  readonly backupSets: {
    readonly nodes: readonly { readonly type: string; readonly timeBasis: string; readonly state: string }[];
  };
};

suite(`the backup job of a source${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  const closers: (() => Promise<unknown>)[] = [];
  let service: Service;
  let url: string;
  let run: (text: string) => Promise<void>;

  async function ask<Data>(text: string, variables: Record<string, unknown> = {}): Promise<Data> {
    const client = signedClient({ url, key, subgraph: 'backup', caller: operator });
    const answer = await client.query(text, variables).finally(() => client.close());
    if (answer.errors !== undefined) throw new Error(JSON.stringify(answer.errors));
    return answer.data as Data;
  }
  /** Asks until the group is as wanted; the test's own time limit ends it. */
  async function untilGroup(wanted: (group: Group) => boolean): Promise<Group> {
    const question = `query ($of: [_Any!]!) { _entities(representations: $of) { ... on BizTalkGroup {
      backupJob { ${fields} }
      foreignBackups { nodes { databaseName type copyOnly at path breaksChain reason { code message } } }
      latestRecoveryPoint { markName verdict reasons { code } }
      backupSets { nodes { type timeBasis state } }
    } } }`;
    for (;;) {
      const { _entities } = await ask<{ _entities: [Group] }>(question, {
        of: [{ __typename: 'BizTalkGroup', id: groupId }],
      });
      if (wanted(_entities[0])) return _entities[0];
      await pause(50);
    }
  }
  async function command(name: 'forceFullBackup' | 'runBackupJob', input: Record<string, unknown> = {}) {
    const type = name === 'runBackupJob' ? 'RunBackupJobInput' : 'ForceFullBackupInput';
    const answer = await ask<Record<string, Record<string, unknown>>>(
      `mutation ($input: ${type}!) { ${name}(input: $input) { __typename ... on BackupJob { running fullForced } ... on Refusal { message } } }`,
      { input: { idempotencyKey: newId(), groupId, reason: 'a test', ...input } },
    );
    return answer[name]!;
  }

  beforeAll(async () => {
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-backup-job-'));
    closers.push(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
    for (const name of folderNames) await mkdir(join(folder, name));
    const server = await startInstance(folder, process.env);
    closers.push(() => server.close());
    const connection = await connect(server);
    closers.push(() => connection.close());
    ({ run } = connection);
    for (const name of databaseNames)
      await run(
        `CREATE DATABASE [${name}] ON PRIMARY (NAME = N'd', FILENAME = N'D:\\Data\\${name}.mdf') LOG ON (NAME = N'l', FILENAME = N'D:\\Data\\${name}.ldf')`,
      );
    await run(`EXEC sp_standin_setup_biztalk @management = N'${management}', @messageBox = N'${messageBox}'`);
    await run(createJob());
    await run(`EXEC msdb.dbo.sp_start_job @job_name = N'${jobName}'`);
    const bus = createEmbeddedBus();
    closers.push(() => bus.close());
    const others = await startOthers(bus, { group, addresses: [{ ...address, address: addressOf(server) }] });
    closers.push(() => others.stop());
    const stateFolder = await mkdtemp(join(tmpdir(), 'holdfast-backup-job-state-'));
    closers.push(() => rm(stateFolder, { recursive: true, force: true, maxRetries: 5 }));
    service = createBackup(backupSchema.parse({ stateFolder, signingKey: 'env:UNUSED', observeEverySeconds: 0.3 }), {
      signingKey: key,
      bus,
      env: { SOURCE_USER: server.credentials.user, SOURCE_PASSWORD: server.credentials.password },
      logger: createLogger({ service: 'backup', level: 'silent' }),
    });
    closers.push(() => service.stop());
    ({ url } = await service.start());
  }, 60_000);

  afterAll(async () => {
    for (const close of closers.reverse()) await close();
  }, 60_000);

  it('is not configured while a step holds the placeholder, and is not started', async () => {
    const { backupJob } = await untilGroup(({ backupJob: job }) => job?.lastOutcome === 'FAILED');
    expect(backupJob).toMatchObject({ configured: false, enabled: false, running: false, path: null, exposure: null });
    expect(await command('runBackupJob')).toMatchObject({ __typename: 'BackupJobNotConfigured' });
  });

  it('is shown as its steps are configured', async () => {
    for (const [index, [, text]] of steps(share).entries())
      await run(
        `EXEC msdb.dbo.sp_update_jobstep @job_name = N'${jobName}', @step_id = ${String(index + 1)}, @command = N'${text.replaceAll("'", "''")}'`,
      );
    const { backupJob } = await untilGroup(({ backupJob: job }) => job?.['configured'] === true);
    expect(backupJob).toMatchObject({
      enabled: false,
      running: false,
      markPrefix: 'BTS',
      path: share,
      fullFrequency: 'DAILY',
      usesLocalTime: false,
      forcesFullAfterFailure: false,
      fullForced: false,
      intervalBetweenLogs: 'PT15M',
      lastOutcome: 'FAILED',
      exposure: { code: 'FAILED_FULL_COUNTS_AS_DONE' },
      observation: { error: null },
    });
  });

  it('runs when it is asked to, and its sets are proven', async () => {
    expect(await command('runBackupJob', { dryRun: true })).toMatchObject({ __typename: 'BackupJob', running: false });
    expect(await command('runBackupJob')).toMatchObject({ __typename: 'BackupJob' });
    const { backupJob, backupSets } = await untilGroup(
      ({ backupJob: job, latestRecoveryPoint }) =>
        job?.lastOutcome === 'SUCCEEDED' && latestRecoveryPoint?.verdict === 'SOUND',
    );
    expect(backupJob).toMatchObject({ running: false, fullForced: false });
    expect(Math.abs(Date.parse(String(backupJob?.['lastRun'])) - Date.now())).toBeLessThan(300_000);
    expect(backupSets.nodes).toEqual(['LOG', 'FULL'].map(type => ({ type, timeBasis: 'UTC', state: 'VERIFIED' })));
  });

  it('takes a full when it was forced, which is refused a second time', async () => {
    expect(await command('forceFullBackup')).toMatchObject({ __typename: 'BackupJob', fullForced: true });
    expect(await command('forceFullBackup')).toMatchObject({ __typename: 'FullAlreadyForced' });
    expect(await command('runBackupJob')).toMatchObject({ __typename: 'BackupJob' });
    const { backupJob } = await untilGroup(
      ({ backupJob: job, backupSets, latestRecoveryPoint }) =>
        job?.['fullForced'] === false && backupSets.nodes.length === 4 && latestRecoveryPoint?.verdict === 'SOUND',
    );
    expect(backupJob).toMatchObject({ fullForced: false });
  });

  it('did not take what others took: a log of theirs breaks the chain by name, a copy does not', async () => {
    expect((await untilGroup(({ backupJob: job }) => job?.['running'] === false)).foreignBackups.nodes).toEqual([]);
    await run(`INSERT [${messageBox}].dbo.MarkLog (MarkName) VALUES (N'work')`);
    await run(`BACKUP LOG [${messageBox}] TO DISK = N'${share}\\theirs.trn'`);
    await run(`BACKUP DATABASE [${management}] TO DISK = N'${share}\\copy.bak' WITH COPY_ONLY`);
    const { foreignBackups } = await untilGroup(({ foreignBackups: { nodes } }) => nodes.length === 2);
    expect(foreignBackups.nodes).toMatchObject([
      {
        databaseName: management,
        type: 'FULL',
        copyOnly: true,
        path: `${share}\\copy.bak`,
        breaksChain: false,
        reason: { code: 'FOREIGN_COPY' },
      },
      {
        databaseName: messageBox,
        type: 'LOG',
        copyOnly: false,
        path: `${share}\\theirs.trn`,
        breaksChain: true,
        reason: { code: 'FOREIGN_LOG_BACKUP' },
      },
    ]);
    await command('runBackupJob');
    const { latestRecoveryPoint } = await untilGroup(
      ({ backupSets, latestRecoveryPoint: point }) => backupSets.nodes.length === 5 && point?.verdict === 'BROKEN',
    );
    expect(latestRecoveryPoint?.reasons.map(({ code }) => code)).toEqual(['CHAIN_GAP', 'FOREIGN_LOG_BACKUP']);
  });
});
