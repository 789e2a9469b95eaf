/** What a schedule is made of: the words that the model, the generator and the stand-in's driver have in common. */

/** A change of one row of a database's only table, `t (id int primary key, v int)`. */
export type Write = { readonly database: string; readonly id: number } & (
  { readonly kind: 'insert' | 'update'; readonly value: number } | { readonly kind: 'delete' }
);

/** An LSN that msdb tells: where a backup set begins or ends, or a mark of a database is. `second`: when that was done. */
export type Landmark = { readonly database: string; readonly second: number; readonly at: 'first' | 'last' | 'mark' };

/** `before`: STOPBEFOREMARK. Times are seconds since the schedule's start, as everywhere here. */
export type Stop =
  | { readonly kind: 'time'; readonly at: number }
  | { readonly kind: 'lsn'; readonly of: Landmark; readonly before: boolean }
  | { readonly kind: 'mark'; readonly name: string; readonly before: boolean; readonly after?: number };

export type RecoveryModel = 'FULL' | 'BULK_LOGGED' | 'SIMPLE';
/** STANDBY with the undo file of the database's own name. */
export type Ending = 'RECOVERY' | 'NORECOVERY' | 'STANDBY';

/** `flip`: a byte of the set's content. `tear`, `unfinish`: the file ends within the set's end, or just before it. */
export type Damage = 'flip' | 'tear' | 'unfinish' | 'empty' | 'text' | 'lose';

export type Action =
  | { readonly kind: 'create'; readonly database: string }
  | { readonly kind: 'drop'; readonly database: string }
  | { readonly kind: 'transaction'; readonly writes: readonly Write[]; readonly mark?: string }
  /** A second session begins a transaction, and ends it in a later step. */
  | { readonly kind: 'begin'; readonly writes: readonly Write[]; readonly mark?: string }
  | { readonly kind: 'end'; readonly how: 'COMMIT' | 'ROLLBACK' }
  | { readonly kind: 'recovery model'; readonly database: string; readonly model: RecoveryModel }
  | {
      readonly kind: 'backup';
      readonly what: 'full' | 'differential' | 'log';
      readonly database: string;
      readonly file: string;
      readonly copyOnly: boolean;
      /** The last log: the database waits for restores afterwards. */
      readonly tail?: 'NORECOVERY' | 'STANDBY';
      /** Of a log: a copy, whatever the state of the database is. */
      readonly noTruncate: boolean;
      readonly checksum: boolean;
      /** FORMAT: whatever the file held is gone. */
      readonly format: boolean;
    }
  | {
      readonly kind: 'restore';
      readonly what: 'database' | 'log';
      readonly database: string;
      readonly file: string;
      /** FILE = n. */
      readonly position: number;
      readonly ending: Ending;
      readonly replace: boolean;
      readonly checksum: boolean;
      readonly stop?: Stop;
    }
  | { readonly kind: 'finish'; readonly database: string; readonly ending: Ending }
  | { readonly kind: 'damage'; readonly how: Damage; readonly file: string; readonly position: number }
  | { readonly kind: 'swap'; readonly file: string; readonly other: string }
  | { readonly kind: 'restart' }
  /** The instance is stopped, the data file of a database is moved away or put back, the instance starts. */
  | { readonly kind: 'lose' | 'find'; readonly database: string };

/** An action and the second at which it happens: it keeps its time when others are left out. */
export type Step = { readonly second: number } & Action;
export type StepOf<K extends Action['kind']> = Extract<Action, { readonly kind: K }> & { readonly second: number };

/** What a step says: numbers of its errors in their order, and of those informations that matter (4322, 4329). */
export type Answer = { readonly errors: readonly number[]; readonly infos: readonly number[] };

/** What can be seen of an instance: the state of each database, and its rows as `id=v` where they can be read. */
export type Sight = Readonly<Record<string, string>>;
