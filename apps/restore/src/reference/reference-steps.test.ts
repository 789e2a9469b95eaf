import { describe, expect, it } from '@jest/globals';
import { onePlace, type Shape, twoPlaces } from '../../test/estate-of-two.ts';
import { factsOf, groupWithRoles, job, jobsOf, login, loginsOf } from '../../test/known-references.ts';
import type { ReferenceFacts } from './facts.ts';
import { referenceSteps } from './reference-steps.ts';

const [first, second] = [twoPlaces.places[0]!, twoPlaces.places[1]!];
const { sourceId, standbyInstanceId } = onePlace.places[0]!;

const stepsOf = (shape: Shape, changes?: Partial<ReferenceFacts>) => referenceSteps(factsOf(shape, changes));
const topicsOf = (shape: Shape, changes?: Partial<ReferenceFacts>) =>
  stepsOf(shape, changes).map(({ work, where }) => (work.kind === 'REFERENCE' ? `${work.topic} ${where}` : work.kind));
const commandOf = (topic: string, changes: Partial<ReferenceFacts>, shape: Shape = onePlace) =>
  stepsOf(shape, changes).find(({ work }) => work.kind === 'REFERENCE' && work.topic === topic)?.command;

const small = [
  'QUIET STANDBY',
  'CONSISTENCY STANDBY',
  'DATABASE_REFERENCES one BizTalk server',
  'REGISTRY BTS1',
  'REGISTRY DRBTS1',
  'MASTER_SECRET the new master secret server',
  'SSO_NAME one BizTalk server',
  'SERVICES BTS1',
  'SERVICES DRBTS1',
  'CONSOLE BTS1',
  'CONSOLE DRBTS1',
  'APPLICATIONS every BizTalk server',
  'PROTECTION STANDBY',
  'RECONCILIATION the applications and those they talk to',
  'OTHER_APPLICATIONS wherever parts of the solution are that are not BizTalk',
];
const allJobs = ['Backup BizTalk Server (BizTalkMgmtDb)', 'MessageBox_Message_Cleanup_BizTalkMsgBoxDb'];
const platformless = (() => {
  const { group, standby } = groupWithRoles(onePlace);
  return { group: { ...group, platform: null }, standby };
})();

