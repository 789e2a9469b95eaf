import type { BackupFileId, DatabaseId, Id, InstanceId } from '@holdfast/domain';
import type { MarkName } from '@holdfast/domain/mark';
import type { RestoreStep } from '@holdfast/domain/restore-plan';

export type StepId = Id<'step'>;
export type StepState =
  'WAITING' | 'RUNNING' | 'AWAITING_CONFIRMATION' | 'SUCCEEDED' | 'FAILED' | 'SKIPPED' | 'CANCELLED';

/** Neither done nor given up. */
export function isOpen(state: StepState): boolean {
  return state === 'WAITING' || state === 'RUNNING' || state === 'AWAITING_CONFIRMATION';
}

/** As in the API; codes of steps are their own, beside those of libs/domain. */
export type StepReason = {
  readonly code: string;
  readonly message: string;
  readonly fix: string;
  readonly evidence: string | null;
  /** RFC 3339 UTC. */
  readonly since: string | null;
};

/**
 * A part of a distributed transaction that belongs to no session. `since`: when it was first seen, RFC 3339 UTC; `isRollbackBegun`: KILL … WITH
 * ROLLBACK may have been sent for it.
 */
export type UnitInDoubt = {
  readonly unitOfWork: string;
  readonly databases: readonly string[];
  readonly since: string;
  readonly isRollbackBegun: boolean;
};

/** `units`: those that are there, and those that we have ended. */
export type ResolveInDoubt = {
  readonly kind: 'RESOLVE_IN_DOUBT';
  readonly instanceId: InstanceId;
  readonly units: readonly UnitInDoubt[];
};

/** Done at a source instance, each under the group's lock there. */
export type FenceWork =
  /** `job` null: the instance has no Backup job. `before`: its switch as it was found, which an undo puts back. */
  | {
      readonly kind: 'DISABLE_JOB';
      readonly instanceId: InstanceId;
      readonly job: string | null;
      readonly before: 'ENABLED' | 'DISABLED';
    }
  | { readonly kind: 'AWAIT_IDLE'; readonly instanceId: InstanceId; readonly job: string }
  | ResolveInDoubt
  /** `before`: the database's state as it was found; only one that we took out of service is put back. */
  | {
      readonly kind: 'SET_OFFLINE';
      readonly instanceId: InstanceId;
      readonly databaseId: DatabaseId;
      readonly before: string;
    };

/** What a planned failover does while backup and shipping still work, so that nothing is lost. */
export type DrainWork =
  /** A person stops what works in the databases. */
  | { readonly kind: 'CONFIRM' }
  | { readonly kind: 'NO_SESSIONS'; readonly instanceId: InstanceId }
  /** `afterId`: the job's newest history row before it was started; null until it was read. */
  | {
      readonly kind: 'LAST_RUN';
      readonly instanceId: InstanceId;
      readonly job: string;
      readonly afterId: number | null;
    }
  /** `since`: local time of the server at which the last run began; `mark`: its mark, null until it was found there. */
  | {
      readonly kind: 'AWAIT_POINT';
      readonly instanceId: InstanceId;
      readonly since: string | null;
      readonly mark: MarkName | null;
    };

/** Takes back what a fence did. */
export type UndoWork =
  | { readonly kind: 'SET_ONLINE'; readonly instanceId: InstanceId; readonly databaseId: DatabaseId }
  | { readonly kind: 'ENABLE_JOB'; readonly instanceId: InstanceId; readonly job: string };

/** Which step of the runbook a person takes once the databases are open (biztalk-dr.md §4.3, steps 8 to 22). */
export type ReferenceTopic =
  | 'JOBS'
  | 'QUIET'
  | 'LOGINS'
  | 'CONSISTENCY'
  | 'DATABASE_REFERENCES'
  | 'REGISTRY'
  | 'MASTER_SECRET'
  | 'SSO_NAME'
  | 'BAM'
  | 'SERVICES'
  | 'CONSOLE'
  | 'ENABLE_JOBS'
  | 'APPLICATIONS'
  | 'BAM_FRONT'
  | 'PROTECTION'
  | 'RECONCILIATION'
  | 'OTHER_APPLICATIONS';

/** Nothing is sent for it. `document`: the file that the step is about, as it was made when the databases were verified. */
export type ReferenceWork = { readonly kind: 'REFERENCE'; readonly topic: ReferenceTopic; readonly document?: string };

