/** The tables of a destination, in master, under the names of the spelling that it was set up with. */
import { compareText } from '../engine/compare.ts';
import { quoted, stringOf, typedBigint, typedText } from './group-context.ts';
import {
  databasesTable,
  historyTable,
  pointerTable,
  readingTable,
  type DestinationNames,
  type Spelling,
} from './destination-names.ts';
import type { BackupSet, HistoryFile, Reading } from './destination-plan.ts';
import type { ProcedureContext } from '../contract.ts';
import type { SqlValue, TypedValue } from '../values.ts';

type Rows = Awaited<ReturnType<ProcedureContext['query']>>;

export type Source = {
  readonly id: TypedValue;
  /** The Management database at its server. */
  readonly server: string;
  readonly database: string;
  /** Only databases of this source server are restored; undefined: all. */
  readonly only: string | undefined;
};

export type Settings = Reading & { readonly spelling: Spelling; readonly jobsEnabled: boolean };

/** Overriding folders; empty: the one of the history (biztalk-dr.md §3.5). */
type Folders = { readonly log: string; readonly full: string };

export class DestinationStore {
  readonly #context: ProcedureContext;
  readonly #names: DestinationNames;

  constructor(context: ProcedureContext, names: DestinationNames) {
    this.#context = context;
    this.#names = names;
  }

