import { expect, it } from '@jest/globals';
import { FaultSwitches } from '../faults/fault-switches.ts';
import { type CommitHost, commitParticipants } from './commit.ts';
import { MarkGate } from './mark-gate.ts';
import type { OpenTransaction, StoredDatabase } from './stored-database.ts';

/** A database that only notes what its log is asked for. */
function noting(name: string, journal: string[]): StoredDatabase {
  const log = {
    append: ({ kind }: { kind: string }) => {
      journal.push(`${name} ${kind}`);
      return 1n;
    },
    flush: async () => {
      await Promise.resolve();
      journal.push(`${name} flushed`);
    },
  };
  return { name, volatile: false, recoveryModel: 'FULL', open: new Map(), log } as unknown as StoredDatabase;
}

it("writes a mark's history only when its commits are on disk, and before the commit is answered", async () => {
  const journal: string[] = [];
  const msdb = noting('msdb', journal);
  const host = {
    clock: () => new Date(0),
    faults: new FaultSwitches(),
    instanceId: 'i',
    journal: { decide: async () => void journal.push('decided'), settled: () => void journal.push('settled') },
    gate: new MarkGate({ stall: () => true, drainTimeoutMs: 0 }),
    outcomes: { idOf: (id: bigint) => `i:${id}` },
    committed: () => undefined,
    writeMarkHistory: () => {
      journal.push('history');
      return msdb;
    },
  } as unknown as CommitHost;
  const participants = new Map(['A', 'B'].map(name => [noting(name, journal), {} as OpenTransaction]));
  await commitParticipants(host, {
    id: 7n,
    spid: 51,
    request: undefined,
    participants,
    mark: { name: 'm', description: undefined, user: 'u' },
  });
  // A row on disk before its commit record would, after a crash, name an LSN that recovery gives to another record.
  expect(journal.slice(journal.indexOf('decided'))).toEqual([
    'decided',
    'A commit',
    'B commit',
    'A flushed',
    'B flushed',
    'history',
    'msdb flushed',
    'settled',
  ]);
});
