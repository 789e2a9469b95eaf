import type { DatabaseId, Id, InstanceId } from '@holdfast/domain';
import type { MarkName } from '@holdfast/domain/mark';
import type { RestoreStep } from '@holdfast/domain/restore-plan';

export type StepId = Id<'step'>;
export type StepState = 'WAITING' | 'RUNNING' | 'SUCCEEDED' | 'FAILED' | 'CANCELLED';

/** As in the API; codes of steps are their own, beside those of libs/domain. */
export type StepReason = {
  readonly code: string;
  readonly message: string;
  readonly fix: string;
  readonly evidence: string | null;
  /** RFC 3339 UTC. */
  readonly since: string | null;
};

/** What the runner does for a step. */
export type Work =
  | { readonly kind: 'PROBE'; readonly instanceId: InstanceId }
  | { readonly kind: 'CLAIM' }
  | { readonly kind: 'CHOOSE' }
  | {
      readonly kind: 'RESTORE';
      readonly databaseId: DatabaseId;
      readonly restore: RestoreStep;
      /** Only where the header says that the file holds checksums (3187 otherwise). */
      readonly checksum: boolean;
    }
  | { readonly kind: 'CHECK' }
  | { readonly kind: 'RECOVER'; readonly databaseId: DatabaseId }
  | { readonly kind: 'VERIFY'; readonly databaseId: DatabaseId };

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
};

export function newSteps(texts: readonly StepText[], afterPosition: number, newId: () => string): readonly Step[] {
  return texts.map(({ database, ...text }, index) => ({
    ...text,
    stepId: newId() as StepId,
    position: afterPosition + index + 1,
    state: 'WAITING',
    actor: 'restore',
    databaseId: database?.databaseId ?? null,
    databaseName: database?.databaseName ?? null,
    startedAt: null,
    finishedAt: null,
    attempts: 0,
    progressPercent: null,
    reasons: [],
  }));
}

/** The steps every failover has before its mark is known. */
export function openingSteps(facts: {
  readonly sources: readonly { readonly instanceId: InstanceId; readonly instanceName: string }[];
  readonly standbyInstances: readonly string[];
}): readonly StepText[] {
  const probes = facts.sources.map(({ instanceId, instanceName }): StepText => ({
    work: { kind: 'PROBE', instanceId },
    name: `Probe source instance ${instanceName}`,
    where: instanceName,
    why: 'Two live copies of one group would both take work. An instance that was declared gone must not answer.',
    command: `Connect to ${instanceName}; nothing is sent.`,
    expected: 'No answer.',
    undo: null,
  }));
  const standby = facts.standbyInstances.join(', ');
  return [
    ...probes,
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
      where: standby,
      why: 'Only positions read after shipping has stopped say which marks every database can still reach.',
      command: 'Take the group lock and read state and redo_start_lsn of every database.',
      expected: 'One proven mark that every database can reach with verified files.',
      undo: null,
    },
  ];
}

/** How statements look; the catalogue that knows is a driver's, so it is passed in. */
export type CommandTexts = {
  restore(databaseName: string, restore: RestoreStep, checksum: boolean): string;
  recover(databaseName: string): string;
  verify(databaseName: string, mark: MarkName): string;
};

export type PlannedDatabase = {
  readonly databaseId: DatabaseId;
  readonly databaseName: string;
  /** Of the standby. */
  readonly instanceName: string;
  readonly steps: readonly { readonly restore: RestoreStep; readonly checksum: boolean }[];
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
  { restore, checksum }: PlannedDatabase['steps'][number],
  texts: CommandTexts,
): StepText {
  const { databaseId, databaseName, instanceName } = database;
  const shared = {
    work: { kind: 'RESTORE', databaseId, restore, checksum },
    where: instanceName,
    command: texts.restore(databaseName, restore, checksum),
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
