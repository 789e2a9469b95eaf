/** Faults of marks, of the Agent and of BizTalk's job: tables in mark-strikes.ts, job-strikes.ts and biztalk-strikes.ts. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startBench, startChain, type Bench } from './bench.ts';
import { bizTalkStrikes, makeGroup } from './biztalk-strikes.ts';
import { jobStrikes, makeJobs } from './job-strikes.ts';
import { mark, markAndRestore, markStrikes } from './mark-strikes.ts';
import { tryStrikes } from './strike.ts';

let bench: Bench;

beforeAll(async () => {
  bench = await startBench();
  await makeJobs(bench);
  await makeGroup(bench);
});
afterAll(() => bench.end());

describe('marks', () => tryStrikes(markStrikes, () => bench));
describe('jobs', () => tryStrikes(jobStrikes, () => bench));
describe("BizTalk's job", () => tryStrikes(bizTalkStrikes, () => bench));

it('a missing mark may have its row of history all the same', async () => {
  await startChain(bench, 'A');
  bench.faults.set({ name: 'mark-missing', parameters: { database: 'A', history: 'present', times: 1 } });
  expect(await markAndRestore(bench, 'A')).toEqual([[], false, 1]);
});

it('a victim of a deadlock has changed nothing', async () => {
  const before = await bench.count('A.dbo.t');
  bench.faults.set({ name: 'mark-deadlock', parameters: { times: 1 } });
  expect(await mark(bench, 'victim')).toEqual(['1205']);
  expect(await bench.count('A.dbo.t')).toBe(before);
});
