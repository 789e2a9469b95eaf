import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { statements } from '@holdfast/sqlserver';
import type { Job } from '../src/reference/facts.ts';
import { referenceSteps } from '../src/reference/reference-steps.ts';
import { onePlace } from './estate-of-two.ts';
import { factsOf, job, jobsOf } from './known-references.ts';
import { open, send, startInstance } from './two-servers.ts';

// What is made here would stay in the msdb of a real server.
const { SQLSERVER_URL: _primary, SQLSERVER_STANDBY_URL: _standby, ...env } = process.env;
const closing: (() => Promise<void>)[] = [];
let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-restore-'));
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});

const quarterHours = {
  name: "Every 'quarter'",
  enabled: true,
  frequencyType: 4,
  frequencyInterval: 1,
  subdayType: 4,
  subdayInterval: 15,
  relativeInterval: 0,
  recurrenceFactor: 0,
  activeStartDate: 20_200_101,
  activeEndDate: 99_991_231,
  activeStartTime: 0,
  activeEndTime: 235_959,
};
const plain = job('').steps[0]!;
const backup = job('Backup BizTalk Server (BizTalkMgmtDb)', {
  steps: [
    { ...plain, name: 'BackupFull', command: "EXEC dbo.sp_One N'it''s';\r\n-- two lines", onSuccessAction: 3 },
    {
      ...plain,
      stepId: 2,
      name: 'MarkAndBackupLog',
      onFailAction: 4,
      onFailStepId: 1,
      retryAttempts: 2,
      retryIntervalMinutes: 5,
    },
  ],
  schedules: [quarterHours, { ...quarterHours, name: 'Third day', enabled: false, frequencyInterval: 3 }],
});
const cleanup = job('MessageBox_Message_Cleanup_BizTalkMsgBoxDb', { enabled: false });
const purge = job('PurgeSubscriptionsJob_BizTalkMsgBoxDb', { schedules: [quarterHours] });
const all = [backup, cleanup, purge];

const commandOf = (topic: string, jobs: readonly Job[]) => {
  const facts = factsOf(onePlace, { jobs: new Map([jobsOf(onePlace.places[0]!.sourceId, [...jobs])]) });
  const found = referenceSteps(facts).find(({ work }) => work.kind === 'REFERENCE' && work.topic === topic);
  return found?.command ?? '';
};

describe('the Agent jobs at the standby', () => {
  it('are made as they were at the source and disabled, whatever is there already is left alone, and those that were enabled are enabled', async () => {
    const place = { folder, share: join(folder, 'share'), env };
    const standby = await startInstance('standby', place);
    closing.push(() => standby.close());
    const server = await open(standby);
    closing.push(() => server.close());
    const switches = async () =>
      (await server.query(statements.agentJobs, {})).map(({ name, enabled }) => [name, enabled]);

    // A step that Agent does not take: then there is no job at all, not the first one and half of the second.
    const gap = job('Monitor BizTalk Server (BizTalkMgmtDb)', { steps: [plain, { ...plain, stepId: 7, name: 'gap' }] });
    await expect(send(server, commandOf('JOBS', [backup, gap]))).rejects.toThrow();
    expect(await switches()).toEqual([]);

    // One that somebody has made before, otherwise and at work.
    await send(server, `EXEC msdb.dbo.sp_add_job @job_name = N'${purge.name}', @enabled = 1;`);
    await send(server, commandOf('JOBS', all));
    await send(server, commandOf('JOBS', all));
    expect(await switches()).toEqual([
      [backup.name, false],
      [cleanup.name, false],
      [purge.name, true],
    ]);
    const steps = await server.query(statements.allJobSteps, {});
    expect(steps).toEqual(
      [backup, cleanup].flatMap(({ name, steps: own }) => own.map(step => ({ job: name, ...step }))),
    );
    const schedules = await server.query(statements.allJobSchedules, {});
    expect(schedules).toEqual(backup.schedules.map(schedule => ({ job: backup.name, ...schedule })));

    for (const line of commandOf('QUIET', all).split('\n').slice(0, -1)) await send(server, line);
    expect((await switches()).map(([, enabled]) => enabled)).toEqual([false, false, false]);
    await send(server, commandOf('ENABLE_JOBS', all));
    expect(await switches()).toEqual([
      [backup.name, false],
      [cleanup.name, false],
      [purge.name, true],
    ]);
  }, 60_000);
});
