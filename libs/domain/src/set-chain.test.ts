import { describe, expect, it } from '@jest/globals';
import { file, full, log, set } from '../test/sets.ts';
import type { BackupSet } from './backup-set.ts';
import { newestRestorableBySets, restorableChainBySets } from './set-chain.ts';

const numbers = (sets: readonly BackupSet[]) => sets.map(({ number }) => Number(number));

function chain(sets: readonly BackupSet[], target: BackupSet) {
  const found = restorableChainBySets(sets, target);
  if (found.kind === 'RESTORABLE') return [Number(found.base.number), ...numbers(found.logs)];
  return found.kind === 'BROKEN' ? `broken by ${found.by.number}` : found.kind;
}

const partialFull = { ...full(3), state: 'PARTIAL' as const };
const voidSet = set(3, 'LOG', [], 'VOID');
const shorter = set(3, 'LOG', [file(3, 'SSODB', 30, 40)], 'COMPLETE');

describe('restorableChainBySets', () => {
  it.each<[string, readonly BackupSet[], BackupSet, readonly number[] | string]>([
    ['a full and its logs, in any order', [log(4), log(2), full(), log(3)], log(4), [1, 2, 3, 4]],
    ['up to the target only', [full(), log(2), log(3), log(4)], log(3), [1, 2, 3]],
    ['the order of ids beyond nine', [full(9), log(10), log(11)], log(11), [9, 10, 11]],
    ['no full', [log(2)], log(2), 'NO_BASE'],
    ['a full after the target is no base', [log(2), full(3)], log(2), 'NO_BASE'],
    ['a partial full is no base', [partialFull, log(4)], log(4), 'NO_BASE'],
    [
      'a partial log set breaks it',
      [full(), log(2), log(3, 'PARTIAL'), log(4, 'ORPHANED')],
      log(4, 'ORPHANED'),
      'broken by 3',
    ],
    ['a suspect log set breaks it', [full(), log(2, 'SUSPECT'), log(3)], log(3), 'broken by 2'],
    ['a running log set breaks it', [full(), log(2, 'RUNNING')], log(2, 'RUNNING'), 'broken by 2'],
    [
      'what is broken before a later full does not matter',
      [full(), log(2, 'PARTIAL'), full(3), log(4)],
      log(4),
      [3, 4],
    ],
    ['a later full shortens it', [full(), log(2), full(3), log(4)], log(4), [3, 4]],
    ['a partial full within it does no harm', [full(), log(2), partialFull, log(4)], log(4), [1, 2, 4]],
    ['a void id does no harm', [full(), log(2), voidSet, log(4)], log(4), [1, 2, 4]],
    ['another list of databases breaks it', [full(), log(2), shorter, log(4)], log(4), 'broken by 3'],
  ])('%s', (_, sets, target, expected) => {
    expect(chain(sets, target)).toEqual(expected);
  });
});

describe('newestRestorableBySets', () => {
  it('is the newest log set before the break', () => {
    const found = newestRestorableBySets([full(), log(2), log(3), log(4, 'PARTIAL'), log(5, 'ORPHANED')]);
    expect(found.kind === 'RESTORABLE' && numbers(found.logs)).toEqual([2, 3]);
  });

  it('is nothing without a full before a log set', () => {
    expect(newestRestorableBySets([log(2), full(3)])).toEqual({ kind: 'NO_BASE' });
  });
});
