import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { management } from '../src/estate/sample-group.ts';
import { databases, RecoveryByHand } from './recovery-by-hand.ts';

const sets = 4;
let recovery: RecoveryByHand;

beforeAll(async () => {
  recovery = await RecoveryByHand.after({ sets, between: 200 });
}, 90_000);

afterAll(() => recovery.end(), 30_000);

it('had a load worth judging', () => {
  const { committed, refused, unknown } = recovery.journal.counts();
  expect(committed).toBeGreaterThan(600);
  expect(refused).toBeGreaterThan(5);
  expect(unknown).toBeLessThanOrEqual(8);
  expect(recovery.marks()).toHaveLength(sets + 1);
});

it.each([1, 2, 3])('verifies a recovery of all databases to the mark of log set %i', async set => {
  for (const name of databases) await recovery.restore(name, set);
  const verdict = await recovery.verdictAt(recovery.markOf(set));
  expect(verdict.findings).toEqual([]);
  expect(verdict).toMatchObject({ verified: true, databasesAtMark: databases.length });
  expect(verdict.bounded.before).toBeGreaterThan(50);
  expect(verdict.bounded.after).toBeGreaterThan(50);
});

describe('the oracle', () => {
  it('sees one database at the previous mark', async () => {
    for (const name of databases) await recovery.restore(name, name === management ? 1 : 2);
    const verdict = await recovery.verdictAt(recovery.markOf(2));
    expect(verdict).toMatchObject({ verified: false, databasesAtMark: databases.length - 1 });
    expect(verdict.torn).toBeGreaterThan(0);
    expect(verdict.findings).toContainEqual({
      rule: 'mark',
      message: `MarkLog of ${management} ends with ${recovery.markOf(1)}, not with ${recovery.markOf(2)}`,
    });
  });

  it('sees one database rolled to the end of its file', async () => {
    for (const name of databases) await recovery.restore(name, sets);
    expect((await recovery.verdictAt(recovery.markOf(sets))).findings).toEqual([]);
    await recovery.restore(management, sets, true);
    const verdict = await recovery.verdictAt(recovery.markOf(sets));
    // Its MarkLog says nothing of it: only the transactions do.
    expect(verdict).toMatchObject({ verified: false, databasesAtMark: databases.length });
    expect(verdict.torn).toBeGreaterThan(0);
  });

  it('sees an acknowledged transaction that is nowhere', async () => {
    for (const name of databases) await recovery.restore(name, 2);
    const { transactions, verdict: sound } = await acknowledged();
    expect(sound.findings).toEqual([]);
    const dropped = transactions.findLast(({ databases: own }) => own.length > 1);
    for (const name of dropped?.databases ?? [])
      await recovery.at(name).rows(`DELETE FROM [${name}].dbo.DemoLedger WHERE Id = '${dropped?.id ?? ''}'`);
    const verdict = await recovery.verdictAt(recovery.markOf(2));
    expect(verdict).toMatchObject({ verified: false, missing: 1, torn: 0, extra: 0 });
    expect(verdict.findings.map(({ message }) => message)).toContainEqual(
      expect.stringContaining(dropped?.id ?? 'none'),
    );
  });

  it('sees a refused transaction that is there', async () => {
    for (const name of databases) await recovery.restore(name, 2);
    const refused = recovery.journal.entries().find(({ outcome }) => outcome === 'refused');
    for (const name of refused?.databases ?? [])
      await recovery
        .at(name)
        .rows(`INSERT INTO [${name}].dbo.DemoLedger (Id, Amount) VALUES ('${refused?.id ?? ''}', 0)`);
    const verdict = await recovery.verdictAt(recovery.markOf(2));
    expect(verdict).toMatchObject({ verified: false, extra: 1, torn: 0, missing: 0 });
    expect(verdict.findings).toContainEqual({
      rule: 'refused',
      message: `transaction ${refused?.id ?? 'none'} was refused and is in ${refused?.databases.join(', ') ?? ''}`,
    });
  });
});

/** Acknowledged transactions that the recovery to the mark of set 2 brought back, and the verdict on it. */
async function acknowledged() {
  const verdict = await recovery.verdictAt(recovery.markOf(2));
  const before = recovery.journal
    .entries()
    .filter(({ outcome }) => outcome === 'acknowledged')
    .slice(0, verdict.bounded.before);
  return { transactions: before, verdict };
}
