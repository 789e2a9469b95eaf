import type {
  BackupFileId,
  BackupSetId,
  DatabaseId,
  GroupId,
  InstanceId,
  Lsn,
  MarkName,
  Reason,
} from '@holdfast/domain';
import type { BackupFileState, BackupSetState } from '@holdfast/domain/backup-set';
import type { CursorKey, Page } from '@holdfast/service/graphql';
import type { Reader, Transactor } from '@holdfast/store';
import type { FileRequest, LedgerFile, LedgerHeader } from '../backup-file/backup-file.ts';
import type { BackupTables } from '../tables.ts';
import { type FinalSet, type HistoryRow, isSettled, type LedgerSet, sortKeyOf } from './backup-set.ts';

type Db = Reader<BackupTables>;
type Tx = Transactor<BackupTables>;
type SetRow = BackupTables['backup_set'];
type FileRow = BackupTables['backup_file'];

export const setCursor = (set: LedgerSet): CursorKey => [sortKeyOf(set)];

/** Newest first, one row more than the page: it tells that there is a next one. */
export async function pageOfSets(
  db: Db,
  groupId: GroupId,
  page: Page,
  only: { readonly type?: LedgerSet['type'] | undefined; readonly state?: BackupSetState | undefined },
): Promise<LedgerSet[]> {
  let query = db.selectFrom('backup_set').selectAll().where('group_id', '=', groupId).orderBy('sort_key', 'desc');
  const after = page.after?.[0];
  if (typeof after === 'string') query = query.where('sort_key', '<', after);
  if (only.type !== undefined) query = query.where('type', '=', only.type);
  if (only.state !== undefined) query = query.where('state', '=', only.state);
  return withFiles(db, await db.dialect.page(query, page.first + 1).execute());
}

export async function findSets(db: Db, ids: readonly BackupSetId[]): Promise<LedgerSet[]> {
  return withFiles(db, await db.selectFrom('backup_set').selectAll().where('id', 'in', ids).execute());
}

export async function findFiles(db: Db, ids: readonly BackupFileId[]): Promise<LedgerFile[]> {
  return (await db.selectFrom('backup_file').selectAll().where('id', 'in', ids).execute()).map(toFile);
}

// Sorts after every number and every start.
const end = '~';

/** The group's sets from this one on, up to and with another where one is given, oldest first. */
export async function setsFrom(db: Db, groupId: GroupId, sortKey: string, upTo = end): Promise<LedgerSet[]> {
  const rows = await db
    .selectFrom('backup_set')
    .selectAll()
    .where('group_id', '=', groupId)
    .where('sort_key', '>=', sortKey)
    .where('sort_key', '<=', upTo)
    .orderBy('sort_key')
    .execute();
  const files = await db
    .selectFrom('backup_file')
    .innerJoin('backup_set', 'backup_set.id', 'backup_file.set_id')
    .selectAll('backup_file')
    .where('backup_set.group_id', '=', groupId)
    .where('backup_set.sort_key', '>=', sortKey)
    .where('backup_set.sort_key', '<=', upTo)
    .orderBy('backup_file.row_index')
    .execute();
  return assemble(rows, files);
}

/**
 * The ledger from this set on, oldest first, with the files only of those sets that may still change: what is final costs a few columns. A
 * final set is in full when it is in `also`, or ORPHANED, for what came before it may become whole.
 */
export async function openSetsFrom(
  db: Db,
  groupId: GroupId,
  sortKey: string,
  also: readonly BackupSetId[] = [],
): Promise<(LedgerSet | FinalSet)[]> {
  const ofGroup = db.selectFrom('backup_set').where('group_id', '=', groupId).where('sort_key', '>=', sortKey);
  const finals = await ofGroup
    .select(['id', 'number', 'sort_key', 'type', 'state', 'started_at_recorded'])
    .where('settled', '=', 1)
    .where('state', '<>', 'ORPHANED')
    .execute();
  const open = await ofGroup
    .select('id')
    .where(where => where.or([where('settled', '=', 0), where('state', '=', 'ORPHANED')]))
    .execute();
  const full = await findSets(db, [...new Set([...open.map(({ id }) => id as BackupSetId), ...also])]);
  const inFull = new Set(full.map(({ setId }) => setId));
  const rest = finals.flatMap(row => {
    const setId = row.id as BackupSetId;
    const { number, started_at_recorded: startedAtRecorded } = row;
    if (inFull.has(setId)) return [];
    const [type, state] = [row.type as LedgerSet['type'], row.state as BackupSetState];
    return [{ setId, number, startedAtRecorded, type, state, isFinal: true as const }];
  });
  return [...full, ...rest].toSorted((a, b) => (sortKeyOf(a) < sortKeyOf(b) ? -1 : 1));
}

