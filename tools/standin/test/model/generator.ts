/** Draws schedules. It looks at the model, so that most steps are what a careful operator would do next, and some are not. */
import { randomFrom } from '../random.ts';
import { plan } from './model.ts';
import { emptyWorld, inUse, type ModelDatabase, type World } from './world.ts';
import { rowsOf, slice } from './history.ts';
import type { BackupSet } from './media.ts';
import type { Action, Damage, Step, Stop, Write } from './steps.ts';

export type Random = () => number;

const sources = ['A', 'B'];
const copies = ['R', 'S'];
const markNames = ['M1', 'M2', 'm1'];
/** Seconds between two steps; stop points are drawn to whole and half steps. */
const pace = 10;

export function drawSchedule(seed: number): readonly Step[] {
  const draw = new Draw(randomFrom(seed));
  const length = draw.chance(draw.stops ? 0.6 : 0.15) ? 20 + draw.below(20) : 8 + draw.below(10);
  for (let at = 0; at < length; at += 1) draw.next();
  return draw.steps;
}

type Weighted = readonly (readonly [weight: number, make: () => Action | undefined])[];
type Place = { readonly file: string; readonly position: number; readonly set: BackupSet };

function marksIn({ history, first, last }: BackupSet): readonly string[] {
  return slice(history, first, last).flatMap(entry => ('mark' in entry ? entry.mark : []));
}

class Draw {
  readonly steps: Step[] = [];
  readonly #random: Random;
  /** What this schedule has much of: recoveries and differentials, changes of the recovery model, standbys that are read, marks and stops, or lost data files. */
  readonly #forks: boolean;
  readonly #flips: boolean;
  readonly #reads: boolean;
  readonly stops: boolean;
  readonly #losses: boolean;
  #world: World = emptyWorld;
  #second = 0;
  /** Sets of files that are gone by now: statements may still name them. */
  #lost: readonly Place[] = [];
  #files = 0;
  #rows = 0;

  constructor(random: Random) {
    this.#random = random;
    this.#forks = this.chance(0.4);
    this.#flips = this.chance(0.3);
    this.#reads = this.chance(0.3);
    this.stops = this.chance(0.4);
    this.#losses = this.chance(0.2);
  }

  below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  chance(part: number): boolean {
    return this.#random() < part;
  }

