import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { groupObserved, jobsObserved } from '@holdfast/events';
import { type Caller, createLogger, type Service } from '@holdfast/service';
import { runOneStep } from '@holdfast/service/runner';
import { signedClient } from '@holdfast/service/testing';
import { type TestServer, whyNoTestServer } from '@holdfast/sqlserver/testing';
import type { Store } from '@holdfast/store';
import type { GroupDatabase } from '../src/database/database.ts';
import type { Group } from '../src/group/group.ts';
import { allGroups } from '../src/group/group-store.ts';
import { observationRunner } from '../src/group/observation-runner.ts';
import { listInstances } from '../src/instance/instance-store.ts';
import { registerGroup } from '../src/registration/register-group-commands.ts';
import { createInventory, inventorySchema } from '../src/service.ts';
import type { InventoryTables } from '../src/tables.ts';
import {
  admin,
  connectionTo,
  createDatabase,
  management,
  messageBox,
  onServer,
  prepareGroup,
  startInstance,
} from './estate.ts';
import { inventoryDependencies, openInventoryStore, publishedEvents } from './store.ts';

const key = Buffer.from('k'.repeat(32));
// What is set up here is set up by the stand-in's own procedures.
const reason =
  process.env['SQLSERVER_URL'] === undefined ? whyNoTestServer(process.env) : 'a real primary has no group of ours';
const suite = reason === undefined ? describe : describe.skip;

/** Not made ready for the job, and not easy to name. */
const odd = `Odd]'"Db`;
const quoted = (name: string) => `[${name.replaceAll(']', ']]')}]`;
const otherManagement = 'OtherMgmtDb';
const literal = (name: string) => `N'${name.replaceAll("'", "''")}'`;
const coverRow = `INSERT [${management}].dbo.adm_OtherBackupDatabases (DefaultDatabaseName, DatabaseName, ServerName, BTSServerName)
  VALUES (${literal(odd)}, ${literal(odd)}, N'PRIMARY\\BTS', N'BIZTALK1')`;
/** With a run that has ended. */
const addJob = (name: string, enabled: 0 | 1) => [
  `EXEC msdb.dbo.sp_add_job @job_name = N'${name}', @enabled = ${String(enabled)}`,
  `EXEC msdb.dbo.sp_add_jobstep @job_name = N'${name}', @step_name = N'one', @command = N'SELECT 1', @database_name = N'master'`,
  `EXEC msdb.dbo.sp_add_jobserver @job_name = N'${name}'`,
  `EXEC msdb.dbo.sp_start_job @job_name = N'${name}'`,
  `WHILE NOT EXISTS (SELECT 1 FROM msdb.dbo.sysjobhistory h JOIN msdb.dbo.sysjobs j ON j.job_id = h.job_id WHERE j.name = N'${name}' AND h.step_id = 0)
     WAITFOR DELAY '00:00:00.050'`,
];
const addHostInstance = (host: string, type: 1 | 2, computer: string) =>
  `EXEC sp_standin_add_host_instance @management = N'${management}', @host = N'${host}', @hostType = ${String(type)}, @computer = N'${computer}'`;

let folder: string;
let server: TestServer;
let env: Record<string, string>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-depth-'));
  server = await startInstance(folder, process.env);
  env = { SQL_USER: server.credentials.user, SQL_PASSWORD: server.credentials.password };
  await prepareGroup(server);
  await onServer(
    server,
    `CREATE DATABASE ${quoted(odd)} ON PRIMARY (NAME = N'odd', FILENAME = N'D:\\Data\\odd.mdf') LOG ON (NAME = N'oddlog', FILENAME = N'D:\\Data\\odd.ldf')`,
    coverRow,
    ...addJob(`Backup BizTalk Server (${management})`, 1),
    ...addJob(`MessageBox_Message_Cleanup_${messageBox}`, 0),
    ...addJob('Something else', 1),
    "EXEC msdb.dbo.sp_add_jobschedule @job_name = N'Something else', @name = N'Night', @freq_type = 4, @freq_interval = 1, @active_start_time = 233000",
    "EXEC sp_addlinkedserver @server = N'SECOND', @srvproduct = N'SQL Server'",
    addHostInstance('Receive', 1, 'BTS1'),
    addHostInstance('Receive', 1, 'DRBTS1'),
    addHostInstance('Web', 2, 'BTS1'),
  );
}, 60_000);
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

const managementConnection = () => ({ ...connectionTo(server), database: management });
const finding = '{ database instance problem reason { code evidence } }';
const expectedFindings = [
  {
    database: odd,
    instance: 'PRIMARY\\BTS',
    problem: 'PROCEDURES_MISSING',
    reason: { code: 'PROCEDURES_MISSING', evidence: expect.stringContaining('sp_BackupBizTalkLog') },
  },
  {
    database: 'SSODB',
    instance: 'PRIMARY\\BTS',
    problem: 'NOT_IN_JOB',
    reason: { code: 'SSO_ROW_MISSING', evidence: null },
  },
];

