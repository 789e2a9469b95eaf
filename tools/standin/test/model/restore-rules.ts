/** The model's RESTORE (sqlserver.md §2.2 to §2.7, §3.6, §9.1, §9.2). */
import { nextGeneration, openIn, sameUntil, slice, undoneAt } from './history.ts';
import { contentFailure, findSet, type BackupSet } from './media.ts';
import {
  done,
  inUse,
  refused,
  withDatabase,
  type ModelDatabase,
  type Plan,
  type Restoring,
  type Verdict,
  type World,
} from './world.ts';
import { isKnown, stopAtData, stopInLog } from './stop-rules.ts';
import type { Step, StepOf } from './steps.ts';

type Restore = StepOf<'restore'>;

/** Causes come first and 3013 ends them. */
function terminated(world: World, ...causes: readonly number[]): Plan {
  return refused(world, ...causes, 3013);
}

/** In the order of sqlserver.md §9.1: existence and state, device, header, identity, chain. */
export function planRestore(world: World, step: Restore): Verdict {
  if (!isKnown(step.stop, world)) return 'not applicable';
  // A mark's name is for logs alone, and is refused before anything is looked at.
  if (step.what === 'database' && step.stop?.kind === 'mark') return terminated(world, 4340);
  const existing = world.databases.get(step.database);
  if (inUse(world, step.database)) return terminated(world, 3101);
  const unready = step.what === 'log' ? notRestorable(existing) : undefined;
  if (unready !== undefined) return terminated(world, unready);
  const found = findSet(world.files.get(step.file), step.position);
  if (typeof found === 'number') return terminated(world, found);
  const { set } = found;
  if (step.checksum && !set.checksum) return terminated(world, 3187);
  if ((set.what === 'log') !== (step.what === 'log')) return terminated(world, 3135);
  const content = contentFailure(found);
  if (set.what === 'full') return planFull(world, step, set, content);
  const rest = notRestorable(existing);
  if (rest !== undefined) return terminated(world, rest);
  const restoring = restoringOf(existing);
  return set.what === 'log'
    ? planLog(world, step, restoring, set, content)
    : planDifferential(world, step, restoring, set, content);
}

function notRestorable(existing: ModelDatabase | undefined): number | undefined {
  if (existing === undefined) return 3118;
  if (existing.redo === undefined) return 3117;
  if (existing.interrupted) return 4319;
  return existing.lost ? 945 : undefined;
}

function restoringOf(database: ModelDatabase | undefined): Restoring {
  if (database?.redo === undefined) throw new Error('a database that is not being restored');
  return { ...database, redo: database.redo };
}

function planFull(world: World, step: Restore, set: BackupSet, content: number | undefined): Verdict {
  const existing = world.databases.get(step.database);
  if (existing !== undefined && !step.replace) {
    if (existing.family !== set.family) return terminated(world, 3154);
    const unsaved = existing.chain !== undefined && existing.chain !== existing.next;
    // Whether anybody asks for the tail of a damaged database, no document says.
    if (existing.lost && existing.state === 'ONLINE') return 'undefined behaviour';
    if (existing.state === 'ONLINE' && existing.recoveryModel !== 'SIMPLE' && unsaved && step.stop?.kind !== 'time')
      return terminated(world, 3159);
    const { redo, interrupted, chain } = existing;
    // After its own tail nothing has been restored yet.
    if (redo !== undefined && !interrupted && chain !== redo.at && set.last < redo.at) return terminated(world, 3120);
  }
  const stop = stopAtData(step.stop, set, world);
  if (typeof stop === 'string') return stop;
  if (stop.error !== undefined) return terminated(world, stop.error);
  const fresh: ModelDatabase = {
    family: set.family,
    state: 'RESTORING',
    lost: false,
    recoveryModel: set.recoveryModel,
    history: set.history,
    next: set.last,
    chain: undefined,
    // No differential refers to a copy-only full (sqlserver.md §1.1).
    base: set.copyOnly ? undefined : { id: set.id, last: set.last },
    fork: set.fork,
    redo: { at: set.last, fork: set.fork.id },
    interrupted: false,
    tail: false,
  };
  return ending(world, step, fresh, { content, missed: stop.missed });
}

function planDifferential(
  world: World,
  step: Restore,
  existing: Restoring,
  set: BackupSet,
  content: number | undefined,
): Verdict {
  const { redo, base } = existing;
  if (existing.family !== set.family) return terminated(world, 3154);
  if (base === undefined || base.id !== set.base) return terminated(world, 3136);
  // What another path changed since the base is not in the differential: only straight on its base may it be of another one.
  if (redo.fork !== set.fork.id && redo.at !== base.last) return terminated(world, 3121);
  if (set.last < redo.at) return terminated(world, 3120);
  if (!sameUntil(existing.history, set.history, redo.at)) return 'undefined behaviour';
  const stop = stopAtData(step.stop, set, world);
  if (typeof stop === 'string') return stop;
  if (stop.error !== undefined) return terminated(world, stop.error);
  const forward: ModelDatabase = {
    ...existing,
    state: 'RESTORING',
    recoveryModel: set.recoveryModel,
    history: set.history,
    next: set.last,
    fork: set.fork,
    redo: { at: set.last, fork: set.fork.id },
    tail: false,
  };
  return ending(world, step, forward, { content, missed: stop.missed });
}

