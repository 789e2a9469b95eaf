import { describe, expect, it } from '@jest/globals';
import { type SqlServer, SqlServerError } from '@holdfast/sqlserver';
import { seeInstance, seeTables } from './facts-store.ts';

const database = (name: string, change: object = {}) => ({ name, state: 'ONLINE', recoveryModel: 'FULL', ...change });
const job = {
  jobId: '6f0e1d0a-3c5b-4b7e-9a2d-8c41f7b6e953',
  name: 'Backup BizTalk Server (Mgmt)',
  enabled: true,
  startedAtRecorded: null,
  stoppedAtRecorded: null,
  nextRunAtRecorded: '2026-11-21T14:15:00',
  lastStatus: 1,
  lastRunDate: 20261121,
  lastRunTime: 140000,
};
const step = {
  stepId: 1,
  name: 'BackupFull',
  subsystem: 'TSQL',
  databaseName: 'Mgmt',
  command: 'EXEC x',
  onSuccessAction: 3,
  onSuccessStepId: 0,
  onFailAction: 2,
  onFailStepId: 0,
  retryAttempts: 1,
  retryIntervalMinutes: 5,
};
const schedule = {
  name: 'Often',
  enabled: true,
  frequencyType: 4,
  frequencyInterval: 1,
  subdayType: 4,
  subdayInterval: 15,
  relativeInterval: 0,
  recurrenceFactor: 0,
  activeStartDate: 20260101,
  activeEndDate: 99991231,
  activeStartTime: 0,
  activeEndTime: 235959,
};
/** Answers by the statement's name. */
const recorded = {
  'server facts': [
    {
      serverName: 'SQL1',
      propertyName: 'SQL1',
      productVersion: '16.0.4236.2',
      edition: 'Enterprise Edition (64-bit)',
      utcNow: '2026-11-21T12:03:00.0000000',
      localNow: '2026-11-21T14:03:00.0000000',
    },
  ],
  'states of all databases': [database('Mgmt'), database('Orders', { state: 'OFFLINE' }), database('Private')],
  'availability and encryption of all databases': [
    { name: 'Mgmt', replicaId: job.jobId, isEncrypted: false },
    { name: 'Orders', replicaId: null, isEncrypted: true },
  ],
  'backup objects of a covered database': [{ name: 'MarkLog' }, { name: 'SP_SETMARK' }],
  'jobs of the instance': [
    job,
    { ...job, name: 'New', nextRunAtRecorded: null, lastStatus: null, lastRunDate: null, lastRunTime: null },
  ],
  'steps of all jobs': [
    { job: job.name, ...step },
    { job: job.name, ...step, stepId: 2, command: null },
    { job: 'Came meanwhile', ...step },
  ],
  'schedules of all jobs': [{ job: job.name, ...schedule }],
  'logins of the instance': [{ name: 'sa', sid: '0x01', kind: 'SQL_LOGIN', disabled: true }],
  'linked servers of the instance': [{ name: 'SQL2', dataSource: 'SQL2', rpcOut: false }],
  adm_Server: [{ name: 'BTS1' }],
  adm_Host: [
    { name: 'Receive', type: 1 },
    { name: 'Web', type: 2 },
  ],
  adm_HostInstance: [
    { host: 'Receive', computer: 'BTS1', configurationState: 1, disabled: 0 },
    { host: 'Web', computer: 'BTS1', configurationState: 5, disabled: -1 },
    { host: 'Web', computer: 'DRBTS1', configurationState: 3, disabled: 0 },
  ],
};
type Answers = Partial<Record<keyof typeof recorded, readonly object[] | Error>>;

function serverSaying(change: Answers = {}, heard: (statement: string) => void = () => undefined) {
  const asked: string[] = [];
  const query = async (statement: { readonly name: string }, params: { readonly database?: string }) => {
    asked.push(`${statement.name} ${params.database ?? ''}`.trim());
    heard(statement.name);
    const answers: Readonly<Record<string, readonly object[] | Error | undefined>> = { ...recorded, ...change };
    const answer = answers[statement.name];
    if (answer === undefined || 'message' in answer) throw answer ?? new Error(`not expected: ${statement.name}`);
    return Promise.resolve(answer);
  };
  return { server: { label: 'x', clock: () => 0, query } as unknown as SqlServer, asked };
}

const refusal = (errorClass: 'permission' | 'lost') =>
  new SqlServerError('statement', {
    errorClass,
    hint: 'grant it',
    number: errorClass === 'lost' ? null : 229,
    severity: 14,
    code: null,
    text: 'denied',
    messages: [],
  });