suite(`what is known of a group${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  let inventory: Service;
  let url: string;
  beforeAll(async () => {
    inventory = createInventory(
      inventorySchema.parse({ stateFolder: join(folder, 'state'), signingKey: 'env:UNUSED', observeEverySeconds: 600 }),
      { env, signingKey: key, logger: createLogger({ service: 'inventory', level: 'silent' }) },
    );
    ({ url } = await inventory.start());
  });
  afterAll(() => inventory.stop());

  async function ask(text: string, variables: Record<string, unknown> = {}, caller = admin) {
    const client = signedClient({ url, key, subgraph: 'inventory', caller });
    const answer = await client.query(text, variables).finally(() => client.close());
    if (answer.errors !== undefined) throw new Error(JSON.stringify(answer.errors));
    return answer.data as Record<string, unknown>;
  }
  const register = (dryRun: boolean) =>
    ask(
      `mutation ($input: RegisterGroupInput!) { result: registerGroup(input: $input) {
         __typename ... on GroupDiscovery { databaseNames findings ${finding} } } }`,
      {
        input: { idempotencyKey: 'first', name: 'Orders', site: 'Dublin', management: managementConnection(), dryRun },
      },
    );

  it('is in the findings of a dry run, names with quotes and brackets too', async () => {
    expect(await register(true)).toEqual({
      result: {
        __typename: 'GroupDiscovery',
        databaseNames: [management, messageBox, odd].map(name => `PRIMARY\\BTS.${name}`),
        findings: expectedFindings,
      },
    });
  });

  it('is shown with its observation once registered', async () => {
    expect(await register(false)).toEqual({ result: { __typename: 'BizTalkGroup' } });
    const observation = 'observation { freshness }';
    const fresh = { freshness: 'FRESH' };
    const data = await ask(`{ groups { nodes { id coverage ${finding} unread { code }
      computers { id name hostInstances { host enabled state } ${observation} }
      hosts { name kind instances { computer } }
      instances { edition unread { code } linkedServers { name } logins { name sid kind disabled }
        jobs { name enabled purpose expectedEnabled lastRun lastOutcome ${observation} } } } } }`);
    const [group] = (data['groups'] as { nodes: { id: string; computers: { id: string }[] }[] }).nodes;
    const installed = { enabled: true, state: 'INSTALLED' };
    const run = { lastRun: expect.stringMatching(/^20.*Z$/), lastOutcome: 'SUCCEEDED', observation: fresh };
    expect(group).toEqual({
      id: expect.any(String),
      coverage: expectedFindings,
      unread: [],
      computers: [
        {
          id: expect.stringMatching(/^.{14}5/),
          name: 'BTS1',
          hostInstances: [
            { host: 'Receive', ...installed },
            { host: 'Web', ...installed },
          ],
          observation: fresh,
        },
        {
          id: expect.any(String),
          name: 'DRBTS1',
          hostInstances: [{ host: 'Receive', ...installed }],
          observation: fresh,
        },
      ],
      hosts: [
        { name: 'Receive', kind: 'IN_PROCESS', instances: [{ computer: 'BTS1' }, { computer: 'DRBTS1' }] },
        { name: 'Web', kind: 'ISOLATED', instances: [{ computer: 'BTS1' }] },
      ],
      instances: [
        {
          edition: expect.stringMatching(/./),
          unread: [],
          linkedServers: [{ name: 'SECOND' }],
          logins: expect.arrayContaining([
            { name: server.credentials.user, sid: expect.stringMatching(/^0x/), kind: 'SQL_LOGIN', disabled: false },
          ]),
          jobs: [
            {
              name: `Backup BizTalk Server (${management})`,
              enabled: true,
              purpose: 'BACKUP',
              expectedEnabled: true,
              ...run,
            },
            {
              name: `MessageBox_Message_Cleanup_${messageBox}`,
              enabled: false,
              purpose: 'MESSAGE_BOX_CLEANUP',
              expectedEnabled: false,
              ...run,
            },
            { name: 'Something else', enabled: true, purpose: 'OTHER', expectedEnabled: null, ...run },
          ],
        },
      ],
    });
    const computer = { __typename: 'Computer', id: group?.computers[0]?.id };
    const entities = 'query ($of: [_Any!]!) { _entities(representations: $of) { ... on Computer { name } } }';
    expect(await ask(entities, { of: [computer] })).toEqual({ _entities: [{ name: 'BTS1' }] });
    const stranger: Caller = { sub: 'stranger', roles: ['viewer'], groups: [] };
    expect(await ask(entities, { of: [computer] }, stranger)).toEqual({ _entities: [null] });
  });
});

suite('a group in an availability group', () => {
  it('is shown in a dry run and refused by name', async () => {
    const other = mkdtempSync(join(tmpdir(), 'holdfast-availability-'));
    const faulty = await startInstance(other, process.env, 'PRIMARY\\BTS', [`availability-group=${messageBox}`]);
    const store = await openInventoryStore(join(other, 'inventory.db'));
    try {
      await prepareGroup(faulty);
      const { user, password } = faulty.credentials;
      const secrets = { SQL_USER: user, SQL_PASSWORD: password };
      const dependencies = inventoryDependencies(store, { clock: Date.now, env: secrets, fencingToken: 1 });
      const input = {
        idempotencyKey: 'first',
        name: 'Orders',
        site: 'Dublin',
        management: {
          ...connectionTo(faulty),
          database: management,
          authentication: 'SQL_LOGIN' as const,
          trustServerCertificate: false,
        },
      };
      expect(await registerGroup(dependencies, admin, { ...input, dryRun: true })).toMatchObject({
        findings: expect.arrayContaining([
          expect.objectContaining({ database: messageBox, problem: 'IN_AVAILABILITY_GROUP' }),
        ]),
      });
      expect(await registerGroup(dependencies, admin, { ...input, dryRun: false })).toEqual({
        refused: 'InAvailabilityGroup',
        databases: [`PRIMARY\\BTS.${messageBox}`],
      });
      expect(await store.read(allGroups)).toEqual([]);
      expect(await publishedEvents(store)).toEqual([]);
    } finally {
      await store.close();
      await faulty.close();
      rmSync(other, { recursive: true, force: true });
    }
  }, 60_000);
});

suite('a look after a change', () => {
  let store: Store<InventoryTables>;
  let now = Date.now();
  const dependencies = () => inventoryDependencies(store, { clock: () => now, env, fencingToken: 1 });
  const input = () => ({
    idempotencyKey: 'first',
    name: 'Orders',
    site: 'Dublin',
    management: {
      ...managementConnection(),
      authentication: 'SQL_LOGIN' as const,
      trustServerCertificate: false,
    },
    dryRun: false,
  });
  beforeAll(async () => {
    store = await openInventoryStore(join(folder, 'inventory.db'));
    expect(await registerGroup(dependencies(), admin, input())).toMatchObject({ group: { name: 'Orders' } });
  });
  afterAll(() => store.close());

  async function look(at: (group: Group) => boolean = () => true): Promise<void> {
    now += 3_600_000;
    const runner = observationRunner(dependencies());
    for (const group of (await store.read(allGroups)).filter(at))
      while (await runOneStep(runner, group, { signal: AbortSignal.timeout(20_000), clock: () => now }));
  }
  const published = async (type: string) =>
    (await publishedEvents(store)).filter(each => each.type === type).map(({ data }) => data);
  const observed = () => published(groupObserved.type);

  const databases = (last: Record<string, unknown> | undefined) =>
    last?.['databases'] as Pick<GroupDatabase, 'name' | 'state' | 'recoveryModel' | 'storedServer' | 'otherName'>[];
  const named = (name: string, last: Record<string, unknown> | undefined) =>
    databases(last).find(each => each.name === name);

  it('has found what the steps after a recovery need', async () => {
    const [first] = await observed();
    expect(databases(first).map(({ name, storedServer, otherName }) => [name, storedServer, otherName])).toEqual(
      expect.arrayContaining([
        [management, 'PRIMARY\\BTS', null],
        [messageBox, 'PRIMARY\\BTS', null],
        [odd, 'PRIMARY\\BTS', odd],
      ]),
    );
    expect(first?.['platform']).toEqual({
      ssoServer: null,
      computers: ['BTS1', 'DRBTS1'],
      hosts: [
        { name: 'Receive', kind: 'IN_PROCESS' },
        { name: 'Web', kind: 'ISOLATED' },
      ],
      hostInstances: [
        { host: 'Receive', computer: 'BTS1', enabled: true },
        { host: 'Receive', computer: 'DRBTS1', enabled: true },
        { host: 'Web', computer: 'BTS1', enabled: true },
      ],
    });
    const [jobs] = await published(jobsObserved.type);
    expect(jobs).toMatchObject({
      serverName: 'PRIMARY\\BTS',
      jobs: [
        { name: `Backup BizTalk Server (${management})`, enabled: true, schedules: [] },
        { name: `MessageBox_Message_Cleanup_${messageBox}`, enabled: false },
        {
          name: 'Something else',
          steps: [
            {
              stepId: 1,
              name: 'one',
              subsystem: 'TSQL',
              databaseName: 'master',
              command: 'SELECT 1',
              retryAttempts: 0,
            },
          ],
          schedules: [{ name: 'Night', enabled: true, frequencyType: 4, activeStartTime: 233_000 }],
        },
      ],
    });
  });

  it('publishes a step that was changed once, and nothing else', async () => {
    const before = await publishedEvents(store);
    await onServer(
      server,
      "EXEC msdb.dbo.sp_update_jobstep @job_name = N'Something else', @step_id = 1, @command = N'SELECT 2'",
    );
    await look();
    await look();
    expect((await publishedEvents(store)).slice(before.length)).toMatchObject([
      { type: jobsObserved.type, data: { version: 2, jobs: [{}, {}, { steps: [{ command: 'SELECT 2' }] }] } },
    ]);
  });

  it.each<readonly [string, () => Promise<unknown>, (last: Record<string, unknown> | undefined) => unknown, unknown]>([
    [
      'a recovery model',
      () => onServer(server, `ALTER DATABASE [${messageBox}] SET RECOVERY SIMPLE`),
      last => named(messageBox, last)?.recoveryModel,
      'SIMPLE',
    ],
    [
      'a state',
      () => onServer(server, `ALTER DATABASE ${quoted(odd)} SET OFFLINE`),
      last => named(odd, last)?.state,
      'OFFLINE',
    ],
    [
      'the state again',
      () => onServer(server, `ALTER DATABASE ${quoted(odd)} SET ONLINE`),
      last => named(odd, last)?.state,
      'ONLINE',
    ],
    [
      'a database that is gone, and stays in the tables',
      () => onServer(server, `DROP DATABASE ${quoted(odd)}`),
      last => named(odd, last)?.state,
      null,
    ],
    [
      'a removal',
      () => onServer(server, `DELETE [${management}].dbo.adm_OtherBackupDatabases WHERE BTSServerName = N'BIZTALK1'`),
      last =>
        databases(last)
          .map(({ name }) => name)
          .sort(),
      [management, messageBox],
    ],
    ['an addition', () => onServer(server, coverRow), last => databases(last).length, 3],
    [
      'a host instance',
      () => onServer(server, addHostInstance('Send', 1, 'BTS2')),
      last => (last?.['platform'] as { computers: string[] }).computers,
      ['BTS1', 'BTS2', 'DRBTS1'],
    ],
    [
      'a version of the server',
      // It was another one when it was looked at, and told, before.
      () =>
        store.transaction(async tx => {
          const [group] = await allGroups(tx);
          const [instance] = await listInstances(tx, { first: 1, after: null });
          const told = group?.told?.replaceAll(instance?.productVersion ?? '', '15.0.2000.5') ?? null;
          await tx.updateTable('biztalk_group').set({ told }).execute();
          await tx.updateTable('sql_instance').set({ product_version: '15.0.2000.5' }).execute();
        }),
      last => (last?.['instances'] as { productVersion: string }[]).map(each => each.productVersion.slice(0, 3)),
      ['16.'],
    ],
  ])('publishes %s once', async (_name, change, of, expected) => {
    await look();
    const before = await observed();
    await change();
    await look();
    await look();
    const after = await observed();
    expect(after).toHaveLength(before.length + 1);
    expect(of(after.at(-1))).toEqual(expected);
    expect(after.at(-1)?.['version']).toBe(Number(before.at(-1)?.['version']) + 1);
  });

  it('by one group tells the others of that instance, and the next look has nothing to add', async () => {
    await onServer(
      server,
      createDatabase(otherManagement),
      `EXEC sp_standin_setup_biztalk @management = N'${otherManagement}', @group = N'Other'`,
    );
    const other = await registerGroup(dependencies(), admin, {
      ...input(),
      idempotencyKey: 'second',
      name: 'Other',
      management: { ...input().management, database: otherManagement },
    });
    if (!('group' in other) || 'refused' in other) throw new Error(JSON.stringify(other));
    const { id } = other.group;
    const heard = async () => (await observed()).filter(({ groupId }) => groupId === id);
    await onServer(server, `ALTER DATABASE [${otherManagement}] SET RECOVERY SIMPLE`);
    await look(group => group.id !== id);
    expect(await heard()).toMatchObject([
      { version: 1, databases: [{ recoveryModel: 'FULL' }] },
      { version: 2, databases: [{ recoveryModel: 'SIMPLE' }] },
    ]);
    await look();
    expect(await heard()).toHaveLength(2);
  });

  it('publishes nothing of what no one else acts on', async () => {
    const before = await publishedEvents(store);
    await onServer(server, "EXEC sp_addlinkedserver @server = N'THIRD', @srvproduct = N'SQL Server'");
    await look();
    expect(await publishedEvents(store)).toHaveLength(before.length);
    const [instance] = await store.read(db => listInstances(db, { first: 1, after: null }));
    expect(instance?.details?.linkedServers?.map(({ name }) => name)).toEqual(['SECOND', 'THIRD']);
  });
});