/** Where the newest full set before this one begins; '' when there is none. */
export async function findFullBefore(db: Db, groupId: GroupId, sortKey: string): Promise<string> {
  const fulls = db
    .selectFrom('backup_set')
    .select('sort_key')
    .where('group_id', '=', groupId)
    .where('type', '=', 'FULL')
    .where('sort_key', '<', sortKey)
    .orderBy('sort_key', 'desc');
  return (await db.dialect.page(fulls, 1).executeTakeFirst())?.sort_key ?? '';
}

/**
 * The first full set after this key that is proven and has all these databases: no chain to a later mark needs what lies before it, for a
 * chain from an older full runs through the same logs. Undefined when there is none.
 */
export async function findFreshStart(
  db: Db,
  groupId: GroupId,
  sortKey: string,
  databaseIds: readonly string[],
): Promise<string | undefined> {
  const rows = await db
    .selectFrom('backup_file')
    .innerJoin('backup_set', 'backup_set.id', 'backup_file.set_id')
    .select(['backup_set.sort_key', 'backup_file.database_id'])
    .where('backup_set.group_id', '=', groupId)
    .where('backup_set.sort_key', '>', sortKey)
    .where('backup_set.type', '=', 'FULL')
    .where('backup_set.state', '=', 'VERIFIED')
    .orderBy('backup_set.sort_key')
    .execute();
  const fulls = Map.groupBy(rows, ({ sort_key }) => sort_key);
  return [...fulls].find(([, files]) => {
    const present = new Set(files.map(({ database_id }) => database_id));
    return databaseIds.every(id => present.has(id));
  })?.[0];
}

/** When the newest full set began, RFC 3339 UTC; null without one, or while its time is not known. */
export async function findNewestFullStart(db: Db, groupId: GroupId): Promise<string | null> {
  const fulls = db
    .selectFrom('backup_set')
    .select('started_at')
    .where('group_id', '=', groupId)
    .where('type', '=', 'FULL')
    .orderBy('sort_key', 'desc');
  return (await db.dialect.page(fulls, 1).executeTakeFirst())?.started_at ?? null;
}

export type LedgerEnd = {
  /** The lowest set that is not settled, or the newest one: from here the history is read again. */
  readonly readFrom: { readonly number: string; readonly sortKey: string } | null;
  /** The newest set that the history listed. */
  readonly newest: { readonly setId: BackupSetId; readonly number: string } | null;
};

export async function findLedgerEnd(db: Db, groupId: GroupId): Promise<LedgerEnd> {
  const ofGroup = db.selectFrom('backup_set').select(['id', 'number', 'sort_key']).where('group_id', '=', groupId);
  const open = await db.dialect.page(ofGroup.where('settled', '=', 0).orderBy('sort_key'), 1).executeTakeFirst();
  const listed = ofGroup.where('history_rows', '<>', '[]').orderBy('sort_key', 'desc');
  const newest = await db.dialect.page(listed, 1).executeTakeFirst();
  const from = open ?? newest;
  return {
    readFrom: from === undefined ? null : { number: from.number, sortKey: from.sort_key },
    newest: newest === undefined ? null : { setId: newest.id as BackupSetId, number: newest.number },
  };
}

/** The nearest PARTIAL or SUSPECT log set before this key with no whole full in between; null: none. */
export async function findBrokenBefore(db: Db, groupId: GroupId, sortKey: string): Promise<string | null> {
  const before = db
    .selectFrom('backup_set')
    .select(['number', 'sort_key'])
    .where('group_id', '=', groupId)
    .where('sort_key', '<', sortKey)
    .orderBy('sort_key', 'desc');
  const broken = before.where('type', '=', 'LOG').where('state', 'in', ['PARTIAL', 'SUSPECT']);
  const whole = before.where('type', '=', 'FULL').where('state', 'in', ['COMPLETE', 'VERIFIED']);
  const lastBroken = await db.dialect.page(broken, 1).executeTakeFirst();
  const lastWhole = await db.dialect.page(whole, 1).executeTakeFirst();
  const stands = lastBroken !== undefined && (lastWhole === undefined || lastWhole.sort_key < lastBroken.sort_key);
  return stands ? lastBroken.number : null;
}

/**
 * Files that are due to be looked at, newest sets first; those that nobody has tried yet alone, since who copies waits for them. What the job
 * may still be writing is left alone.
 */
export async function dueFiles(db: Db, groupId: GroupId, now: string, limit: number): Promise<FileRequest[]> {
  const query = db
    .selectFrom('backup_file')
    .innerJoin('backup_set', 'backup_set.id', 'backup_file.set_id')
    .selectAll('backup_file')
    .select('backup_set.type')
    .where('backup_file.group_id', '=', groupId)
    .where('backup_file.next_check_at', '<=', now)
    .where('backup_set.state', 'not in', ['RUNNING', 'PURGED'])
    .orderBy('backup_set.sort_key', 'desc')
    .orderBy('backup_file.row_index');
  const rows = await db.dialect.page(query, limit).execute();
  const due = rows.map(row => ({ file: toFile(row), type: row.type as LedgerSet['type'] }));
  const untried = due.filter(({ file }) => file.nextCheckAt === file.seenAt);
  return untried.length > 0 ? untried : due;
}

