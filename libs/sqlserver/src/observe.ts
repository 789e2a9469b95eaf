/**
 * What is true at an instance now. Every answer carries `observedAt` (RFC 3339 UTC, our clock, taken before the question was sent, so
 * that a fact is never shown younger than it is). LSNs are decimal strings; times are recorded text with their basis.
 */
import type { MarkName } from '@holdfast/domain/mark';
import type { RecordedTime } from './recorded-time.ts';
import { utcOffsetMinutes } from './recorded-time.ts';
import type { SqlServer } from './server.ts';
import type { Columns, Row, Statement } from './statement.ts';
import * as evidence from './statements-evidence.ts';
import * as statements from './statements-observe.ts';

export type Observed = { readonly observedAt: string };

export const observedAt = (server: SqlServer): string => new Date(server.clock()).toISOString();

/** `rows` of a statement with the moment of asking. */
export const observeRows = async <P extends object, C extends Columns>(
  server: SqlServer,
  statement: Statement<P, C>,
  params: P,
): Promise<Observed & { readonly rows: readonly Row<C>[] }> => {
  const at = observedAt(server);
  return { observedAt: at, rows: await server.query(statement, params) };
};

export type ServerFacts = Observed & {
  /** @@SERVERNAME: what backups carry in their header. */
  readonly serverName: string;
  readonly productVersion: string;
  /** 13 = 2016 … 17 = 2025. */
  readonly majorVersion: number;
  /** As the server words it; null when it says nothing. */
  readonly edition: string | null;
  readonly engineEdition: number;
  readonly defaultDataPath: string | null;
  readonly defaultLogPath: string | null;
  readonly defaultBackupPath: string | null;
  /** 'in-doubt xact resolution': 0 none, 1 presume commit, 2 presume abort; null when it could not be read. */
  readonly inDoubtResolution: number | null;
  /** Today's offset of the server's local time. */
  readonly utcOffsetMinutes: number;
  readonly isSysadmin: boolean | null;
  readonly isDbcreator: boolean | null;
};

const one = <T>(rows: readonly T[], what: string): T => {
  const [row] = rows;
  if (row === undefined) throw new Error(`${what} gave no row.`);
  return row;
};

export const observeServer = async (server: SqlServer): Promise<ServerFacts> => {
  const observed = await observeRows(server, statements.serverFacts, {});
  const { propertyName: _propertyName, utcNow, localNow, ...facts } = one(observed.rows, 'Server facts');
  const majorVersion = Number.parseInt(facts.productVersion, 10);
  if (!Number.isInteger(majorVersion)) throw new Error(`Not a product version: ${facts.productVersion}.`);
  return {
    observedAt: observed.observedAt,
    ...facts,
    majorVersion,
    utcOffsetMinutes: utcOffsetMinutes(utcNow, localNow),
  };
};

/** A row of sys.databases with the position of a restoring one. `redoStartLsn` is null unless it is RESTORING (sqlserver.md §4.2). */
export type DatabaseFacts = Row<typeof statements.databaseStates.columns>;

export const observeDatabases = async (
  server: SqlServer,
): Promise<Observed & { readonly databases: readonly DatabaseFacts[] }> => {
  const { observedAt: at, rows } = await observeRows(server, statements.databaseStates, {});
  return { observedAt: at, databases: rows };
};

/** `database` is null when it does not exist there. */
export const observeDatabase = async (
  server: SqlServer,
  database: string,
): Promise<Observed & { readonly database: DatabaseFacts | null }> => {
  const { observedAt: at, rows } = await observeRows(server, statements.databaseState, { database });
  return { observedAt: at, database: rows[0] ?? null };
};

export type MarkFact = Omit<Row<typeof evidence.markHistorySince.columns>, 'markedAtRecorded'> & {
  /** Commit time, local to the server. */
  readonly markedAt: RecordedTime;
};

// One statement stays well below any limit on its length; the driver sends it as nvarchar(max) (unverified).
const marksPerStatement = 200;

