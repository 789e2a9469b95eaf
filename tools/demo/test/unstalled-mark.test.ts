/** What the mark's stall is for: without it the databases agree on a mark that does not mean the same in all of them (sqlserver.md §3.4). */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { databases, RecoveryByHand } from './recovery-by-hand.ts';

let recovery: RecoveryByHand;

beforeAll(async () => {
  const unstalled = ['no-mark-stall'];
  // The mark commits at the second instance 300 ms after the first; what the second instance coordinates does not wait.
  const faults = { primary1: [...unstalled, 'commit-gap=300'], primary2: unstalled };
  recovery = await RecoveryByHand.after({ sets: 1, between: 60, faults });
}, 90_000);

afterAll(() => recovery.end(), 30_000);

it('is seen by the oracle, though every MarkLog ends with the mark', async () => {
  for (const name of databases) await recovery.restore(name, 0);
  const verdict = await recovery.verdictAt(recovery.markOf(0));
  expect(verdict).toMatchObject({ verified: false, databasesAtMark: databases.length });
  expect(verdict.torn).toBeGreaterThan(0);
  expect(verdict.findings).toContainEqual({
    rule: 'atomic',
    message: expect.stringMatching(/^transaction \S+ is torn: /),
  });
});
