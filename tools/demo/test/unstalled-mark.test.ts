/** What the mark's stall is for: without it the databases agree on a mark that does not mean the same in all of them (sqlserver.md §3.4). */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { databases, RecoveryByHand } from './recovery-by-hand.ts';

/** Whether a transaction falls into the gap of one mark is chance; that of two is enough. */
const sets = 2;
let recovery: RecoveryByHand;

beforeAll(async () => {
  const unstalled = ['no-mark-stall'];
  // The mark commits at the second instance 300 ms after the first; what the second instance coordinates does not wait.
  const faults = { primary1: [...unstalled, 'commit-gap=300'], primary2: unstalled };
  recovery = await RecoveryByHand.after({ sets, between: 60, faults });
}, 90_000);

afterAll(() => recovery.end(), 30_000);

it('is seen by the oracle, though every MarkLog ends with the mark', async () => {
  let verdict = await verdictOf(0);
  for (let set = 1; set < sets && verdict.torn === 0; set += 1) verdict = await verdictOf(set);
  expect(verdict).toMatchObject({ verified: false, databasesAtMark: databases.length });
  expect(verdict.torn).toBeGreaterThan(0);
  expect(verdict.findings).toContainEqual({
    rule: 'atomic',
    message: expect.stringMatching(/^transaction \S+ is torn: /),
  });
});

async function verdictOf(set: number): ReturnType<RecoveryByHand['verdictAt']> {
  for (const name of databases) await recovery.restore(name, set);
  return recovery.verdictAt(recovery.markOf(set));
}