/** What the runner does for a step. */
export type Work =
  | { readonly kind: 'PROBE'; readonly instanceId: InstanceId }
  | FenceWork
  | DrainWork
  | UndoWork
  | { readonly kind: 'CLAIM' }
  | { readonly kind: 'CHOOSE' }
  | {
      readonly kind: 'RESTORE';
      readonly databaseId: DatabaseId;
      readonly restore: RestoreStep;
      /** Only where the header says that the file holds checksums (3187 otherwise). */
      readonly checksum: boolean;
      /** What is there is given up: only of a database that begins again because a person said so. */
      readonly replace?: true;
    }
  /** A person decides about an older mark; `without`: files that cannot be restored. */
  | {
      readonly kind: 'OFFER';
      readonly mark: MarkName;
      readonly without: readonly BackupFileId[];
    }
  | { readonly kind: 'CHECK' }
  | { readonly kind: 'RECOVER'; readonly databaseId: DatabaseId }
  | { readonly kind: 'VERIFY'; readonly databaseId: DatabaseId }
  | ReferenceWork;

export type Step = {
  readonly stepId: StepId;
  /** From 1 on, in the order in which they are done. */
  readonly position: number;
  readonly work: Work;
  readonly name: string;
  readonly state: StepState;
  readonly actor: string;
  readonly where: string;
  readonly why: string;
  readonly command: string;
  readonly expected: string;
  readonly undo: string | null;
  readonly databaseId: DatabaseId | null;
  readonly databaseName: string | null;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  readonly attempts: number;
  readonly progressPercent: number | null;
  readonly reasons: readonly StepReason[];
};

/** What a person reads about a step; the rest of it begins the same for all. */
export type StepText = Pick<Step, 'work' | 'name' | 'where' | 'why' | 'command' | 'expected' | 'undo'> & {
  readonly database?: { readonly databaseId: DatabaseId; readonly databaseName: string };
  /** Left out: "a person" or this service. */
  readonly actor?: string;
  /** What has to be known about it from the beginning. */
  readonly reasons?: readonly StepReason[];
};

export function isManual({ kind }: Work): boolean {
  return kind === 'CONFIRM' || kind === 'OFFER' || kind === 'REFERENCE';
}

/** Steps of the plan in force: those after the last decision about another mark. */
export function currentPlan(steps: readonly Step[]): readonly Step[] {
  return steps.slice(steps.findLastIndex(({ work }) => work.kind === 'OFFER') + 1);
}

export function newSteps(texts: readonly StepText[], afterPosition: number, newId: () => string): readonly Step[] {
  return texts.map(({ database, actor, reasons, ...text }, index) => ({
    ...text,
    stepId: newId() as StepId,
    position: afterPosition + index + 1,
    state: isManual(text.work) && text.work.kind !== 'REFERENCE' ? 'AWAITING_CONFIRMATION' : 'WAITING',
    actor: actor ?? (isManual(text.work) ? 'a person' : 'restore'),
    databaseId: database?.databaseId ?? null,
    databaseName: database?.databaseName ?? null,
    startedAt: null,
    finishedAt: null,
    attempts: 0,
    progressPercent: null,
    reasons: reasons ?? [],
  }));
}

/** What Agent jobs run is their owners' text, and may hold what not everybody is to read. */
export function holdsOwnersTexts(work: Work): boolean {
  return work.kind === 'REFERENCE' && work.topic === 'JOBS';
}

/** SampleUpdateInfo.xml as it was made for the step that uses it; null before there is one. */
export function updateFileOf(steps: readonly Step[]): string | null {
  const documents = steps.flatMap(({ work }) => (work.kind === 'REFERENCE' ? (work.document ?? []) : []));
  return documents[0] ?? null;
}

/** After recovery people are asked for one thing after the other: the step that has its turn now, when nobody has been asked for it yet. */
export function nextAsked(steps: readonly Step[], now: string): Step | undefined {
  const step = steps.find(({ work, state }) => work.kind === 'REFERENCE' && isOpen(state));
  if (step?.state !== 'WAITING') return undefined;
  return { ...step, state: 'AWAITING_CONFIRMATION', startedAt: now, attempts: 1 };
}

/** Asked of every source instance before anything is planned for it. */
export function probeSteps(
  sources: readonly { readonly instanceId: InstanceId; readonly instanceName: string }[],
): readonly StepText[] {
  return sources.map(({ instanceId, instanceName }) => ({
    work: { kind: 'PROBE', instanceId },
    name: `Probe source instance ${instanceName}`,
    where: instanceName,
    why: 'Two live copies of one group would both take work: one that answers is fenced, one that is silent must have been declared gone.',
    command: `Connect to ${instanceName}; nothing is sent.`,
    expected: 'No answer when it was declared unreachable, a login otherwise.',
    undo: null,
  }));
}

