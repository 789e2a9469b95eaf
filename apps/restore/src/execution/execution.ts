import type { DatabaseId, ExecutionId, GroupId, InstanceId, RecoveryPointId, StandbyId } from '@holdfast/domain';
import type { Lsn } from '@holdfast/domain/lsn';
import type { MarkName } from '@holdfast/domain/mark';
import type { MarkTarget } from '@holdfast/domain/restore-plan';
import type { TargetRequest } from '@holdfast/domain/target';
import { defineTransitions, type Moved } from '@holdfast/domain/transition';
import type { Step } from './step.ts';

export type ExecutionState =
  | 'REQUESTED'
  | 'FENCING'
  | 'DRAINING'
  | 'CHOOSING_TARGET'
  | 'ALIGNING'
  | 'AWAITING_OPERATOR'
  | 'AT_MARK'
  | 'RECOVERING'
  | 'VERIFYING'
  | 'REFERENCING'
  | 'COMPLETED'
  | 'CANCELLED'
  | 'FAILED';

/** What the caller said about a source instance that is gone. */
export type Declaration = { readonly instanceId: InstanceId; readonly reason: string };

/** What became of a source instance before the mark was chosen. Times RFC 3339 UTC. */
export type SourceRecord = {
  readonly instanceId: InstanceId;
  readonly instanceName: string;
  readonly outcome: 'FENCED' | 'DECLARED_UNREACHABLE';
  readonly by: string;
  readonly at: string;
  readonly evidence: string;
  /** Seen at work again after the failover had completed. */
  readonly cameBackAt: string | null;
};

/** Decided, while what was done to the sources is still being taken back. */
export type Ending = {
  readonly outcome: 'CANCELLED' | 'FAILED';
  readonly by: string;
  readonly reason: string;
  readonly at: string;
};

/** The mark, with the LSNs that were proven for it: kept here, because the projection may change under the execution. */
export type ChosenMark = {
  readonly recoveryPointId: RecoveryPointId;
  readonly markName: MarkName;
  readonly markedAt: string | null;
  readonly databases: readonly {
    readonly databaseId: DatabaseId;
    readonly lsn: Lsn;
    /** The recovery path of the file that proved it; null when nobody recorded it. */
    readonly forkGuid: string | null;
  }[];
};

export type DataLoss = {
  readonly atLeastSeconds: number;
  readonly atMostSeconds: number | null;
  readonly basis: string;
};

export type Execution = {
  readonly executionId: ExecutionId;
  /** Raised by every change but progress. */
  readonly version: number;
  readonly state: ExecutionState;
  readonly kind: 'FAILOVER';
  readonly mode: 'PLANNED' | 'UNPLANNED';
  readonly groupId: GroupId;
  readonly groupName: string;
  readonly standbyId: StandbyId;
  readonly target: TargetRequest;
  readonly expectedMark: MarkName | null;
  readonly declared: readonly Declaration[];
  readonly sources: readonly SourceRecord[];
  readonly chosen: ChosenMark | null;
  readonly dataLoss: DataLoss | null;
  readonly passedPointOfNoReturn: boolean;
  /** Null while it goes forward. */
  readonly ending: Ending | null;
  /** Fencing token of the leader that moved it last; 0 before the first. */
  readonly leaderToken: number;
  readonly requestedBy: string;
  readonly reason: string;
  readonly startedAt: string;
  readonly finishedAt: string | null;
};

/** An execution as it is answered: with its steps, in their order. */
export type ExecutionView = Execution & { readonly steps: readonly Step[] };

const running = [
  'REQUESTED',
  'FENCING',
  'DRAINING',
  'CHOOSING_TARGET',
  'ALIGNING',
  'AWAITING_OPERATOR',
  'AT_MARK',
  'RECOVERING',
  'VERIFYING',
] as const satisfies readonly ExecutionState[];

