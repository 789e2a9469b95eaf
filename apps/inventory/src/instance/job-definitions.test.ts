import { describe, expect, it } from '@jest/globals';
import type { JobDefinition, JobSchedule, JobStep } from '../estate/estate.ts';
import { jobsInOrder, toldOfJobs } from './job-definitions.ts';

const step = (stepId: number, change: Partial<JobStep> = {}): JobStep => ({
  stepId,
  name: `Step ${String(stepId)}`,
  subsystem: 'TSQL',
  databaseName: 'master',
  command: 'EXEC x',
  onSuccessAction: 3,
  onSuccessStepId: 0,
  onFailAction: 2,
  onFailStepId: 0,
  retryAttempts: 0,
  retryIntervalMinutes: 0,
  ...change,
});
const schedule = (change: Partial<JobSchedule> = {}): JobSchedule => ({
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
  ...change,
});
const nightly = schedule({ activeStartTime: 230000 });
const backup: JobDefinition = {
  name: 'Backup',
  enabled: true,
  steps: [step(1), step(2), step(10)],
  schedules: [schedule(), nightly],
};
const monitor: JobDefinition = { name: 'Monitor', enabled: true, steps: [step(1)], schedules: [] };
const told = toldOfJobs([backup, monitor]);

describe('what is told of jobs', () => {
  it('does not depend on any order, steps stand by their number', () => {
    const shuffled = { ...backup, steps: [step(10), step(1), step(2)], schedules: [nightly, schedule()] };
    expect(jobsInOrder([monitor, shuffled])).toEqual([backup, monitor]);
    expect(toldOfJobs([monitor, shuffled])).toBe(told);
  });

  const withBackup = (change: Partial<JobDefinition>) => [{ ...backup, ...change }, monitor];
  const steps = (change: Partial<JobStep>) => withBackup({ steps: [step(1, change), step(2), step(10)] });
  const schedules = (change: Partial<JobSchedule>) => withBackup({ schedules: [schedule(change), nightly] });
  it.each<readonly [string, readonly JobDefinition[] | null]>([
    ['a job that came', [backup, monitor, { ...monitor, name: 'Purge' }]],
    ['a job that is gone', [backup]],
    ['that they cannot be read', null],
    ['none', []],
    ['another name', withBackup({ name: 'Other' })],
    ['a switch', withBackup({ enabled: false })],
    ['a step that is gone', withBackup({ steps: [step(1), step(2)] })],
    ['a schedule that is gone', withBackup({ schedules: [nightly] })],
    ['a command', steps({ command: 'EXEC y' })],
    ['no command', steps({ command: null })],
    ['a database of a step', steps({ databaseName: null })],
    ['what follows a step', steps({ onSuccessAction: 1 })],
    ['what follows a failure', steps({ onFailStepId: 2 })],
    ['retries', steps({ retryAttempts: 3 })],
    ['a switch of a schedule', schedules({ enabled: false })],
    ['a time', schedules({ subdayInterval: 5 })],
  ])('is news by %s', (_what, jobs) => {
    expect(toldOfJobs(jobs)).not.toBe(told);
  });
});