/** From the fenced sources to the mark. */
export function takeOverSteps(standbyInstances: readonly string[]): readonly StepText[] {
  return [
    {
      work: { kind: 'CLAIM' },
      name: 'Take the standby over from shipping',
      where: 'shipping',
      why: 'Shipping must have stopped before positions are read: a log applied in between could pass the mark.',
      command: 'Publish standby.claimed and wait for standby.yielded.',
      expected: 'Shipping answers that its runners have stopped.',
      undo: 'Publish standby.released with outcome RETURNED: shipping goes on.',
    },
    {
      work: { kind: 'CHOOSE' },
      name: 'Choose the mark',
      where: standbyInstances.join(', '),
      why: 'Only positions read after shipping has stopped say which marks every database can still reach.',
      command: 'Take the group lock and read state and redo_start_lsn of every database.',
      expected: 'One proven mark that every database can reach with verified files.',
      undo: null,
    },
  ];
}

/** How statements look; the catalogue that knows is a driver's, so it is passed in. */
export type CommandTexts = {
  restore(databaseName: string, restore: RestoreStep, checksum: boolean, replace?: boolean): string;
  recover(databaseName: string): string;
  verify(databaseName: string, mark: MarkName): string;
};

export type PlannedDatabase = {
  readonly databaseId: DatabaseId;
  readonly databaseName: string;
  /** Of the standby. */
  readonly instanceName: string;
  readonly steps: readonly { readonly restore: RestoreStep; readonly checksum: boolean; readonly replace?: true }[];
};

/** Everything after the choice: all databases to the mark, then all recovered, then all verified. */
export function closingSteps(
  databases: readonly PlannedDatabase[],
  mark: MarkName,
  texts: CommandTexts,
): readonly StepText[] {
  return [
    ...databases.flatMap(database => database.steps.map(step => restoreText(database, step, texts))),
    checkText(databases),
    ...databases.map((database): StepText => ({
      work: { kind: 'RECOVER', databaseId: database.databaseId },
      name: `Open ${database.databaseName}`,
      where: database.instanceName,
      why: 'All databases stand at the mark: they are opened together. From the first one on there is no way back.',
      command: texts.recover(database.databaseName),
      expected: `${database.databaseName} is ONLINE.`,
      undo: null,
      database,
    })),
    ...databases.map((database): StepText => ({
      work: { kind: 'VERIFY', databaseId: database.databaseId },
      name: `Verify ${database.databaseName}`,
      where: database.instanceName,
      why: 'The database itself says where it stands: its MarkLog holds every mark up to the one it was brought to.',
      command: texts.verify(database.databaseName, mark),
      expected: `MarkLog holds ${mark} and no later mark.`,
      undo: null,
      database,
    })),
  ];
}

function checkText(databases: readonly PlannedDatabase[]): StepText {
  return {
    work: { kind: 'CHECK' },
    name: 'Compare what the standby presumes of in-doubt transactions',
    where: [...new Set(databases.map(({ instanceName }) => instanceName))].join(', '),
    why: 'A distributed transaction that is found prepared has no coordinator here: the option of each instance decides, and one that decides otherwise tears the group.',
    command: "Read 'in-doubt xact resolution' in sys.configurations; nothing is changed.",
    expected:
      '1 or 2, the same on all instances. Anything else is shown here, and the databases are opened all the same.',
    undo: null,
  };
}

function restoreText(
  database: PlannedDatabase,
  { restore, checksum, replace }: PlannedDatabase['steps'][number],
  texts: CommandTexts,
): StepText {
  const { databaseId, databaseName, instanceName } = database;
  const shared = {
    work: {
      kind: 'RESTORE',
      databaseId,
      restore,
      checksum,
      ...(replace === true ? { replace } : {}),
    },
    where: instanceName,
    command: texts.restore(databaseName, restore, checksum, replace),
    expected: `The position of ${databaseName} is ${restore.reaches}.`,
    database,
  } as const;
  switch (restore.kind) {
    case 'RESTORE_FULL':
      return {
        ...shared,
        name: `Restore the full backup of ${databaseName}`,
        why: 'The database has to begin from a full backup; it stays RESTORING so that logs can follow.',
        undo: 'Drop the database at the standby and seed it again.',
      };
    case 'RESTORE_LOG':
      return {
        ...shared,
        name: `Roll ${databaseName} forward`,
        why: 'This log ends at or before the mark, so it is applied whole.',
        undo: 'None is needed: shipping would have applied the same file.',
      };
    case 'RESTORE_LOG_TO_MARK':
      return {
        ...shared,
        name: `Roll ${databaseName} forward to ${restore.mark}`,
        why: `This log holds the mark at ${restore.markLsn}: it is applied up to it, and the position is read before anything is opened.`,
        undo: 'Apply the same file again without the stop: shipping goes on from there.',
      };
  }
}
