/** What the model knows of an instance, and what it says to a step. */
import type { BackupFile } from './media.ts';
import type { History, Place } from './history.ts';
import type { Answer, Landmark } from './steps.ts';

export type ModelDatabase = {
  readonly family: number;
  readonly state: 'ONLINE' | 'RESTORING' | 'STANDBY';
  /** Its data file is not there: it shows as RECOVERY_PENDING. */
  readonly lost: boolean;
  readonly recoveryModel: 'FULL' | 'BULK_LOGGED' | 'SIMPLE';
  readonly history: History;
  readonly next: Place;
  /** Where the next log backup begins; undefined: the chain is not started. */
  readonly chain: Place | undefined;
  /** The full that differentials refer to, and where it ended. */
  readonly base: { readonly id: number; readonly last: Place } | undefined;
  readonly fork: { readonly id: number; readonly first: number; readonly point: Place | undefined };
  /** Restoring: where it stands and on which path. */
  readonly redo: { readonly at: Place; readonly fork: number } | undefined;
  /** A restore of data that failed half way. */
  readonly interrupted: boolean;
  /** It stands at the end of all that was ever logged. */
  readonly tail: boolean;
};

/** One that a log can be applied to. */
export type Restoring = ModelDatabase & { readonly redo: NonNullable<ModelDatabase['redo']> };

export type World = {
  readonly databases: ReadonlyMap<string, ModelDatabase>;
  readonly files: ReadonlyMap<string, BackupFile>;
  /** `database mark`, one for each database that a mark is in. */
  readonly marks: readonly string[];
  /** Of all sets and marks that there ever were, whatever became of them. */
  readonly landmarks: readonly KnownLandmark[];
  /** The second session's. */
  readonly open: OpenTransaction | undefined;
  /** For new families, forks, sets and transactions. */
  readonly nextId: number;
};

/** Where it lies in which log. */
type KnownLandmark = Landmark & { readonly family: number; readonly history: History; readonly place: Place };

type OpenTransaction = {
  readonly id: number;
  readonly mark: string | undefined;
  readonly places: ReadonlyMap<string, Place>;
};

/** `undefined behaviour`: no document says what a real server would do. */
export type Plan = Answer & { readonly after: World };
export type Verdict = Plan | 'not applicable' | 'undefined behaviour';

export const emptyWorld: World = {
  databases: new Map(),
  files: new Map(),
  marks: [],
  landmarks: [],
  open: undefined,
  nextId: 1,
};

export function refused(world: World, ...errors: readonly number[]): Plan {
  return { errors, infos: [], after: world };
}

export function done(after: World, ...infos: readonly number[]): Plan {
  return { errors: [], infos, after };
}

export function withDatabase(world: World, name: string, database: ModelDatabase | undefined): World {
  const databases = new Map(world.databases);
  if (database === undefined) databases.delete(name);
  else databases.set(name, database);
  return { ...world, databases };
}

/** A session has an open transaction in it: nobody gets it for himself (sqlserver.md §9.3). */
export function inUse(world: World, database: string): boolean {
  return world.open?.places.has(database) === true;
}