/** The set with its files. */
export async function saveSet(tx: Tx, set: LedgerSet): Promise<void> {
  const row = toSetRow(set);
  const columns = [
    'version',
    'time_basis',
    'started_at',
    'state',
    'reasons',
    'history_rows',
    'covered_databases',
    'settled',
    'published_hash',
  ] as const;
  await tx.dialect.upsert(tx.insertInto('backup_set').values(row), { key: ['id'], columns }).execute();
  for (const file of set.files) await saveFile(tx, file);
}

export async function saveFile(tx: Tx, file: LedgerFile): Promise<void> {
  const columns = [
    'position',
    'state',
    'reasons',
    'header',
    'mark_lsn',
    'marked_at_recorded',
    'marked_at',
    'checked_at',
    'next_check_at',
  ] as const;
  await tx.dialect.upsert(tx.insertInto('backup_file').values(toFileRow(file)), { key: ['id'], columns }).execute();
}

async function withFiles(db: Db, rows: readonly SetRow[]): Promise<LedgerSet[]> {
  if (rows.length === 0) return [];
  const files = await db
    .selectFrom('backup_file')
    .selectAll()
    .where(
      'set_id',
      'in',
      rows.map(({ id }) => id),
    )
    .orderBy('row_index')
    .execute();
  return assemble(rows, files);
}

function assemble(rows: readonly SetRow[], files: readonly FileRow[]): LedgerSet[] {
  const bySet = Map.groupBy(files, ({ set_id }) => set_id);
  return rows.map(row => toSet(row, (bySet.get(row.id) ?? []).map(toFile)));
}

function toSetRow(set: LedgerSet): SetRow {
  return {
    id: set.setId,
    group_id: set.groupId,
    version: set.version,
    number: set.number,
    sort_key: sortKeyOf(set),
    type: set.type,
    mark_name: set.markName,
    started_at_recorded: set.startedAtRecorded,
    time_basis: set.timeBasis,
    started_at: set.startedAt,
    state: set.state,
    reasons: JSON.stringify(set.reasons),
    history_rows: JSON.stringify(set.rows),
    covered_databases: set.coveredDatabases === null ? null : JSON.stringify(set.coveredDatabases),
    settled: isSettled(set) ? 1 : 0,
    published_hash: set.publishedHash,
  };
}

function toSet(row: SetRow, files: readonly LedgerFile[]): LedgerSet {
  return {
    setId: row.id as BackupSetId,
    groupId: row.group_id as GroupId,
    version: row.version,
    number: row.number,
    type: row.type as LedgerSet['type'],
    markName: row.mark_name as MarkName | null,
    startedAtRecorded: row.started_at_recorded,
    timeBasis: row.time_basis as LedgerSet['timeBasis'],
    startedAt: row.started_at,
    state: row.state as BackupSetState,
    reasons: JSON.parse(row.reasons) as Reason[],
    rows: JSON.parse(row.history_rows) as HistoryRow[],
    coveredDatabases: row.covered_databases === null ? null : (JSON.parse(row.covered_databases) as string[]),
    files,
    publishedHash: row.published_hash,
  };
}

function toFileRow(file: LedgerFile): FileRow {
  return {
    id: file.fileId,
    set_id: file.setId,
    group_id: file.groupId,
    row_index: file.rowIndex,
    database_id: file.databaseId,
    database_name: file.databaseName,
    source_instance_id: file.sourceInstanceId,
    source_instance: file.sourceInstance,
    path: file.path,
    position: file.position,
    state: file.state,
    reasons: JSON.stringify(file.reasons),
    header: file.header === null ? null : JSON.stringify(file.header),
    mark_lsn: file.markLsn,
    marked_at_recorded: file.markedAtRecorded,
    marked_at: file.markedAt,
    seen_at: file.seenAt,
    checked_at: file.checkedAt,
    next_check_at: file.nextCheckAt,
  };
}

function toFile(row: FileRow): LedgerFile {
  return {
    fileId: row.id as BackupFileId,
    setId: row.set_id as BackupSetId,
    groupId: row.group_id as GroupId,
    rowIndex: row.row_index,
    databaseId: row.database_id as DatabaseId,
    databaseName: row.database_name,
    sourceInstanceId: row.source_instance_id as InstanceId,
    sourceInstance: row.source_instance,
    path: row.path,
    position: row.position,
    state: row.state as BackupFileState,
    reasons: JSON.parse(row.reasons) as Reason[],
    header: row.header === null ? null : (JSON.parse(row.header) as LedgerHeader),
    markLsn: row.mark_lsn as Lsn | null,
    markedAtRecorded: row.marked_at_recorded,
    markedAt: row.marked_at,
    seenAt: row.seen_at,
    checkedAt: row.checked_at,
    nextCheckAt: row.next_check_at ?? row.seen_at,
  };
}