describe('the steps after recovery', () => {
  it.each<[string, Shape, Partial<ReferenceFacts>, readonly string[]]>([
    ['a small group', onePlace, {}, small],
    [
      'jobs that were read, and jobs that nobody could read',
      onePlace,
      { jobs: new Map([jobsOf(sourceId, [job('Monitor BizTalk Server (BizTalkMgmtDb)')])]) },
      ['JOBS STANDBY', ...small.slice(0, 11), 'ENABLE_JOBS STANDBY', ...small.slice(11)],
    ],
    [
      'jobs unread',
      onePlace,
      { jobs: new Map() },
      ['JOBS STANDBY', ...small.slice(0, 11), 'ENABLE_JOBS STANDBY', ...small.slice(11)],
    ],
    [
      'a login that is missing',
      onePlace,
      { logins: new Map([loginsOf(sourceId, [login('orders', '0x01')]), loginsOf(standbyInstanceId, [])]) },
      ['QUIET STANDBY', 'LOGINS STANDBY', ...small.slice(1)],
    ],
    ['logins unread', onePlace, { logins: new Map() }, ['QUIET STANDBY', 'LOGINS STANDBY', ...small.slice(1)]],
    [
      'no computer known',
      onePlace,
      platformless,
      small.filter(line => !line.endsWith(' DRBTS1')).map(line => line.replace(/ BTS1$/, ' every BizTalk server')),
    ],
    [
      'two standby instances, with BAM and a Rule Engine',
      twoPlaces,
      {
        jobs: new Map([
          jobsOf(first.sourceId, []),
          jobsOf(second.sourceId, [job('PurgeSubscriptionsJob_BizTalkMsgBoxDb2')]),
        ]),
      },
      [
        `JOBS ${second.standby}`,
        `QUIET ${first.standby}`,
        `QUIET ${second.standby}`,
        `CONSISTENCY ${first.standby}`,
        `CONSISTENCY ${second.standby}`,
        ...small.slice(2, 7),
        'BAM the BAM, Integration Services and Analysis Services servers',
        ...small.slice(7, 11),
        `ENABLE_JOBS ${second.standby}`,
        'APPLICATIONS every BizTalk server',
        'BAM_FRONT the portal host and the servers of the alerts',
        `PROTECTION ${first.standby}`,
        ...small.slice(13),
      ],
    ],
  ])('of %s', (_of, shape, changes, expected) => {
    expect(topicsOf(shape, changes)).toEqual(expected);
  });

  it('each say who, where, why, what and how it is checked, and no two have one name', () => {
    const steps = stepsOf(twoPlaces, { jobs: new Map(), logins: new Map() });
    for (const { actor, where, why, command, expected } of steps)
      expect([actor, where, why, command, expected].every(words => words !== undefined && words !== '')).toBe(true);
    expect(new Set(steps.map(({ name }) => name)).size).toBe(steps.length);
  });

  it('enable what was enabled at the source, and never the cleanup and the Backup job', () => {
    const jobs = new Map([
      jobsOf(sourceId, [
        ...allJobs.map(name => job(name)),
        job('MessageBox_Message_ManageRefCountLog_BizTalkMsgBoxDb'),
        job('DTA Purge and Archive (BizTalkDTADb)', { enabled: false }),
        job("Nightly 'orders'", { steps: [{ ...job('').steps[0]!, databaseName: 'BizTalkMsgBoxDb' }] }),
        job('Index maintenance'),
        job('BTS Log Shipping - Restore To Mark', { steps: [{ ...job('').steps[0]!, databaseName: 'BizTalkMgmtDb' }] }),
      ]),
    ]);
    expect(commandOf('ENABLE_JOBS', { jobs })?.split('\n')).toEqual([
      '-- Enabled at PRIMARY when it was seen at 2026-11-21T04:31:00.000Z.',
      "EXEC msdb.dbo.sp_update_job @job_name = N'MessageBox_Message_ManageRefCountLog_BizTalkMsgBoxDb', @enabled = 1;",
      "EXEC msdb.dbo.sp_update_job @job_name = N'Nightly ''orders''', @enabled = 1;",
    ]);
    const script = commandOf('JOBS', { jobs }) ?? '';
    expect(script).toContain(
      '-- Not made, because nothing ties them to a database of the group: DTA Purge and Archive (BizTalkDTADb), Index maintenance, BTS Log Shipping - Restore To Mark.',
    );
    expect(script).not.toMatch(/sp_add_job .*@enabled = 1/);
    expect(commandOf('PROTECTION', { jobs })).toContain(
      "EXEC msdb.dbo.sp_update_job @job_name = N'Backup BizTalk Server (BizTalkMgmtDb)', @enabled = 1;",
    );
  });

  it('say which logins to create, without passwords, and which have another SID', () => {
    const logins = new Map([
      loginsOf(sourceId, [
        login('b]ts', '0xAB'),
        login(String.raw`CORP\BizTalk Users`, '0x02', 'WINDOWS_GROUP'),
        login('orders', '0x03'),
        login('sa', '0x01'),
      ]),
      loginsOf(standbyInstanceId, [login('ORDERS', '0x04'), login('sa', '0x01')]),
    ]);
    expect(commandOf('LOGINS', { logins })?.split('\n')).toEqual([
      '-- Missing; they are at PRIMARY:',
      String.raw`CREATE LOGIN [CORP\BizTalk Users] FROM WINDOWS;`,
      'CREATE LOGIN [b]]ts] WITH PASSWORD = …, SID = 0xAB;',
      '-- Another SID than at PRIMARY: drop the login here if nothing else uses it and create it so, or ALTER USER … WITH LOGIN in each database.',
      'CREATE LOGIN [orders] WITH PASSWORD = …, SID = 0x03;',
    ]);
  });

  it('start the hosts of the computer, and leave those alone that were off there or run in IIS', () => {
    const services = stepsOf(onePlace).filter(({ work }) => work.kind === 'REFERENCE' && work.topic === 'SERVICES');
    expect(services.map(({ command }) => command.split('\n').slice(2, -1))).toEqual([
      ['net start BTSSvc$Receive', 'Web is an isolated host: it runs in IIS.'],
      ['Receive was disabled there: leave it.'],
    ]);
    expect(commandOf('SERVICES', {}, twoPlaces)).toContain('net start RuleEngineUpdateService');
    expect(commandOf('SERVICES', {})).not.toContain('RuleEngineUpdateService');
    expect(commandOf('SERVICES', platformless)).toContain('net start BTSSvc$<HostName> for every host instance');
  });

  it('carry the file for the scripts, and name what it leaves out', () => {
    const step = stepsOf(twoPlaces).find(
      ({ work }) => work.kind === 'REFERENCE' && work.topic === 'DATABASE_REFERENCES',
    );
    const document = step?.work.kind === 'REFERENCE' ? (step.work.document ?? '') : '';
    expect(document).toMatch(/^<UpdateConfiguration>\n/);
    expect(step?.command).toContain(document);
    expect(step?.reasons?.map(({ message }) => message)).toContainEqual(expect.stringContaining('Rule engine'));
  });
});
