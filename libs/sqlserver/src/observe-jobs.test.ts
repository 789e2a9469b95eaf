import { describe, expect, it } from '@jest/globals';
import { agentTime, findBackupJob, type JobFact, outcomeOf } from './observe-jobs.ts';

const job = (name: string): JobFact => ({
  jobId: name,
  name,
  enabled: true,
  runningSince: null,
  lastRun: null,
  nextRunAt: null,
});

describe('jobs of Agent', () => {
  it('reads the date and time of a history row', () => {
    expect(agentTime(20261121, 40500)).toEqual({ recorded: '2026-11-21T04:05:00', basis: 'LOCAL' });
    expect(agentTime(20261121, 0)).toEqual({ recorded: '2026-11-21T00:00:00', basis: 'LOCAL' });
    expect(() => agentTime(0, 0)).toThrow('Not a date and time of Agent');
  });

  it('knows the five outcomes and no other', () => {
    expect([0, 1, 2, 3, 4].map(outcomeOf)).toEqual(['FAILED', 'SUCCEEDED', 'RETRY', 'CANCELED', 'IN_PROGRESS']);
    expect(() => outcomeOf(5)).toThrow(RangeError);
  });

  it('finds the backup job of its Management database, or the only one there is', () => {
    const [ours, theirs] = ['Backup BizTalk Server (BizTalkMgmtDb)', 'Backup BizTalk Server (OtherMgmtDb)'].map(job);
    const others = [job('Monitor BizTalk Server (BizTalkMgmtDb)')];
    expect(findBackupJob([...others, theirs as JobFact, ours as JobFact], 'biztalkmgmtdb')).toBe(ours);
    expect(findBackupJob([...others, theirs as JobFact], 'BizTalkMgmtDb')).toBe(theirs);
    expect(findBackupJob(others, 'BizTalkMgmtDb')).toBeUndefined();
  });
});
