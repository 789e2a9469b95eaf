/**
 * What an instance must answer and show, told by sqlserver.md alone: a separate small model that shares nothing with the stand-in.
 * `plan` decides a step without doing it; `apply` does it.
 */
import { append, appendFailure, damaged, type BackupFile, type BackupSet } from './media.ts';
import { aligned, beginning, begunAt, checkpointAt, committedAt, rowsOf, undoneAt, type Place } from './history.ts';
import { planFinish, planRestore } from './restore-rules.ts';
import { done, inUse, refused, withDatabase, type ModelDatabase, type Verdict, type World } from './world.ts';
import type { Sight, Step, StepOf, Write } from './steps.ts';

function withFile(world: World, name: string, file: BackupFile | undefined): World {
  const files = new Map(world.files);
  if (file === undefined) files.delete(name);
  else files.set(name, file);
  return { ...world, files };
}

export function plan(world: World, step: Step): Verdict {
  switch (step.kind) {
    case 'create':
      return create(world, step);
    case 'drop':
      if (!world.databases.has(step.database)) return refused(world, 3701);
      // Refused with a number that no document tells (sqlserver.md §9.2).
      if (world.databases.get(step.database)?.state === 'STANDBY') return 'undefined behaviour';
      if (world.databases.get(step.database)?.lost === true) return 'undefined behaviour';
      return inUse(world, step.database) ? refused(world, 3702) : done(withDatabase(world, step.database, undefined));
    case 'transaction':
      return transact(world, step);
    case 'begin':
      return begin(world, step);
    case 'end':
      return end(world, step);
    case 'recovery model':
      return setRecoveryModel(world, step);
    case 'backup':
      return backup(world, step);
    case 'restore':
      return planRestore(world, step);
    case 'finish':
      return planFinish(world, step);
    case 'damage': {
      const found = damaged(world.files.get(step.file), step.how, step.position);
      return found === undefined ? 'not applicable' : done(withFile(world, step.file, found.file));
    }
    case 'swap': {
      const [one, two] = [world.files.get(step.file), world.files.get(step.other)];
      if (one === undefined || two === undefined || step.file === step.other) return 'not applicable';
      return done(withFile(withFile(world, step.file, two), step.other, one));
    }
    case 'restart':
      return world.open === undefined ? done(world) : 'not applicable';
    case 'lose':
    case 'find': {
      const database = world.databases.get(step.database);
      // A restore that was cut short has no files to lose.
      if (world.open !== undefined || database === undefined || database.interrupted) return 'not applicable';
      const lost = step.kind === 'lose';
      return database.lost === lost
        ? 'not applicable'
        : done(withDatabase(world, step.database, { ...database, lost }));
    }
  }
}

export function sightOf(world: World): Sight {
  return Object.fromEntries(
    [...world.databases].map(([name, { state, history, lost }]) => {
      if (lost) return [name, 'RECOVERY_PENDING'];
      // Its rows are locked.
      if (state === 'RESTORING' || inUse(world, name)) return [name, state];
      const rows = [...rowsOf(history)].sort(([a], [b]) => a - b).map(([id, value]) => ` ${id}=${value}`);
      return [name, `${state}${rows.join('')}`];
    }),
  );
}

/** CREATE DATABASE, then CREATE TABLE in it. */
function create(world: World, { database, second }: StepOf<'create'>): Verdict {
  if (world.databases.has(database)) return 'not applicable';
  const [family, fork, transaction] = [world.nextId, world.nextId + 1, world.nextId + 2];
  const begun = begunAt(beginning, { transaction, writes: [] });
  const table = committedAt(begun.next, { transaction, second, prepared: false, mark: undefined });
  const made: ModelDatabase = {
    family,
    state: 'ONLINE',
    lost: false,
    recoveryModel: 'FULL',
    history: [begun.entry, table.entry],
    next: table.next,
    chain: undefined,
    base: undefined,
    fork: { id: fork, first: fork, point: undefined },
    redo: undefined,
    interrupted: false,
    tail: false,
  };
  return done({ ...withDatabase(world, database, made), nextId: world.nextId + 3 });
}