const asMark = ({ markedAtRecorded, ...mark }: Row<typeof evidence.markHistorySince.columns>): MarkFact => ({
  ...mark,
  markedAt: { recorded: markedAtRecorded, basis: 'LOCAL' },
});

/** Marks committed on this instance, by name. Names are compared exactly: a collation may ignore case, a mark does not. */
export const observeMarks = async (
  server: SqlServer,
  names: readonly (MarkName | string)[],
): Promise<Observed & { readonly marks: readonly MarkFact[] }> => {
  const at = observedAt(server);
  const wanted = new Set<string>(names);
  const all = [...wanted];
  const marks: MarkFact[] = [];
  for (let start = 0; start < all.length; start += marksPerStatement) {
    const rows = await server.query(evidence.markHistoryByNames, {
      marks: all.slice(start, start + marksPerStatement),
    });
    marks.push(...rows.filter(row => wanted.has(row.markName)).map(asMark));
  }
  return { observedAt: at, marks };
};

/** `since`: ISO local time of the server, as recorded, without offset. */
export const observeMarksSince = async (
  server: SqlServer,
  since: string,
): Promise<Observed & { readonly marks: readonly MarkFact[] }> => {
  const { observedAt: at, rows } = await observeRows(server, evidence.markHistorySince, { since });
  return { observedAt: at, marks: rows.map(asMark) };
};

export type HeaderFact = Omit<
  Row<typeof evidence.backupHeaders.columns>,
  'startedAtRecorded' | 'finishedAtRecorded'
> & {
  readonly startedAt: RecordedTime;
  readonly finishedAt: RecordedTime;
};

/**
 * One entry per backup set in the file, as this instance reads it. A file that is missing, cut or no backup throws SqlServerError of class
 * `media`; one that is locked or whose share is away, `transient`.
 */
export const observeHeaders = async (
  server: SqlServer,
  params: { readonly path: string; readonly majorVersion: number },
): Promise<Observed & { readonly headers: readonly HeaderFact[] }> => {
  const { observedAt: at, rows } = await observeRows(server, evidence.backupHeaders, params);
  const headers = rows.map(({ startedAtRecorded, finishedAtRecorded, ...header }) => ({
    ...header,
    startedAt: { recorded: startedAtRecorded, basis: 'LOCAL' as const },
    finishedAt: { recorded: finishedAtRecorded, basis: 'LOCAL' as const },
  }));
  return { observedAt: at, headers };
};

export type FileFact = { readonly exists: boolean; readonly isFolder: boolean; readonly folderExists: boolean };

/** Seen with the eyes of the instance's service account (sqlserver.md §7.2). */
export const observeFile = async (
  server: SqlServer,
  params: { readonly path: string; readonly majorVersion: number },
): Promise<Observed & FileFact> => {
  const { path, majorVersion } = params;
  if (majorVersion >= 14) {
    const { observedAt: at, rows } = await observeRows(server, evidence.fileExists, { path });
    const row = one(rows, 'File exists');
    return { observedAt: at, exists: row.fileExists, isFolder: row.isFolder, folderExists: row.parentExists };
  }
  const { observedAt: at, rows } = await observeRows(server, evidence.fileExistsBefore2017, { path });
  const row = one(rows, 'File exists');
  return {
    observedAt: at,
    exists: row['File Exists'],
    isFolder: row['File is a Directory'],
    folderExists: row['Parent Directory Exists'],
  };
};

/** Whether an ONLINE database holds the mark, and its newest marks by time stamp (newest first). */
export const observeMarkLog = async (
  server: SqlServer,
  params: { readonly database: string; readonly mark: MarkName },
): Promise<Observed & { readonly holdsMark: boolean; readonly newest: readonly string[] }> => {
  const at = observedAt(server);
  const entries = await server.query(evidence.markLogEntry, params);
  const newest = await server.query(evidence.markLogNewest, { database: params.database, rows: 20 });
  return {
    observedAt: at,
    holdsMark: entries.some(entry => entry.markName === params.mark),
    newest: newest.map(row => row.markName),
  };
};
