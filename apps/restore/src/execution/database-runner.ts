/**
 * Databases of the standby on their way: to the mark, then open. Invariant: what is sent was decided from a position read under the lock, on the
 * connection that sends it; what was done is believed from the position read afterwards. So an attempt that was cut anywhere is followed
 * by one that first sees how far it came (sqlserver.md §8.4).
 *
 * The locks of all instances are held for the whole of it; beside each, several databases move at once, one statement per connection.
 */
import type { RestoreStep } from '@holdfast/domain/restore-plan';
import type { StepContext } from '@holdfast/service/runner';
import { type Estate, type Member, membersOf } from '../estate/estate.ts';
import { align, notAtMark, readiness, type Seen, type SeenDatabases } from './alignment.ts';
import {
  type Batch,
  type BatchMeans,
  type BatchOutcome,
  openBatch,
  StepFailed,
  type StepsEnd,
  type Stuck,
} from './batch-runner.ts';
import { started, succeeded } from './change.ts';
import type { ExecutionCommands } from './execution-commands.ts';
import { type ExecutionView, markTarget } from './execution.ts';
import { type Instances, type Locked, lockedAll, sendRecover, sendRestore } from './instance-runner.ts';
import type { Action, Situation } from './next-action.ts';
import { nextTurn, settled, sideBySide } from './side-by-side.ts';
import { currentPlan, isOpen, type Step, type StepReason } from './step.ts';

export type MoveMeans = BatchMeans & {
  readonly instances: Instances;
  /** Databases of one instance that move at the same time. */
  readonly parallelRestores: number;
};

type MoveAction = Extract<Action, { kind: 'RESTORE' | 'RECOVER' }>;

/** A database with the first of its steps that is not done. */
type Move = { readonly step: Step; readonly member: Member };

type Course = {
  readonly execution: ExecutionView;
  readonly batch: Batch;
  readonly context: StepContext;
  readonly means: MoveMeans;
};

type Work = (move: Move, line: Locked, course: Course) => Promise<StepsEnd>;

type Statement = {
  /** Answers with what the server made of it, when that ends the execution. */
  readonly send: (onPercent: (percent: number) => void) => Promise<StepReason | undefined>;
  /** What is wrong with where it left the database. */
  readonly arrived: (after: Seen) => StepReason | undefined;
};

export async function moveDatabases(
  action: MoveAction,
  { execution, estate }: Situation,
  context: StepContext,
  means: MoveMeans,
): Promise<BatchOutcome> {
  const members = membersOf(estate);
  const moves = action.steps.map((step): Move => {
    const member = members.find(({ databaseId }) => databaseId === step.databaseId);
    if (member === undefined)
      throw new Error(`The standby has no stream for ${step.databaseName ?? 'this step'} any more.`);
    return { step, member };
  });
  const byInstance = Map.groupBy(largestFirst(moves, execution, estate), ({ member }) => member.instanceId);
  const batch = openBatch(action.kind === 'RESTORE', context, means);
  const course = { execution, batch, context, means };
  return lockedAll(means.instances, execution, [...byInstance.keys()], context.signal, async locks => {
    const places = [...byInstance].map(([instanceId, own]) => {
      const lock = locks.get(instanceId);
      if (lock === undefined) throw new Error(`Instance ${instanceId} is not locked.`);
      return { lock, own };
    });
    if (action.kind === 'RECOVER' && !execution.passedPointOfNoReturn) {
      const torn = (await settled(places.map(({ lock, own }) => elsewhere(lock, own, execution)))).find(
        stuck => stuck !== undefined,
      );
      if (torn !== undefined) return torn;
    }
    const work = action.kind === 'RESTORE' ? bringToMark : openOne;
    await settled(places.map(({ lock, own }) => moveBeside(lock, own, course, work)));
    return batch.outcome();
  });
}

/**
 * What takes longest is begun first: begun last, it would run alone at the end while other places stand empty. Where there is nothing to read, as
 * for an opening, the order stays.
 */
