/** What a BizTalk Management database says (biztalk-dr.md §1.1, §1.3, §2.7). Claims, not evidence: names as configured, rows as written. */
import { saysNoSuchDatabase } from './conditions.ts';
import { type Observed, observedAt, observeRows } from './observe.ts';
import type { RecordedTime } from './recorded-time.ts';
import type { SqlServer } from './server.ts';
import type { Row } from './statement.ts';
import * as statements from './statements-management.ts';

export type GroupRow = Row<typeof statements.group.columns>;
export type MessageBoxRow = Row<typeof statements.messageBoxes.columns>;
export type OtherDatabaseRow = Row<typeof statements.otherBackupDatabases.columns>;
export type CoveredDatabaseRow = Row<typeof statements.backupDatabases.columns>;

export type Management = Observed & {
  readonly group: GroupRow;
  readonly messageBoxes: readonly MessageBoxRow[];
  readonly otherDatabases: readonly OtherDatabaseRow[];
  /** Exactly what the Backup job covers. */
  readonly coveredDatabases: readonly CoveredDatabaseRow[];
};

export type NotAManagementDatabase = Observed & {
  readonly refused: 'NotAManagementDatabase';
  /** Names of the objects that are not there; the database's own name when it does not exist. */
  readonly missing: readonly string[];
};

// What discovery reads; the backup tables are looked for as well, because a group without them has no job to protect it.
const needed = [
  'adm_Group',
  'adm_MessageBox',
  'adm_OtherBackupDatabases',
  'admv_BackupDatabases',
  'adm_BackupHistory',
  'adm_BackupSettings',
] as const;

const presentObjects = async (server: SqlServer, management: string): Promise<ReadonlySet<string> | undefined> => {
  try {
    const rows = await server.query(statements.managementObjects, { management });
    return new Set(rows.map(row => row.name.toLowerCase()));
  } catch (error) {
    if (saysNoSuchDatabase(error)) return undefined;
    throw error;
  }
};

export const observeManagement = async (
  server: SqlServer,
  management: string,
): Promise<Management | NotAManagementDatabase> => {
  const at = observedAt(server);
  const present = await presentObjects(server, management);
  if (present === undefined) return { observedAt: at, refused: 'NotAManagementDatabase', missing: [management] };
  const missing = needed.filter(name => !present.has(name.toLowerCase()));
  if (missing.length > 0) return { observedAt: at, refused: 'NotAManagementDatabase', missing };
  const params = { management };
  const [group] = await server.query(statements.group, params);
  // The table is there but names no group: a Management database that was never configured.
  if (group === undefined)
    return { observedAt: at, refused: 'NotAManagementDatabase', missing: ['a row in adm_Group'] };
  return {
    observedAt: at,
    group,
    messageBoxes: await server.query(statements.messageBoxes, params),
    otherDatabases: await server.query(statements.otherBackupDatabases, params),
    coveredDatabases: await server.query(statements.backupDatabases, params),
  };
};

/** One row of adm_BackupHistory: one file of one set. */
export type HistoryFact = {
  readonly backupId: string;
  /** adm_BackupHistory.BackupSetId, decimal. */
  readonly setId: string;
  readonly type: 'FULL' | 'LOG';
  /** Null on full sets. */
  readonly markName: string | null;
  readonly databaseName: string;
  readonly fileName: string;
  /** Folder as the source wrote it. */
  readonly fileLocation: string;
  /** The run's time stamp: UTC or local as the job was told; no row says which. */
  readonly startedAt: RecordedTime;
  readonly setComplete: boolean;
  readonly serverName: string | null;
};

const setType = (type: string): 'FULL' | 'LOG' => {
  const known = type.trim().toLowerCase();
  if (known === 'db') return 'FULL';
  if (known === 'lg') return 'LOG';
  throw new Error(`adm_BackupHistory.BackupType is neither db nor lg: ${JSON.stringify(type)}.`);
};

/** Rows from `fromSetId` (decimal, inclusive) on, in the order of their sets. */
export const observeBackupHistory = async (
  server: SqlServer,
  params: { readonly management: string; readonly fromSetId: string },
): Promise<Observed & { readonly history: readonly HistoryFact[] }> => {
  const { observedAt: at, rows } = await observeRows(server, statements.backupHistory, params);
  const history = rows.map(({ type, startedAtRecorded, server: serverName, ...row }) => ({
    ...row,
    type: setType(type),
    startedAt: { recorded: startedAtRecorded, basis: 'UNKNOWN' as const },
    serverName,
  }));
  return { observedAt: at, history };
};

/** Null when the single row is missing. */
export const observeBackupSettings = async (
  server: SqlServer,
  management: string,
): Promise<Observed & { readonly settings: Row<typeof statements.backupSettings.columns> | null }> => {
  const { observedAt: at, rows } = await observeRows(server, statements.backupSettings, { management });
  return { observedAt: at, settings: rows[0] ?? null };
};