/** The order of design.md §5, "A failover": sources first, then the standby is ours, then the mark, then the databases. */
const move = defineTransitions<Execution>()({
  beginFencing: { from: ['REQUESTED'], to: 'FENCING', apply: execution => execution },
  accountForSource: {
    from: ['FENCING'],
    to: 'FENCING',
    apply: (execution, source: SourceRecord) => ({ ...execution, sources: [...execution.sources, source] }),
  },
  claim: { from: ['FENCING'], to: 'DRAINING', apply: execution => execution },
  takeOver: { from: ['DRAINING'], to: 'CHOOSING_TARGET', apply: execution => execution },
  choose: {
    from: ['CHOOSING_TARGET', 'AWAITING_OPERATOR'],
    to: 'ALIGNING',
    apply: (execution, input: { readonly chosen: ChosenMark; readonly dataLoss: DataLoss | null }) => ({
      ...execution,
      ...input,
    }),
  },
  offer: { from: ['ALIGNING'], to: 'AWAITING_OPERATOR', apply: execution => execution },
  /** It cannot go on, and whether what is left of the source does is a person's to say. */
  stop: {
    from: ['FENCING', 'DRAINING', 'CHOOSING_TARGET', 'ALIGNING', 'AWAITING_OPERATOR', 'AT_MARK', 'RECOVERING'],
    to: 'AWAITING_OPERATOR',
    apply: execution => execution,
  },
  arrive: { from: ['ALIGNING'], to: 'AT_MARK', apply: execution => execution },
  beginRecovery: { from: ['AT_MARK'], to: 'RECOVERING', apply: execution => execution },
  passPointOfNoReturn: {
    from: ['RECOVERING'],
    to: 'RECOVERING',
    apply: execution => ({ ...execution, passedPointOfNoReturn: true }),
  },
  beginVerification: {
    from: ['RECOVERING'],
    to: 'VERIFYING',
    // Should somebody else have opened them, there is no way back all the same.
    apply: execution => ({ ...execution, passedPointOfNoReturn: true }),
  },
  /** From here on only people act, and nothing of what they do can fail the recovery or take it back. */
  beginReferences: { from: ['VERIFYING'], to: 'REFERENCING', apply: execution => execution },
  complete: {
    from: ['REFERENCING'],
    to: 'COMPLETED',
    apply: (execution, finishedAt: string) => ({ ...execution, finishedAt }),
  },
  fail: { from: running, to: 'FAILED', apply: (execution, finishedAt: string) => ({ ...execution, finishedAt }) },
  cancel: { from: running, to: 'CANCELLED', apply: (execution, finishedAt: string) => ({ ...execution, finishedAt }) },
});

/** @throws Error for a move that the state does not allow: only the execution's own runner moves it, so that is a bug. */
export function moved(result: Moved<Execution>): Execution {
  if (result.kind === 'MOVED') return { ...result.entity, version: result.entity.version + 1 };
  const { action, state, allowedFrom } = result.refusal;
  throw new Error(`An execution in ${state} cannot ${action}; only in ${allowedFrom.join(', ')}.`);
}

export { move as moveExecution };

export function isFinished({ state }: Pick<Execution, 'state'>): boolean {
  return state === 'COMPLETED' || state === 'CANCELLED' || state === 'FAILED';
}

/** Whether `standby.claimed` was published for it and `standby.released` was not: its end then has to give the standby back. */
export function holdsStandby(execution: Pick<ExecutionView, 'state' | 'steps'>): boolean {
  if (isFinished(execution) || execution.state === 'REFERENCING') return false;
  return execution.steps.some(({ work, attempts }) => work.kind === 'CLAIM' && attempts > 0);
}

/** When the last database was verified, RFC 3339 UTC; null before. What people do afterwards takes their time, not the recovery's. */
export function verifiedAt({ state, steps }: Pick<ExecutionView, 'state' | 'steps'>): string | null {
  if (state !== 'REFERENCING' && state !== 'COMPLETED') return null;
  const ends = steps.flatMap(({ work, finishedAt }) => (work.kind === 'VERIFY' && finishedAt ? [finishedAt] : []));
  return ends.sort().at(-1) ?? null;
}

/** The chosen mark as restore plans want it. @throws Error before it is chosen. */
export function markTarget({ chosen }: Pick<Execution, 'chosen'>): MarkTarget {
  if (chosen === null) throw new Error('The mark has not been chosen yet.');
  const forks = chosen.databases.flatMap(({ databaseId, forkGuid }) =>
    forkGuid === null ? [] : [[databaseId, forkGuid] as const],
  );
  return {
    mark: chosen.markName,
    lsnByDatabase: new Map(chosen.databases.map(({ databaseId, lsn }) => [databaseId, lsn])),
    forkByDatabase: new Map(forks),
  };
}

/**
 * Seconds of work lost with the mark. At least: what another, newer proven mark shows to have been there. At most: up to the request,
 * since nobody knows when the source stopped. Null without the mark's own time.
 */
export function dataLossOf(
  chosen: Pick<ChosenMark, 'markName' | 'markedAt'>,
  newestMarkedAt: string | null,
  requestedAt: string,
): DataLoss | null {
  if (chosen.markedAt === null) return null;
  const since = (time: string) => Math.max(0, (Date.parse(time) - Date.parse(chosen.markedAt ?? time)) / 1000);
  return {
    atLeastSeconds: newestMarkedAt === null ? 0 : since(newestMarkedAt),
    atMostSeconds: since(requestedAt),
    basis:
      `Recovered to ${chosen.markName}, committed ${chosen.markedAt}. At least: up to the newest mark known here` +
      ` (${newestMarkedAt ?? 'none is newer'}). At most: up to the request at ${requestedAt}; work after the mark may have` +
      ' stopped earlier, when the source was lost. Clocks of different machines are compared.',
  };
}