function largestFirst(moves: readonly Move[], { steps }: ExecutionView, { sets }: Estate): readonly Move[] {
  const sizes = new Map(
    sets.flatMap(({ files }) => files.map(({ fileId, header }) => [fileId, header?.size] as const)),
  );
  const left = new Map<string, number>();
  for (const { work, state } of currentPlan(steps))
    if (work.kind === 'RESTORE' && isOpen(state))
      left.set(work.databaseId, (left.get(work.databaseId) ?? 0) + Number(sizes.get(work.restore.file.fileId) ?? 0));
  const bytes = ({ member }: Move) => left.get(member.databaseId) ?? 0;
  return moves.toSorted((a, b) => bytes(b) - bytes(a));
}

/** All once more, on both sides under the lock, before the first one is opened: recovery begins together or not at all. */
async function elsewhere(lock: Locked, own: readonly Move[], execution: ExecutionView): Promise<Stuck | undefined> {
  const all = await lock.look(own.map(({ member }) => member));
  for (const { step, member } of own) {
    const reason = unready({ step, member }, seenOf(all, member), execution);
    if (reason !== undefined) return { kind: 'STUCK', stepId: step.stepId, reason };
  }
  return undefined;
}

async function moveBeside(lock: Locked, own: readonly Move[], course: Course, work: Work): Promise<void> {
  const { batch, means } = course;
  await sideBySide(own, means.parallelRestores, async next => {
    // The lock's own connection sends none of it: a statement that ends its connection must not take the lock from the others.
    let line: Locked | undefined;
    for (let move = next(); move !== undefined && !batch.over(); move = next()) {
      const { step, member } = move;
      await batch.attempt(step, async () => {
        if (line?.exclusive.holds() !== true) line = await lock.beside();
        return work({ step, member }, line, course);
      });
    }
  });
}

/** All the way, file by file: a small database does not wait for the files of a large one. */
async function bringToMark({ step, member }: Move, line: Locked, course: Course): Promise<StepsEnd> {
  const { execution, batch } = course;
  const { databaseId, databaseName } = member;
  let seen = seenOf(await line.look([member]), member);
  while (!batch.over()) {
    const alignment = align(databaseId, execution.steps, markTarget(execution), seen);
    if (alignment.kind === 'ARRIVED') break;
    if (alignment.kind === 'STUCK') return { kind: 'STUCK', stepId: step.stepId, reason: alignment.reason };
    const { restore } = alignment;
    const end = await carryOut({ step: alignment.step, member }, line, course, {
      send: async onPercent =>
        (await sendRestore(line.exclusive, databaseName, alignment, onPercent)) === 'DONE'
          ? undefined
          : missed(databaseName, restore.file.path),
      arrived: after => (after.position?.lsn === restore.reaches ? undefined : astray(databaseName, restore, after)),
    });
    if (end.kind !== 'DONE') return end;
    ({ seen } = end);
  }
  return { kind: 'DONE' };
}

async function openOne({ step, member }: Move, line: Locked, course: Course): Promise<StepsEnd> {
  const { databaseName } = member;
  const seen = seenOf(await line.look([member]), member);
  const reason = unready({ step, member }, seen, course.execution);
  if (reason !== undefined) return { kind: 'STUCK', stepId: step.stepId, reason };
  if (seen.state === 'ONLINE') {
    // An attempt before this one got through; whether it is the right database is what the verification asks.
    const { journal } = course.means;
    return { kind: (await journal.note(succeeded([step.stepId]))) ? 'DONE' : 'OVERTAKEN' };
  }
  return carryOut({ step, member }, line, course, {
    send: async onPercent => {
      await sendRecover(line.exclusive, databaseName, onPercent);
      return undefined;
    },
    arrived: ({ state }) => {
      if (state === 'ONLINE') return undefined;
      throw new Error(`${databaseName} is ${state ?? 'absent'} after its recovery was answered.`);
    },
  });
}

