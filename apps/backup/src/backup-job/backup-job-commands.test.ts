import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type Caller, newId } from '@holdfast/service';
import { beginHold } from '@holdfast/service/source-hold';
import { groupId } from '../../test/ledger.ts';
import { type LedgerStore, openLedgerStore } from '../../test/store.ts';
import type { JobControl, JobUnreachable } from '../source/job-control-store.ts';
import { type JobFacts, parseSteps } from './backup-job.ts';
import { forceFullBackup, type JobDependencies, runBackupJob } from './backup-job-commands.ts';

const operator: Caller = { sub: 'ann', roles: ['operator'], groups: ['*'] };
const input = { idempotencyKey: 'k1', groupId, reason: 'maintenance tonight', dryRun: false };
const commands = [
  "exec [dbo].[sp_BackupAllFull_Schedule] 'd','BTS','\\\\share\\bts',0,null",
  "exec [dbo].[sp_MarkAll] 'BTS','\\\\share\\bts'",
];

/** An Agent with one job, in memory: what it was told is counted, and it may die at any call. */
class FakeJob {
  forced = false;
  running: string | null = null;
  lastRun: JobFacts['lastRun'] = { startedAtRecorded: '2026-11-21T10:15:00', outcome: 'SUCCEEDED' };
  steps: readonly string[] | null = commands;
  readonly sent: string[] = [];
  unreachable: JobUnreachable | null = null;
  dieBeforeSending = false;
  /** After the server has done it, before anybody hears of it. */
  dieAfterSending = false;

  readonly control: JobControl = {
    observe: async () => ({ observedAt: '2026-11-21T10:30:00.000Z', facts: this.facts() }),
    isFullForced: async () => this.forced,
    forceFull: async () => {
      this.sent.push('force');
      this.forced = true;
      this.#maybeDie();
    },
    start: async () => {
      if (this.dieBeforeSending) throw new Error('lost before it was sent');
      if (this.running !== null) return 'RUNNING';
      this.sent.push('start');
      this.running = '2026-11-21T10:30:00';
      this.#maybeDie();
      return 'STARTED';
    },
  };

  end(): void {
    this.lastRun = { startedAtRecorded: this.running ?? '', outcome: 'SUCCEEDED' };
    this.running = null;
  }

  facts(): JobFacts | null {
    if (this.steps === null) return null;
    return {
      name: 'Backup BizTalk Server (BizTalkMgmtDb)',
      enabled: true,
      runningSinceRecorded: this.running,
      lastRun: this.lastRun,
      configuration: parseSteps(this.steps.map(command => ({ command }))),
      intervalSeconds: 900,
      fullForced: this.forced,
      offsetMinutes: 0,
    };
  }

  #maybeDie(): void {
    if (this.dieAfterSending) throw new Error('killed');
  }
}

let ledger: LedgerStore;
let job: FakeJob;
let deps: JobDependencies;
beforeEach(async () => {
  ledger = await openLedgerStore();
  job = new FakeJob();
  deps = {
    ...ledger.deps,
    withJobControl: async (_access, _management, work) => job.unreachable ?? { answer: await work(job.control) },
  };
});
afterEach(() => ledger.close());

const force = (change: Partial<typeof input> = {}, caller = operator) =>
  forceFullBackup(deps, caller, { ...input, ...change });
const run = (change: Partial<typeof input> = {}, caller = operator) =>
  runBackupJob(deps, caller, { ...input, ...change });
const requests = () => ledger.store.read(db => db.selectFrom('job_request').selectAll().execute());
const hold = () =>
  ledger.store.transaction(tx =>
    beginHold(tx, { executionId: newId(), groupId, claimedAt: '2026-11-21T10:29:00.000Z' }),
  );