/** Data that turn out rotten leave the database half restored: only another full may follow (sqlserver.md §2.3). */
function ending(
  world: World,
  step: Restore,
  database: ModelDatabase,
  outcome: { readonly content: number | undefined; readonly missed: number | undefined },
): Plan {
  if (outcome.content !== undefined) {
    const broken = withDatabase(world, step.database, { ...database, interrupted: true });
    return terminated(broken, outcome.content);
  }
  // Without RECOVERY nobody expected more of a data backup: the point lies in a log to come.
  if (step.ending === 'NORECOVERY') return done(withDatabase(world, step.database, database));
  if (outcome.missed !== undefined) return done(withDatabase(world, step.database, database), outcome.missed);
  return done(ended(world, step, step.database, restoringOf(database)));
}

function planLog(
  world: World,
  step: Restore,
  existing: Restoring,
  set: BackupSet,
  content: number | undefined,
): Verdict {
  const { redo } = existing;
  if (existing.family !== set.family) return terminated(world, 3154);
  if (!onPath(redo, set)) return terminated(world, 4330);
  if (set.first > redo.at) return terminated(world, 4305);
  if (set.last < redo.at) return terminated(world, 4326);
  if (content !== undefined) return terminated(world, content);
  if (!sameUntil(existing.history, set.history, redo.at)) return 'undefined behaviour';
  const stop = stopInLog(world, step.stop, existing, set);
  if (typeof stop === 'string') return stop;
  if ('error' in stop) return terminated(world, stop.error);
  const until = stop.until ?? set.last;
  const fork = set.fork.point === undefined || until > set.fork.point ? set.fork.id : set.fork.first;
  const forward: Restoring = {
    ...existing,
    state: 'RESTORING',
    history: slice(set.history, 0, until),
    next: until,
    redo: { at: until, fork },
    // A log that moves nothing leaves it at the end of everything, if it was there.
    tail: (set.tail && until === set.last) || (existing.tail && until === redo.at),
  };
  const after = withDatabase(world, step.database, forward);
  if (stop.missed !== undefined) return done(after, stop.missed);
  return done(ended(after, step, step.database, forward));
}

/** On its first path up to where the log leaves it, or on its last from there (sqlserver.md §2.7). */
function onPath(redo: Restoring['redo'], { fork }: BackupSet): boolean {
  if (fork.point === undefined) return redo.fork === fork.id;
  return (redo.fork === fork.first && redo.at <= fork.point) || (redo.fork === fork.id && redo.at >= fork.point);
}

/** STANDBY shows what is committed, and stays where it stands: what it undid comes back before the next restore (sqlserver.md §2.3). */
function ended(world: World, step: Restore | StepOf<'finish'>, name: string, database: Restoring): World {
  if (step.ending === 'RECOVERY') return recovered(world, step, name, database);
  const state = step.ending === 'STANDBY' ? 'STANDBY' : 'RESTORING';
  return withDatabase(world, name, { ...database, state });
}

/** Open transactions are undone; the path is a new one unless all that was ever logged is there; the chain goes on from here. */
function recovered(world: World, { second }: Step, name: string, database: Restoring): World {
  const { redo, tail, recoveryModel } = database;
  let next = nextGeneration(redo.at);
  let history = slice(database.history, 0, redo.at);
  for (const transaction of openIn(history)) {
    const undone = undoneAt(next, { transaction, second });
    history = [...history, undone.entry];
    next = undone.next;
  }
  const fork = tail
    ? { id: redo.fork, first: redo.fork, point: undefined }
    : { id: world.nextId, first: redo.fork, point: redo.at };
  const online: ModelDatabase = {
    ...database,
    state: 'ONLINE',
    history,
    next,
    chain: recoveryModel === 'SIMPLE' ? undefined : redo.at,
    fork,
    redo: undefined,
    tail: false,
  };
  return { ...withDatabase(world, name, online), nextId: world.nextId + 1 };
}

/** RESTORE DATABASE without FROM. */
export function planFinish(world: World, step: StepOf<'finish'>): Verdict {
  const database = world.databases.get(step.database);
  if (database === undefined) return terminated(world, 3118);
  if (database.redo === undefined) return terminated(world, 3153);
  if (database.interrupted) return terminated(world, 4333);
  if (database.lost) return terminated(world, 945);
  return done(ended(world, step, step.database, restoringOf(database)));
}