  async settings(): Promise<Settings> {
    const [row] = await this.#query(
      `SELECT Spelling, TrailingSets, PartialFullBreaks, NotesPassedFulls, JobsEnabled FROM ${readingTable}`,
    );
    return {
      spelling: this.#names.spelling,
      trailingSets: Number(row?.['TrailingSets']),
      partialFullBreaks: row?.['PartialFullBreaks'] === true,
      notesPassedFulls: row?.['NotesPassedFulls'] === true,
      jobsEnabled: row?.['JobsEnabled'] === true,
    };
  }

  async sources(): Promise<readonly Source[]> {
    const { source, sourcesTable } = this.#names;
    const rows = await this.#query(
      `SELECT ${source} AS id, MgmtServerName, MgmtDatabaseName, SourceServerName FROM ${sourcesTable} ORDER BY ${source}`,
    );
    return rows.map(row => ({
      id: this.#id(row['id'] ?? null),
      server: stringOf(row['MgmtServerName']),
      database: stringOf(row['MgmtDatabaseName']),
      only: stringOf(row['SourceServerName']) === '' ? undefined : stringOf(row['SourceServerName']),
    }));
  }

  /** A number that was not used yet, or the names themselves. */
  async addSource(source: Omit<Source, 'id'>, description: string): Promise<Source> {
    const { source: column, sourcesTable, sourceType } = this.#names;
    const [row] = await this.#query(`SELECT COUNT(*) + 1 AS n FROM ${sourcesTable}`);
    const text = [source.server, source.database, ...(source.only === undefined ? [] : [source.only])].join('.');
    const id = this.#id(sourceType.name === 'int' ? (row?.['n'] ?? null) : text.slice(0, 256));
    await this.#query(
      `INSERT INTO ${sourcesTable} (${column}, Description, MgmtServerName, MgmtDatabaseName, SourceServerName)
       VALUES (@id, @description, @server, @database, @only)`,
      {
        id,
        description: typedText(description, 256),
        server: typedText(source.server, 128),
        database: typedText(source.database, 128),
        only: { type: { name: 'nvarchar', length: 128 }, value: source.only ?? null },
      },
    );
    return { ...source, id };
  }

  /** What is there already stays, with its folders. */
  async addDatabase(source: Source, server: string, database: string): Promise<void> {
    const names = this.#names;
    await this.#query(
      `IF NOT EXISTS (SELECT 1 FROM ${databasesTable} WHERE ${names.source} = @id AND ${names.server} = @server AND ${names.database} = @database)
         INSERT INTO ${databasesTable} (${names.source}, ${names.server}, ${names.database}) VALUES (@id, @server, @database)`,
      { id: source.id, server: typedText(server, 128), database: typedText(database, 128) },
    );
  }

  async databases(source: Source): Promise<readonly string[]> {
    const rows = await this.#query(
      `SELECT DISTINCT ${this.#names.database} AS name FROM ${databasesTable} WHERE ${this.#names.source} = @id ORDER BY name`,
      { id: source.id },
    );
    return rows.map(row => stringOf(row['name']));
  }

  async newestImported(source: Source): Promise<bigint> {
    const [row] = await this.#query(
      `SELECT MAX(BackupSetId) AS n FROM ${historyTable} WHERE ${this.#names.source} = @id`,
      { id: source.id },
    );
    return typeof row?.['n'] === 'bigint' ? row['n'] : -1n;
  }

  async addHistory(source: Source, row: Rows[number]): Promise<void> {
    await this.#query(
      `INSERT INTO ${historyTable} (${this.#names.source}, BackupId, BackupSetId, MarkName, DatabaseName, BackupFileName, BackupFileLocation,
         BackupType, BackupDateTime, SetComplete, ServerName)
       VALUES (@id, @backup, @set, @mark, @database, @file, @folder, @type, @at, @complete, @server)`,
      {
        id: source.id,
        backup: { type: { name: 'bigint' }, value: row['BackupId'] ?? null },
        set: { type: { name: 'bigint' }, value: row['BackupSetId'] ?? null },
        mark: { type: { name: 'nvarchar', length: 32 }, value: row['MarkName'] ?? null },
        database: typedText(stringOf(row['DatabaseName']), 128),
        file: typedText(stringOf(row['BackupFileName']), 500),
        folder: typedText(stringOf(row['BackupFileLocation']), 3000),
        type: { type: { name: 'char', length: 2 }, value: row['BackupType'] ?? null },
        at: { type: { name: 'datetime' }, value: row['BackupDateTime'] ?? null },
        complete: { type: { name: 'bit' }, value: row['SetComplete'] ?? null },
        server: { type: { name: 'nvarchar', length: 128 }, value: row['ServerName'] ?? null },
      },
    );
  }

  /** By rising id. */
  async sets(source: Source): Promise<readonly BackupSet[]> {
    const rows = await this.#query(
      `SELECT BackupId, BackupSetId, MarkName, DatabaseName, BackupFileName, BackupFileLocation, BackupType, SetComplete, ServerName, Restored
       FROM ${historyTable} WHERE ${this.#names.source} = @id ORDER BY BackupSetId, BackupId`,
      { id: source.id },
    );
    const sets = new Map<bigint, BackupSet>();
    for (const row of rows) {
      const [id, kind] = [bigintOf(row['BackupSetId']), row['BackupType'] === 'db' ? 'full' : 'log'] as const;
      const before = sets.get(id)?.files ?? [];
      sets.set(id, { id, kind, complete: row['SetComplete'] === true, files: [...before, fileOf(row)] });
    }
    return [...sets.values()];
  }

  async pointer(source: Source): Promise<bigint | undefined> {
    const { source: column, lastSet } = this.#names;
    const [row] = await this.#query(`SELECT ${lastSet} AS n FROM ${pointerTable} WHERE ${column} = @id`, {
      id: source.id,
    });
    return row === undefined ? undefined : bigintOf(row['n']);
  }

  async movePointer(source: Source, set: bigint): Promise<void> {
    const { source: column, lastSet } = this.#names;
    await this.#query(
      `UPDATE ${pointerTable} SET ${lastSet} = @set WHERE ${column} = @id;
       IF @@ROWCOUNT = 0 INSERT INTO ${pointerTable} (${column}, ${lastSet}) VALUES (@id, @set)`,
      { id: source.id, set: typedBigint(set) },
    );
  }

  /** `given`: as an operator wrote it; a text that is no number is 245 where sources have numbers. */
  async dropPointer(given: string): Promise<void> {
    await this.#query(`DELETE FROM ${pointerTable} WHERE ${this.#names.source} = @given`, { given: typedText(given) });
  }

  async sourceNamed(given: string): Promise<Source | undefined> {
    const { source, sourcesTable } = this.#names;
    const rows = await this.#query(`SELECT ${source} AS id FROM ${sourcesTable} WHERE ${source} = @given`, {
      given: typedText(given),
    });
    const [id] = rows.map(row => row['id']);
    return (await this.sources()).find(each => each.id.value === id);
  }

  async setRestored(source: Source, file: HistoryFile): Promise<void> {
    await this.#query(
      `UPDATE ${historyTable} SET Restored = 1, RestoredDateTime = GETDATE() WHERE ${this.#names.source} = @id AND BackupId = @backup`,
      { id: source.id, backup: typedBigint(file.backupId) },
    );
  }

  /** Done without a RESTORE: it has no time. */
  async setPassed(source: Source, file: HistoryFile): Promise<void> {
    await this.#query(
      `UPDATE ${historyTable} SET Restored = 1 WHERE ${this.#names.source} = @id AND BackupId = @backup`,
      { id: source.id, backup: typedBigint(file.backupId) },
    );
  }

  async clearRestored(source: Source, fromSet: bigint): Promise<void> {
    await this.#query(
      `UPDATE ${historyTable} SET Restored = 0, RestoredDateTime = NULL WHERE ${this.#names.source} = @id AND BackupSetId >= @set`,
      { id: source.id, set: typedBigint(fromSet) },
    );
  }

  async folders(source: Source, file: HistoryFile): Promise<Folders> {
    const names = this.#names;
    const rows = await this.#query(
      `SELECT LogFileLocation, DBFileLocation, ${names.server} AS server, ${names.database} AS name FROM ${databasesTable} WHERE ${names.source} = @id`,
      { id: source.id },
    );
    const own = rows.find(
      row =>
        compareText(stringOf(row['server']), file.server) === 0 &&
        compareText(stringOf(row['name']), file.database) === 0,
    );
    return { log: stringOf(own?.['LogFileLocation']), full: stringOf(own?.['DBFileLocation']) };
  }

  async replaceJobs(source: Source, jobs: readonly SourceJob[]): Promise<void> {
    const { source: column, jobsTable, jobName, jobEnabled, jobScript } = this.#names;
    await this.#query(`DELETE FROM ${jobsTable} WHERE ${column} = @id`, { id: source.id });
    for (const { name, enabled, script } of jobs)
      await this.#query(
        `INSERT INTO ${jobsTable} (${column}, ${jobName}, ${jobEnabled}, ${jobScript}) VALUES (@id, @name, @enabled, @script)`,
        {
          id: source.id,
          name: typedText(name, 128),
          enabled: { type: { name: 'tinyint' }, value: enabled ? 1n : 0n },
          script: typedText(script, 'max'),
        },
      );
  }

  async jobs(): Promise<readonly SourceJob[]> {
    const { jobsTable, jobName, jobEnabled, jobScript } = this.#names;
    const rows = await this.#query(
      `SELECT ${jobName} AS name, CONVERT(int, ${jobEnabled}) AS enabled, ${jobScript} AS script FROM ${jobsTable} ORDER BY name`,
    );
    return rows.map(row => ({
      name: stringOf(row['name']),
      enabled: row['enabled'] === 1n,
      script: stringOf(row['script']),
    }));
  }

  #id(value: SqlValue): TypedValue {
    return { type: this.#names.sourceType, value };
  }

  #query(text: string, parameters?: Readonly<Record<string, TypedValue>>): Promise<Rows> {
    return this.#context.query(text, parameters);
  }
}

export type SourceJob = { readonly name: string; readonly enabled: boolean; readonly script: string };

function fileOf(row: Rows[number]): HistoryFile {
  return {
    backupId: bigintOf(row['BackupId']),
    server: stringOf(row['ServerName']),
    database: stringOf(row['DatabaseName']),
    fileName: stringOf(row['BackupFileName']),
    fileLocation: stringOf(row['BackupFileLocation']),
    mark: typeof row['MarkName'] === 'string' ? row['MarkName'] : null,
    restored: row['Restored'] === true || row['Restored'] === 1n,
  };
}

function bigintOf(value: SqlValue | undefined): bigint {
  if (typeof value !== 'bigint') throw new Error('a set has no number');
  return value;
}

/** A database of a destination that is there. */
export function dropStatement(database: string): string {
  return `DROP DATABASE ${quoted(database)}`;
}