/** Why it must not be opened. @throws Error while the server itself is still opening it. */
function unready(
  { step, member: { databaseId, databaseName } }: Move,
  seen: Seen,
  execution: ExecutionView,
): StepReason | undefined {
  const target = markTarget(execution);
  switch (readiness(databaseId, target, seen)) {
    case 'AT_MARK':
    case 'OPEN':
      return undefined;
    case 'OPENING':
      // Nothing was given up here, so nothing is: it ends ONLINE or in a state that says more.
      throw new StepFailed(step, new Error(`${databaseName} is RECOVERING: the server is still opening it.`));
    case 'ELSEWHERE':
      return notAtMark(databaseName, target.mark, seen);
  }
}

/** One statement: begun in the record, sent, and judged by the position that it left. */
async function carryOut(
  { step, member }: Move,
  line: Locked,
  { context, means: { commands, journal } }: Course,
  { send, arrived }: Statement,
): Promise<Extract<StepsEnd, { kind: 'OVERTAKEN' | 'STUCK' }> | { readonly kind: 'DONE'; readonly seen: Seen }> {
  const { stepId } = step;
  try {
    await context.checkpoint('looked');
    if (!(await journal.note(started(stepId)))) return { kind: 'OVERTAKEN' };
    const progress = progressOf(commands, step);
    await context.checkpoint('begun');
    const sent = send(progress.note);
    // Its failure is read below; between here and there it must not count as unhandled.
    sent.catch(() => undefined);
    await context.checkpoint('sent');
    const refused = await sent;
    await progress.saved();
    await context.checkpoint('answered');
    const seen = seenOf(await line.look([member]), member);
    const reason = refused ?? arrived(seen);
    if (reason !== undefined) return { kind: 'STUCK', stepId, reason };
    if (!(await journal.note(succeeded([stepId])))) return { kind: 'OVERTAKEN' };
    await context.checkpoint('noted');
    return { kind: 'DONE', seen };
  } catch (error) {
    throw new StepFailed(step, error);
  }
}

function seenOf(all: SeenDatabases, { databaseId, databaseName }: Member): Seen {
  const seen = all.get(databaseId);
  if (seen === undefined) throw new Error(`${databaseName} was not looked at.`);
  return seen;
}

function missed(databaseName: string, path: string): StepReason {
  return {
    code: 'MARK_NOT_REACHED',
    message: `${databaseName} was rolled to the end of the file: the mark was not in it (4329).`,
    fix: 'The proof of this mark was wrong. Nothing was opened; choose a later mark, or seed this database again.',
    evidence: path,
    since: null,
  };
}

/** The position decides, not the answer. */
function astray(databaseName: string, { reaches }: RestoreStep, { state, position }: Seen): StepReason {
  return {
    code: 'STEP_DID_NOT_ARRIVE',
    message: `${databaseName} is not where this file should have brought it.`,
    fix: 'Nothing was opened. Compare the header of the file with what is recorded for it, then fail over again.',
    evidence: `expected ${reaches}, found ${position?.lsn ?? `none (${state ?? 'absent'})`}`,
    since: null,
  };
}

/** Percents come while the statement runs; while one is being saved only the newest waits, and none once the statement has ended. */
function progressOf(commands: ExecutionCommands, { stepId, attempts }: Step) {
  let newest: number | undefined;
  let saving: Promise<void> | undefined;
  const save = async () => {
    // The last one mostly comes with the end itself.
    await nextTurn();
    for (let percent = newest; percent !== undefined; percent = newest) {
      newest = undefined;
      await commands.progress(stepId, attempts + 1, percent);
    }
    saving = undefined;
  };
  return {
    note: (percent: number) => {
      newest = percent;
      saving ??= save();
      // Read by `saved`; a rejection in between must not end the process.
      saving.catch(() => undefined);
    },
    saved: () => {
      newest = undefined;
      return saving;
    },
  };
}