describe('a look at an instance', () => {
  it('tells what it says, and asks for the backup objects of covered databases that are online', async () => {
    const { server, asked } = serverSaying();
    expect(await seeInstance(server, ['mgmt', 'Orders', 'nowhere'])).toEqual({
      serverName: 'SQL1',
      productVersion: '16.0.4236.2',
      edition: 'Enterprise Edition (64-bit)',
      databases: [
        {
          ...database('Mgmt'),
          inAvailabilityGroup: true,
          isEncrypted: false,
          missingBackupObjects: ['sp_BackupBizTalkFull', 'sp_BackupBizTalkLog', 'sp_SetMarkRemote', 'sp_GetServerName'],
        },
        {
          ...database('Orders', { state: 'OFFLINE' }),
          inAvailabilityGroup: false,
          isEncrypted: true,
          missingBackupObjects: null,
        },
        { ...database('Private'), inAvailabilityGroup: null, isEncrypted: null, missingBackupObjects: null },
      ],
      jobs: [
        {
          name: job.name,
          enabled: true,
          lastRun: '2026-11-21T12:00:00.000Z',
          lastOutcome: 'SUCCEEDED',
          nextRun: '2026-11-21T12:15:00.000Z',
        },
        { name: 'New', enabled: true, lastRun: null, lastOutcome: null, nextRun: null },
      ],
      jobDefinitions: [
        { name: job.name, enabled: true, steps: [step, { ...step, stepId: 2, command: null }], schedules: [schedule] },
        { name: 'New', enabled: true, steps: [], schedules: [] },
      ],
      logins: recorded['logins of the instance'],
      linkedServers: recorded['linked servers of the instance'],
      unread: [],
    });
    expect(asked.filter(each => each.startsWith('backup objects'))).toEqual([
      'backup objects of a covered database Mgmt',
    ]);
    // However many jobs there are.
    expect(asked.filter(each => each.includes('jobs'))).toEqual([
      'jobs of the instance',
      'steps of all jobs',
      'schedules of all jobs',
    ]);
  });

  it.each([
    ['jobs of the instance', 'JOBS', { jobs: null, jobDefinitions: null }],
    ['steps of all jobs', 'JOB_DEFINITIONS', { jobs: expect.any(Array), jobDefinitions: null }],
    ['schedules of all jobs', 'JOB_DEFINITIONS', { jobs: expect.any(Array), jobDefinitions: null }],
    ['logins of the instance', 'LOGINS', { logins: null }],
    ['linked servers of the instance', 'LINKED_SERVERS', { linkedServers: null }],
    ['availability and encryption of all databases', 'PROTECTION', {}],
    ['backup objects of a covered database', 'BACKUP_OBJECTS', {}],
  ] as const)('goes on without what is refused: %s', async (statement, part, missing) => {
    const { server } = serverSaying({ [statement]: refusal('permission') });
    const seen = await seeInstance(server, ['Mgmt']);
    expect(seen).toMatchObject({ ...missing, serverName: 'SQL1' });
    expect(seen.unread).toEqual([{ part, message: expect.stringContaining('denied'), fix: 'grant it' }]);
    const [mgmt] = seen.databases;
    if (part === 'PROTECTION') expect(mgmt).toMatchObject({ inAvailabilityGroup: null, isEncrypted: null });
    if (part === 'BACKUP_OBJECTS') expect(mgmt?.missingBackupObjects).toBeNull();
  });

  it('names a value that it does not know', async () => {
    const { server } = serverSaying({ 'jobs of the instance': [{ ...job, lastStatus: 9 }] });
    expect(await seeInstance(server, [])).toMatchObject({ jobs: null, unread: [{ part: 'JOBS' }] });
  });

  it('goes on without what was not answered in time, as long as the instance answers', async () => {
    const { server, asked } = serverSaying({ 'jobs of the instance': refusal('lost') });
    expect(await seeInstance(server, [])).toMatchObject({
      jobs: null,
      logins: recorded['logins of the instance'],
      unread: [{ part: 'JOBS' }],
    });
    expect(asked.filter(each => each === 'server facts')).toHaveLength(2);
  });

  it('is none when the instance is gone under way', async () => {
    const answers: Answers = {};
    const { server } = serverSaying(answers, statement => {
      if (statement === 'logins of the instance') answers['server facts'] = refusal('lost');
    });
    answers['logins of the instance'] = refusal('lost');
    await expect(seeInstance(server, [])).rejects.toThrow('denied');
  });
});

describe("a look at a group's tables", () => {
  const group = Object.fromEntries(
    ['tracking', 'subscription', 'bam', 'ruleEngine'].flatMap(part => [
      [`${part}Server`, null],
      [`${part}Database`, null],
    ]),
  );
  const said = {
    observedAt: '2026-11-21T12:00:00.000Z',
    group: { ...group, ssoServer: ' ' },
    messageBoxes: [],
    otherDatabases: [
      { defaultName: 'SSO', databaseName: 'SSODB', server: 'SQL1', biztalkServer: 'x' },
      { defaultName: 'Billing', databaseName: 'Billing', server: ' ', biztalkServer: 'x' },
    ],
    coveredDatabases: [{ server: 'SQL1', databaseName: 'Mgmt' }],
  } as unknown as Parameters<typeof seeTables>[2];
  const management = { server: 'SQL1', databaseName: 'Mgmt' };

  it('tells databases, computers, hosts and host instances', async () => {
    expect(await seeTables(serverSaying().server, management, said)).toEqual({
      databases: [
        { role: 'MANAGEMENT', server: 'SQL1', databaseName: 'Mgmt', otherName: null, inBackupJob: true },
        { role: 'SSO', server: 'SQL1', databaseName: 'SSODB', otherName: 'SSO', inBackupJob: false },
      ],
      unplaced: ['Billing'],
      ssoServer: null,
      platform: {
        computers: ['BTS1'],
        hosts: [
          { name: 'Receive', kind: 'IN_PROCESS' },
          { name: 'Web', kind: 'ISOLATED' },
        ],
        hostInstances: [
          { host: 'Receive', computer: 'BTS1', enabled: true, state: 'INSTALLED' },
          { host: 'Web', computer: 'BTS1', enabled: false, state: 'NOT_INSTALLED' },
          { host: 'Web', computer: 'DRBTS1', enabled: true, state: 'CONFIGURATION_STATE_3' },
        ],
      },
      unread: [],
    });
  });

  it.each([
    ['refused tables', { adm_Host: refusal('permission') }],
    ['an unknown type of host', { adm_Host: [{ name: 'Receive', type: 3 }] }],
  ])('goes on without %s', async (_name, change) => {
    expect(await seeTables(serverSaying(change).server, management, said)).toMatchObject({
      platform: null,
      unread: [{ part: 'HOSTS' }],
    });
  });
});