/** What of the writes has an effect; undefined: they cannot be done, or would wait for a lock. */
function effective(world: World, writes: readonly Write[]): readonly Write[] | undefined {
  for (const { kind, database: name, id } of writes) {
    const database = world.databases.get(name);
    if (database?.state !== 'ONLINE' || database.lost || inUse(world, name)) return undefined;
    if (kind === 'insert' && rowsOf(database.history).has(id)) return undefined;
  }
  // The generator names every row once in a transaction: what is there before decides.
  return writes.filter(
    ({ kind, database, id }) => kind === 'insert' || rowsOf(world.databases.get(database)?.history ?? []).has(id),
  );
}

function transact(world: World, step: StepOf<'transaction'>): Verdict {
  const writes = effective(world, step.writes);
  if (writes === undefined) return 'not applicable';
  const { open } = world;
  const begun = started(world, writes, step.mark);
  return done({ ...commit(begun, step.second), open });
}

function begin(world: World, step: StepOf<'begin'>): Verdict {
  const writes = effective(world, step.writes);
  if (writes === undefined || writes.length === 0 || world.open !== undefined) return 'not applicable';
  return done(started(world, writes, step.mark));
}

/** The changes are in the logs, their transaction is the open one. */
function started(world: World, writes: readonly Write[], mark: string | undefined): World {
  const id = world.nextId;
  const names = [...new Set(writes.map(write => write.database))];
  let after: World = { ...world, nextId: id + 1 };
  const places = new Map<string, Place>();
  for (const name of names) {
    const database = after.databases.get(name);
    if (database === undefined) continue;
    places.set(name, database.next);
    const own = writes.filter(write => write.database === name);
    const { entry, next } = begunAt(database.next, { transaction: id, writes: own });
    after = withDatabase(after, name, { ...database, history: [...database.history, entry], next });
  }
  return { ...after, open: { id, mark, places } };
}

function commit(world: World, second: number): World {
  const { open } = world;
  let after: World = { ...world, open: undefined };
  if (open === undefined) return after;
  const { id, mark, places } = open;
  for (const name of places.keys()) {
    const database = after.databases.get(name);
    if (database === undefined) continue;
    const prepared = places.size > 1 || mark !== undefined;
    const { entry, next } = committedAt(database.next, { transaction: id, second, prepared, mark });
    after = withDatabase(after, name, { ...database, history: [...database.history, entry], next });
    // A mark can only be found again where log is kept (sqlserver.md §3.1).
    if (mark === undefined || database.recoveryModel === 'SIMPLE') continue;
    const { family, history } = database;
    const landmark = { database: name, second, at: 'mark', family, history, place: entry.at } as const;
    after = { ...after, marks: [...after.marks, `${name} ${mark}`], landmarks: [...after.landmarks, landmark] };
  }
  return after;
}

function end(world: World, { how, second }: StepOf<'end'>): Verdict {
  const { open } = world;
  if (open === undefined) return 'not applicable';
  if (how === 'COMMIT') return done(commit(world, second));
  let after: World = { ...world, open: undefined };
  for (const name of open.places.keys()) {
    const database = after.databases.get(name);
    if (database === undefined) continue;
    const { entry, next } = undoneAt(database.next, { transaction: open.id, second });
    after = withDatabase(after, name, { ...database, history: [...database.history, entry], next });
  }
  return done(after);
}

function setRecoveryModel(world: World, { database: name, model }: StepOf<'recovery model'>): Verdict {
  const database = world.databases.get(name);
  if (database === undefined) return refused(world, 5011, 5069);
  if (database.lost) return 'undefined behaviour';
  if (database.state === 'RESTORING') return refused(world, 5052, 5069);
  if (database.state === 'STANDBY') return 'undefined behaviour';
  // SIMPLE breaks the chain; the way back does not mend it (sqlserver.md §1.2, §9.2).
  const chain = model === 'SIMPLE' ? undefined : database.chain;
  return done(withDatabase(world, name, { ...database, recoveryModel: model, chain }));
}

