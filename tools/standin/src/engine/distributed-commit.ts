/**
 * Two-phase commit over instances (sqlserver.md §3.4), at the instance on which the transaction began. Prepares are asked for in one order over all
 * instances, by name, the coordinator itself in its place: a transaction that waits at one instance (for a mark that drains it, or for a mark's
 * end) then holds only instances before that one, and a mark holds them in the same order, so the two never wait for each other in a circle.
 * (The order of a real MSDTC is not documented: inferred.)
 */
import { beginPrepare, commitDecided, decide, ended, prepareHere, type CommitHost } from './commit.ts';
import { foldText } from './compare.ts';
import { holdOpen } from './held-open.ts';
import type { LocalPart, RemoteBranch } from './branch.ts';

export type DistributedTransaction = {
  readonly part: LocalPart;
  readonly branches: readonly RemoteBranch[];
  readonly signal: AbortSignal;
};

export type Member = { readonly instance: string; readonly branch: RemoteBranch | undefined };

/** First phase. Throws what kept an instance from it; every other one has then been told to abort, and this one is the caller's to undo. */
export async function prepareEverywhere(
  host: CommitHost,
  transaction: DistributedTransaction,
): Promise<readonly Member[]> {
  const decision = host.outcomes.idOf(transaction.part.id);
  host.outcomes.begin(decision);
  try {
    return await prepareInOrder(host, transaction, decision);
  } catch (failure) {
    host.outcomes.aborted(decision);
    await Promise.all(transaction.branches.map(branch => branch.abort(decision)));
    throw failure;
  }
}

/** `committedHere`: told when it is on disk at this instance, whose locks go then, whatever the others do. */
export type DecidedTransaction = { readonly part: LocalPart; readonly committedHere: () => void };

/** Second phase, over those that changed something. Its outcome is settled by the journal before the first of them hears of it. */
export async function commitEverywhere(
  host: CommitHost,
  transaction: DecidedTransaction,
  prepared: readonly Member[],
): Promise<void> {
  const { part } = transaction;
  const decision = host.outcomes.idOf(part.id);
  if (prepared.length > 0) {
    const remote = prepared.flatMap(member => (member.branch === undefined ? [] : [member.instance]));
    host.passed('distributed prepared');
    await decide(host, part, decision, remote);
    host.outcomes.decided(decision, remote);
    host.passed('distributed decided');
    await commitInOrder(host, transaction, prepared, decision);
  } else host.outcomes.aborted(decision);
  host.gate.leave(part.id);
  ended(host, part);
}

async function prepareInOrder(
  host: CommitHost,
  { part, branches, signal }: DistributedTransaction,
  decision: string,
): Promise<readonly Member[]> {
  const prepared: Member[] = [];
  for (const member of inOrder(host.serverName, branches)) {
    const { branch } = member;
    if (branch === undefined) {
      await beginPrepare(host, part, signal);
      if (!(await prepareHere(part, { decision, coordinator: host.serverName }))) continue;
    } else if ((await branch.prepare(decision)) === 'read only') continue;
    prepared.push(member);
  }
  return prepared;
}

async function commitInOrder(
  host: CommitHost,
  { part, committedHere }: DecidedTransaction,
  prepared: readonly Member[],
  decision: string,
): Promise<void> {
  for (const [place, { branch, instance }] of prepared.entries()) {
    if (place > 0) {
      host.passed('distributed committed at one');
      await holdOpen(() => host.faults.marks.commitGapMs());
    }
    if (branch === undefined) {
      await commitDecided(host, part, decision);
      committedHere();
    } else if (await branch.commit(decision)) host.outcomes.acknowledged(decision, instance);
  }
  host.passed('distributed committed');
  host.outcomes.acknowledged(decision);
}

function inOrder(serverName: string, branches: readonly RemoteBranch[]): readonly Member[] {
  const members: Member[] = branches.map(branch => ({ instance: branch.instance, branch }));
  return [...members, { instance: serverName, branch: undefined }].sort((a, b) => {
    const [left, right] = [foldText(a.instance), foldText(b.instance)];
    return left < right ? -1 : left > right ? 1 : 0;
  });
}
