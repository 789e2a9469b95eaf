import { compareSetNumbers, isWhole, type BackupSet } from './backup-set.ts';

type SetFacts = Pick<BackupSet, 'number' | 'type' | 'state'> & {
  readonly files: readonly { readonly databaseId: string }[];
};

export type SetChain<Set extends SetFacts> =
  | { readonly kind: 'RESTORABLE'; readonly base: Set; readonly logs: readonly Set[] }
  | { readonly kind: 'BROKEN'; readonly by: Set }
  | { readonly kind: 'NO_BASE' };

/**
 * The rule of BizTalk's own restore jobs (biztalk-dr.md §2.12): one complete full set, then complete log sets with
 * higher ids over the same databases, up to and with `target`, with no partial or suspect log set between. `sets` is
 * one history in any order; the ids of another history (after a failover) must not be mixed in.
 */
export function restorableChainBySets<Set extends SetFacts>(sets: readonly Set[], target: Set): SetChain<Set> {
  const upToTarget = sets.filter(set => compareSetNumbers(set, target) <= 0).toSorted(compareSetNumbers);
  // The newest base breaks least: whatever is wrong before it no longer matters.
  const start = upToTarget.findLastIndex(set => set.type === 'FULL' && isWhole(set.state));
  const base = upToTarget[start];
  if (base === undefined) return { kind: 'NO_BASE' };
  const covered = databasesOf(base);
  const logs: Set[] = [];
  for (const set of upToTarget.slice(start + 1)) {
    // A void id wrote nothing, and fulls, whole or partial, are no part of the log chain (biztalk-dr.md §9 row 16).
    if (set.state === 'VOID' || set.type === 'FULL') continue;
    // ORPHANED repeats what a set before says; after a later complete full it is stale and says nothing.
    const written = isWhole(set.state) || set.state === 'ORPHANED';
    if (!written || databasesOf(set) !== covered) return { kind: 'BROKEN', by: set };
    logs.push(set);
  }
  return { kind: 'RESTORABLE', base, logs };
}

/** The newest log set that BizTalk's own jobs could restore, with its chain; NO_BASE when there is none. */
export function newestRestorableBySets<Set extends SetFacts>(sets: readonly Set[]): SetChain<Set> {
  const logs = sets.filter(set => set.type === 'LOG' && isWhole(set.state)).toSorted(compareSetNumbers);
  for (const target of logs.toReversed()) {
    const chain = restorableChainBySets(sets, target);
    if (chain.kind === 'RESTORABLE') return chain;
  }
  return { kind: 'NO_BASE' };
}

function databasesOf(set: SetFacts): string {
  return set.files
    .map(file => file.databaseId)
    .toSorted()
    .join('\n');
}