  #pick<T>(from: readonly T[]): T | undefined {
    return from[this.below(from.length)];
  }

  next(): void {
    for (let attempt = 0; attempt < 20; attempt += 1) {
      const action = this.#action();
      if (action === undefined) continue;
      const step: Step = { second: this.#second, ...action };
      const verdict = plan(this.#world, step);
      if (typeof verdict === 'string') continue;
      const places = this.#places();
      this.#world = verdict.after;
      this.#lost = [...this.#lost, ...places].filter(({ file }) => !this.#world.files.has(file));
      this.#second += pace;
      this.steps.push(step);
      return;
    }
  }

  #action(): Action | undefined {
    const missing = sources.find(name => !this.#world.databases.has(name));
    if (this.#world.databases.size === 0) return { kind: 'create', database: 'A' };
    return this.#weighted([
      [24, () => this.#transaction()],
      [this.#world.open === undefined ? 1.5 : 12, () => this.#otherSession()],
      [28, () => this.#backup()],
      [40, () => this.#restore()],
      [this.#forks ? 9 : 2, () => this.#finish()],
      [
        missing === undefined ? 0 : 1.5,
        () => (missing === undefined ? undefined : { kind: 'create', database: missing }),
      ],
      [3, () => this.#damage()],
      [1, () => this.#swap()],
      [1, () => ({ kind: 'restart' })],
      [this.#losses ? 6 : 0.5, () => this.#lose()],
      [1.5, () => this.#drop()],
      [this.#flips ? 9 : 1, () => this.#recoveryModel()],
    ]);
  }

  #weighted(choices: Weighted): Action | undefined {
    const total = choices.reduce((sum, [weight]) => sum + weight, 0);
    let left = this.#random() * total;
    for (const [weight, make] of choices) {
      left -= weight;
      if (left < 0) return make();
    }
    return undefined;
  }

  #named(fits: (database: ModelDatabase) => boolean): readonly string[] {
    return [...this.#world.databases].filter(([, database]) => fits(database)).map(([name]) => name);
  }

  #transaction(): Action | undefined {
    const online = this.#named(({ state }) => state === 'ONLINE').filter(name => !inUse(this.#world, name));
    const chosen = online.filter(() => this.chance(0.6));
    const writes: Write[] = [];
    for (const database of chosen.length === 0 ? online.slice(0, 1) : chosen) {
      const rows = [...rowsOf(this.#world.databases.get(database)?.history ?? []).keys()];
      const old = this.#pick(rows);
      const value = this.below(100);
      if (old === undefined || this.chance(0.6))
        writes.push({ kind: 'insert', database, id: (this.#rows += 1), value });
      else
        writes.push(
          this.chance(0.7) ? { kind: 'update', database, id: old, value } : { kind: 'delete', database, id: old },
        );
    }
    if (writes.length === 0) return undefined;
    return {
      kind: 'transaction',
      writes,
      ...(this.chance(this.stops ? 0.8 : 0.4) ? { mark: this.#pick(markNames) ?? 'M1' } : {}),
    };
  }

  #otherSession(): Action | undefined {
    if (this.#world.open !== undefined) return { kind: 'end', how: this.chance(0.7) ? 'COMMIT' : 'ROLLBACK' };
    const drawn = this.#transaction();
    return drawn?.kind === 'transaction' ? { ...drawn, kind: 'begin' } : undefined;
  }

  /** How a database is left that more log is to follow. */
  #waiting(): 'NORECOVERY' | 'STANDBY' {
    return this.#reads && this.chance(0.4) ? 'STANDBY' : 'NORECOVERY';
  }

  #file(): string {
    const known = [...this.#world.files.keys()];
    const old = this.chance(0.35) ? this.#pick(known) : undefined;
    return old ?? `f${(this.#files += 1)}`;
  }

  #backup(): Action | undefined {
    const wrong = this.chance(0.05);
    const database = this.#pick(wrong ? [...sources, ...copies] : this.#named(({ state }) => state === 'ONLINE'));
    if (database === undefined) return undefined;
    const known = this.#world.databases.get(database);
    const begun = known?.chain !== undefined || this.chance(known?.base === undefined ? 0.1 : 0.6);
    const what = !begun || this.chance(0.1) ? 'full' : this.chance(this.#forks ? 0.3 : 0.1) ? 'differential' : 'log';
    const copyOnly = what !== 'differential' && this.chance(what === 'full' && begun ? 0.4 : 0.08);
    return {
      kind: 'backup',
      what,
      database,
      file: this.#file(),
      copyOnly,
      ...(what === 'log' && !copyOnly && this.chance(0.08) ? { tail: this.#waiting() } : {}),
      noTruncate: what === 'log' && this.chance(known?.lost === true ? 0.8 : 0.08),
      checksum: this.chance(0.4),
      format: this.chance(0.03),
    };
  }

  #places(): readonly Place[] {
    return [...this.#world.files].flatMap(([file, content]) =>
      content.content === 'sets' ? content.sets.map(({ set }, at) => ({ file, position: at + 1, set })) : [],
    );
  }

  #restore(): Action | undefined {
    const places = this.#places();
    const restoring = this.#pick(this.#named(({ redo }) => redo !== undefined));
    if (restoring === undefined || this.chance(0.07)) return this.#begin(places);
    if (this.chance(0.25)) return this.#wrong(restoring, places);
    const drawn = places.filter(({ set }) => set.what !== 'full').map(place => this.#from(place, restoring));
    const sensible = drawn.filter(action => this.#leadsOn(action));
    return this.#pick(sensible) ?? (this.chance(0.5) ? this.#wrong(restoring, places) : this.#finish());
  }

  /** It succeeds, and the database stands elsewhere afterwards. */
  #leadsOn(action: Extract<Action, { readonly kind: 'restore' }>): boolean {
    const verdict = plan(this.#world, { second: this.#second, ...action });
    if (typeof verdict === 'string' || verdict.errors.length > 0) return false;
    const place = (world: World): number | undefined => world.databases.get(action.database)?.redo?.at;
    return place(verdict.after) !== place(this.#world);
  }

  /** A full onto a copy's name, onto nothing or over what is there. */
  #begin(places: readonly Place[]): Action | undefined {
    const place = this.#pick(places.filter(({ set }) => set.what === 'full'));
    if (place === undefined) return undefined;
    const database = this.#pick(this.chance(0.25) ? sources : copies) ?? 'R';
    const online = this.#world.databases.get(database)?.state === 'ONLINE';
    const replace = online ? this.chance(0.6) : this.chance(0.1);
    return { ...this.#from(place, database), ending: this.chance(0.85) ? this.#waiting() : 'RECOVERY', replace };
  }

  /** Any set, onto any database, with any stop. */
  #wrong(restoring: string, places: readonly Place[]): Action | undefined {
    const forward = places.filter(({ set }) => set.what !== 'full');
    const place = this.#pick(this.chance(0.12) ? this.#lost : this.chance(0.8) ? forward : places);
    if (place === undefined) return undefined;
    const database = this.chance(0.85) ? restoring : (this.#pick([...sources, ...copies]) ?? restoring);
    const action = this.#from(place, database);
    const position = this.chance(0.1) ? place.position + 1 : place.position;
    const what = this.chance(0.1) ? (action.what === 'log' ? 'database' : 'log') : action.what;
    return { ...action, position, what, checksum: this.chance(0.08) };
  }

  #from({ file, position, set }: Place, database: string): Extract<Action, { readonly kind: 'restore' }> {
    const stop = this.#stop(set);
    return {
      kind: 'restore',
      what: set.what === 'log' ? 'log' : 'database',
      database,
      file,
      position,
      ending: this.chance(stop === undefined ? 0.06 : 0.3) ? 'RECOVERY' : this.#waiting(),
      replace: false,
      checksum: set.checksum && this.chance(0.2),
      ...(stop === undefined ? {} : { stop }),
    };
  }

  #stop(set: BackupSet): Stop | undefined {
    if (!this.chance(set.what !== 'log' ? 0.07 : this.stops ? 0.9 : 0.5)) return undefined;
    const moments = slice(set.history, set.first, set.last).flatMap(entry => ('second' in entry ? entry.second : []));
    const near = (this.#pick(moments) ?? set.second) + pace * (this.chance(0.3) ? this.below(8) - 5 : 0);
    if (set.what !== 'log' && this.chance(0.3)) return this.#stopAtLandmark(set);
    if (set.what !== 'log' || this.chance(this.stops ? 0.2 : 0.4))
      return { kind: 'time', at: Math.max(0, near + (this.chance(0.3) ? pace / 2 : 0)) };
    if (this.chance(0.4)) return this.#stopAtLandmark(set);
    const name = this.#pick(this.chance(0.8) ? marksIn(set) : markNames);
    if (name === undefined) return undefined;
    const stop = { kind: 'mark', name, before: this.chance(0.4) } as const;
    return this.chance(0.3) ? { ...stop, after: Math.max(0, near) } : stop;
  }

  #stopAtLandmark({ family, first, last }: BackupSet): Stop | undefined {
    const { landmarks } = this.#world;
    const within = landmarks.filter(each => each.family === family && each.place >= first && each.place < last);
    const known = this.#pick(this.chance(0.6) ? within : landmarks);
    if (known === undefined) return undefined;
    const { database, second, at } = known;
    return { kind: 'lsn', of: { database, second, at }, before: this.chance(0.4) };
  }

  #finish(): Action | undefined {
    const name = this.chance(0.9) ? this.#pick(this.#named(({ redo }) => redo !== undefined)) : this.#pick(copies);
    if (name === undefined) return undefined;
    return { kind: 'finish', database: name, ending: this.chance(0.9) ? 'RECOVERY' : this.#waiting() };
  }

  #damage(): Action | undefined {
    const kinds: readonly Damage[] = ['flip', 'flip', 'flip', 'tear', 'unfinish', 'empty', 'text', 'lose', 'lose'];
    const [place, how] = [this.#pick(this.#places()), this.#pick(kinds)];
    if (place === undefined || how === undefined) return undefined;
    return { kind: 'damage', how, file: place.file, position: place.position };
  }

  #swap(): Action | undefined {
    const files = [...this.#world.files.keys()];
    const [file, other] = [this.#pick(files), this.#pick(files)];
    return file === undefined || other === undefined ? undefined : { kind: 'swap', file, other };
  }

  #lose(): Action | undefined {
    const lost = this.#named(database => database.lost);
    const database = this.#pick(lost.length > 0 && this.chance(0.6) ? lost : [...this.#world.databases.keys()]);
    if (database === undefined) return undefined;
    return { kind: lost.includes(database) ? 'find' : 'lose', database };
  }

  #drop(): Action | undefined {
    const name = this.#pick([...copies, ...copies, ...this.#world.databases.keys()]);
    return name === undefined ? undefined : { kind: 'drop', database: name };
  }

  #recoveryModel(): Action | undefined {
    const name = this.#pick([...this.#world.databases.keys()]);
    if (name === undefined) return undefined;
    const now = this.#world.databases.get(name)?.recoveryModel;
    const model = now === 'SIMPLE' || this.chance(0.5) ? (this.chance(0.8) ? 'FULL' : 'BULK_LOGGED') : 'SIMPLE';
    return { kind: 'recovery model', database: name, model };
  }
}