function backup(world: World, step: StepOf<'backup'>): Verdict {
  const { what, file } = step;
  const database = world.databases.get(step.database);
  if (database === undefined) return refused(world, 911, 3013);
  if (database.lost && !step.noTruncate) return refused(world, 945, 3013);
  // Of a damaged database that is no more ONLINE by itself, or shall not be, no document tells.
  if (database.lost && (database.state !== 'ONLINE' || step.tail === 'STANDBY')) return 'undefined behaviour';
  if (database.state === 'RESTORING') return refused(world, 927, 3013);
  if (database.state === 'STANDBY') return refused(world, 3036, 3013);
  if (what === 'differential' && database.base === undefined) return refused(world, 3035, 3013);
  if (what === 'log' && database.recoveryModel === 'SIMPLE') return refused(world, 4208, 3013);
  if (what === 'log' && database.chain === undefined) return refused(world, 4214, 3013);
  // A log without a record tells where it ends to nobody but the data file.
  const begins = database.chain ?? database.next;
  if (database.lost && !database.history.some(({ at }) => at >= begins)) return 'undefined behaviour';
  if (step.tail !== undefined && inUse(world, step.database)) return refused(world, 3101, 3013);
  const failure = step.format ? undefined : appendFailure(world.files.get(file));
  if (failure !== undefined) return refused(world, failure, 3013);
  const since = world.open?.places.get(step.database);
  const { set, after: moved } =
    what === 'log' ? logSet(world.nextId, database, step) : dataSet(world.nextId, database, step, since);
  const content = append(step.format ? undefined : world.files.get(file), set);
  const landmarks = (['first', 'last'] as const).map(at => {
    const { family, history, second } = set;
    return { database: step.database, second, at, family, history, place: set[at] };
  });
  const after = { ...world, landmarks: [...world.landmarks, ...landmarks], nextId: world.nextId + 1 };
  const stored = withFile(after, file, content);
  return done(withDatabase(stored, step.database, moved));
}

type Taken = { readonly set: BackupSet; readonly after: ModelDatabase };

function common(
  id: number,
  database: ModelDatabase,
  step: StepOf<'backup'>,
): Pick<BackupSet, 'id' | 'family' | 'second' | 'checksum' | 'recoveryModel'> {
  const { family, recoveryModel } = database;
  return { id, family, recoveryModel, second: step.second, checksum: step.checksum };
}

/** It leaves a checkpoint in the log and goes to the log's end; a full that is not copy-only is the new base, and starts a chain (sqlserver.md §1.2). */
function dataSet(id: number, database: ModelDatabase, step: StepOf<'backup'>, since: Place | undefined): Taken {
  const differential = step.what === 'differential';
  const copyOnly = step.copyOnly && !differential;
  const { entry, next } = checkpointAt(database.next, step.second);
  // It holds the log of a transaction that was open all along.
  const first = since ?? database.next;
  const history = [...database.history, entry];
  const { fork, recoveryModel } = database;
  const set: BackupSet = {
    ...common(id, database, step),
    what: differential ? 'differential' : 'full',
    first,
    last: next,
    fork: { id: fork.id, first: fork.id, point: undefined },
    copyOnly,
    tail: false,
    base: differential ? database.base?.id : undefined,
    history,
  };
  const starts = !copyOnly && recoveryModel !== 'SIMPLE' && database.chain === undefined;
  const base = differential || copyOnly ? database.base : { id, last: next };
  if (!starts) return { set, after: { ...database, history, next, base } };
  // The first log of a new chain lies on one path alone (sqlserver.md §2.7).
  const alone = { id: fork.id, first: fork.id, point: undefined };
  return { set, after: { ...database, history, next, base, chain: first, fork: alone } };
}

function logSet(id: number, database: ModelDatabase, step: StepOf<'backup'>): Taken {
  const { history, fork } = database;
  const next = aligned(database.next);
  const set: BackupSet = {
    ...common(id, database, step),
    what: 'log',
    first: database.chain ?? next,
    last: next,
    fork,
    copyOnly: step.copyOnly || step.noTruncate,
    tail: step.tail !== undefined,
    base: undefined,
    history,
  };
  if (step.copyOnly || (step.noTruncate && step.tail === undefined)) return { set, after: { ...database, next } };
  const moved: ModelDatabase = {
    ...database,
    next,
    chain: next,
    fork: { id: fork.id, first: fork.id, point: undefined },
  };
  if (step.tail === undefined) return { set, after: moved };
  // As NORECOVERY, followed by a restore with STANDBY (sqlserver.md §1.1).
  const state = step.tail === 'STANDBY' ? 'STANDBY' : 'RESTORING';
  // What has lost its data file waits for a full, as after a restore that was cut short.
  const left = {
    state,
    redo: { at: next, fork: fork.id },
    tail: true,
    interrupted: database.lost,
    lost: false,
  } as const;
  return { set, after: { ...moved, ...left } };
}