describe.each([
  ['forceFullBackup', force, 'force'],
  ['runBackupJob', run, 'start'],
] as const)('%s', (_name, command, sent) => {
  it('does it once for a key, and keeps who asked and why', async () => {
    expect(await command()).toMatchObject({ groupId, facts: { configuration: { configured: true } } });
    expect(await command()).toMatchObject({ groupId, facts: { configuration: { configured: true } } });
    expect(job.sent).toEqual([sent]);
    expect(await requests()).toMatchObject([
      { requested_by: 'ann', reason: 'maintenance tonight', done_at: '2026-11-21T10:30:00.000Z' },
    ]);
    expect(await command({ reason: 'another' })).toMatchObject({ refused: 'IdempotencyKeyReused' });
  });

  it('does nothing in a dry run, and its key stays free', async () => {
    expect(await command({ dryRun: true })).toMatchObject({ groupId });
    expect(job.sent).toEqual([]);
    expect(await requests()).toEqual([]);
    expect(await command()).toMatchObject({ groupId });
    expect(job.sent).toEqual([sent]);
  });

  it('finds again what it did when it was killed between statement and record', async () => {
    job.dieAfterSending = true;
    await expect(command()).rejects.toThrow('killed');
    job.dieAfterSending = false;
    expect(await requests()).toMatchObject([{ done_at: null }]);
    if (sent === 'start') job.end();
    expect(await command()).toMatchObject({ groupId });
    expect(job.sent).toEqual([sent]);
    expect(await requests()).toMatchObject([{ done_at: '2026-11-21T10:30:00.000Z' }]);
  });

  it('has one effect when two come at once with one key', async () => {
    const answers = await Promise.all([command(), command()]);
    expect(new Set(job.sent)).toEqual(new Set([sent]));
    expect(answers.filter(answer => !('refused' in answer)).length).toBeGreaterThan(0);
    expect(await requests()).toHaveLength(1);
    if (sent === 'start') expect(job.sent).toEqual(['start']);
  });

  it.each([
    ['a viewer', {}, { ...operator, roles: ['viewer' as const] }, { refused: 'NotAllowed', rule: 'role:operate' }],
    ['who has other groups', {}, { ...operator, groups: [newId()] }, { refused: 'NotYetKnown', id: groupId }],
    ['an unknown group', { groupId: newId() }, operator, { refused: 'NotYetKnown' }],
    ['what is no id', { groupId: 'BizTalk' }, operator, { refused: 'InvalidInput', field: 'groupId' }],
    ['no reason', { reason: ' ' }, operator, { refused: 'InvalidInput', field: 'reason' }],
    ['no key', { idempotencyKey: '' }, operator, { refused: 'InvalidInput', field: 'idempotencyKey' }],
  ])('refuses %s by name', async (_who, change, caller, refusal) => {
    expect(await command(change as Partial<typeof input>, caller)).toMatchObject(refusal);
    expect(job.sent).toEqual([]);
    expect(await requests()).toEqual([]);
  });

  it('is refused while an execution holds the source', async () => {
    await hold();
    expect(await command()).toMatchObject({ refused: 'NotAllowed', rule: 'source-held' });
    expect(job.sent).toEqual([]);
  });

  it.each<[JobUnreachable, Record<string, unknown>]>([
    [
      { kind: 'UNREACHABLE', cause: 'connect: refused', hint: 'Check.' },
      { refused: 'InstanceUnreachable', instance: 'PRIMARY\\BTS', cause: 'connect: refused', fix: 'Check.' },
    ],
    [
      { kind: 'NOT_PERMITTED', cause: '229', hint: 'Grant.' },
      { refused: 'NotAllowed', rule: 'sql-permission' },
    ],
    [
      { kind: 'HELD', cause: 'held' },
      { refused: 'NotAllowed', rule: 'source-held' },
    ],
    [
      { kind: 'UNKNOWN', cause: 'no address' },
      { refused: 'NotYetKnown', id: groupId },
    ],
  ])('names why the source could not be asked: $kind', async (unreachable, refusal) => {
    job.unreachable = unreachable;
    expect(await command()).toMatchObject(refusal);
    expect(await requests()).toEqual([]);
  });
});

describe('forceFullBackup', () => {
  it('says that a full was forced already, and when if it was through us', async () => {
    job.forced = true;
    expect(await force()).toMatchObject({ refused: 'FullAlreadyForced', since: null });
    job.forced = false;
    await force();
    expect(await force({ idempotencyKey: 'k2' })).toMatchObject({
      refused: 'FullAlreadyForced',
      since: '2026-11-21T10:30:00.000Z',
    });
  });
});

describe('runBackupJob', () => {
  it('is refused while the job runs', async () => {
    job.running = '2026-11-21T10:29:50';
    expect(await run()).toMatchObject({ refused: 'BackupJobRunning', since: '2026-11-21T10:29:50.000Z' });
    expect(job.sent).toEqual([]);
  });

  it.each([
    ['there is none', null],
    ['it has no path', commands.map(command => command.replace('\\\\share\\bts', '<destination path>'))],
  ])('is refused when %s', async (_why, steps) => {
    job.steps = steps;
    expect(await run()).toMatchObject({ refused: 'BackupJobNotConfigured' });
    expect(job.sent).toEqual([]);
  });

  it('starts it again when a broken call had not reached the server', async () => {
    job.dieBeforeSending = true;
    await expect(run()).rejects.toThrow('lost');
    job.dieBeforeSending = false;
    expect(await run()).toMatchObject({ groupId });
    expect(job.sent).toEqual(['start']);
  });
});
