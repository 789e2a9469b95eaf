/** All rows of a database at one LSN, as a stream of chunks: the content of a data file and of a data backup. */
import { ByteReader, fromStoredDefinition, toStoredDefinition, type StoredDefinition } from './binary-codec.ts';
import { frame } from './frames.ts';
import { earlier } from './lsn.ts';
import type { Padding } from './log-records.ts';
import type { StoredDatabase } from './stored-database.ts';
import type { StoredTable } from './stored-table.ts';
import type { CapturedRows } from './row-slots.ts';
import type { Lsn } from '../contract.ts';

export type Snapshot = {
  /** The tables hold the effect of every record before this LSN and of none after. */
  readonly lsn: Lsn;
  /** Redo and undo from here need records from this LSN on: the oldest open transaction's first. */
  readonly needsLsn: Lsn;
  readonly checkpointRecordLsn: Lsn;
  readonly nextObjectId: number;
  /** Time of the newest record whose effect the tables hold. */
  readonly appliedTimeMs: number;
  readonly tables: readonly {
    readonly table: StoredTable;
    readonly header: TableHeader;
    readonly rows: readonly CapturedRows[];
  }[];
  /** Tables that exist but are left out because they have not changed since a differential base. */
  readonly unchanged: readonly number[];
  readonly padding: StoredDatabase['padding'];
};

type TableHeader = {
  readonly objectId: number;
  readonly definition: StoredDefinition;
  readonly nextRowId: number;
  readonly lastIdentity: string | null;
  readonly changedLsn: string;
};

export type SnapshotHeader = {
  readonly lsn: string;
  readonly needsLsn: string;
  readonly checkpointRecordLsn: string;
  readonly nextObjectId: number;
  readonly appliedTimeMs?: number;
  readonly tables: readonly TableHeader[];
  readonly unchanged: readonly number[];
  readonly padding?: Padding & { readonly changedLsn: string };
};

/** Taken in one step, without waiting. `since`: only tables changed at or after this LSN (a differential). */
export function captureSnapshot(database: StoredDatabase, since?: Lsn): Snapshot {
  const lsn = database.log.nextLsn;
  const begins = [...database.open.values()].map(open => open.beginLsn);
  const changed = database.tables().filter(table => since === undefined || table.changedLsn >= since);
  return {
    lsn,
    needsLsn: earlier(lsn, ...begins) ?? lsn,
    checkpointRecordLsn: database.lastCheckpointRecordLsn,
    nextObjectId: database.nextObjectId,
    appliedTimeMs: database.newestTimeMs,
    tables: changed.map(table => ({ table, header: headerOf(table), rows: table.capture() })),
    unchanged: database
      .tables()
      .filter(table => !changed.includes(table))
      .map(table => table.objectId),
    padding: database.padding,
  };
}

function headerOf(table: StoredTable): TableHeader {
  return {
    objectId: table.objectId,
    definition: toStoredDefinition(table.definition),
    nextRowId: table.nextRowId,
    lastIdentity: table.lastIdentity === undefined ? null : String(table.lastIdentity),
    changedLsn: String(table.changedLsn),
  };
}

/** Frames (frames.ts): the header chunk, then chunks of rows. */
export function* snapshotFrames(snapshot: Snapshot): Iterable<Buffer> {
  const header: SnapshotHeader = {
    lsn: String(snapshot.lsn),
    needsLsn: String(snapshot.needsLsn),
    checkpointRecordLsn: String(snapshot.checkpointRecordLsn),
    nextObjectId: snapshot.nextObjectId,
    appliedTimeMs: snapshot.appliedTimeMs,
    tables: snapshot.tables.map(each => each.header),
    unchanged: snapshot.unchanged,
    ...(snapshot.padding === undefined
      ? {}
      : { padding: { ...snapshot.padding, changedLsn: String(snapshot.padding.changedLsn) } }),
  };
  yield frame(Buffer.from(JSON.stringify(header)));
  for (const { rows } of snapshot.tables) for (const part of rows) yield* part.frames();
}

/** Puts a snapshot's tables into `database`: replaces those it holds, keeps the unchanged ones, drops the rest. */
export class SnapshotLoader {
  readonly #database: StoredDatabase;
  #header: SnapshotHeader | undefined;

  constructor(database: StoredDatabase) {
    this.#database = database;
  }

  take(chunk: Buffer): void {
    if (this.#header === undefined) this.#begin(JSON.parse(chunk.toString('utf8')) as SnapshotHeader);
    else this.#rows(new ByteReader(chunk));
  }

  #begin(header: SnapshotHeader): void {
    this.#header = header;
    const database = this.#database;
    for (const table of database.tables()) {
      if (!header.unchanged.includes(table.objectId)) database.detachTable(table);
    }
    for (const stored of header.tables) {
      const table = database.addTable(
        stored.objectId,
        fromStoredDefinition(stored.definition),
        BigInt(stored.changedLsn),
      );
      table.nextRowId = stored.nextRowId;
      table.lastIdentity = stored.lastIdentity === null ? undefined : BigInt(stored.lastIdentity);
    }
    database.nextObjectId = header.nextObjectId;
    const { padding } = header;
    database.padding = padding && { ...padding, changedLsn: BigInt(padding.changedLsn) };
    // Without it a STOPAT that lies behind the position would not be refused after a restart (4335).
    database.appliedTimeMs = header.appliedTimeMs ?? 0;
    database.lastCheckpointRecordLsn = BigInt(header.checkpointRecordLsn);
  }

  #rows(reader: ByteReader): void {
    const table = this.#database.tableById(reader.u32());
    if (table === undefined) throw new Error('rows of a table that the snapshot does not name');
    while (!reader.done) {
      const id = reader.f64();
      table.add(id, reader.row());
    }
  }

  /** The header, once everything is in. Throws when nothing came. */
  finish(): { readonly lsn: Lsn; readonly needsLsn: Lsn } {
    if (this.#header === undefined) throw new Error('the snapshot is empty');
    return { lsn: BigInt(this.#header.lsn), needsLsn: BigInt(this.#header.needsLsn) };
  }
}
