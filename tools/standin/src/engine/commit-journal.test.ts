import { expect, it } from '@jest/globals';
import { CommitJournal } from './commit-journal.ts';
import type { Disk } from './durable-file.ts';

const decision = (id: string) => ({ id, transaction: '7', timeMs: 0 });

it('fails every commit after a write that failed, instead of waiting for ever', async () => {
  const full = new Error('ENOSPC');
  const file = { truncate: async () => undefined, write: () => Promise.reject(full), close: async () => undefined };
  const disk = { replace: async () => undefined, open: () => Promise.resolve(file) } as unknown as Disk;
  const journal = await CommitJournal.open(disk, 'no such file');
  const outcomes = await Promise.allSettled([journal.decide(decision('a')), journal.decide(decision('b'))]);
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  await expect(journal.decide(decision('c'))).rejects.toMatchObject({ cause: full });
});
