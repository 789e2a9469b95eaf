import type { DatabaseId, StandbyId } from '@holdfast/domain';
import type { BackupFileState, BackupSetState } from '@holdfast/domain/backup-set';
import type { Lsn } from '@holdfast/domain/lsn';
import type { Reader } from '@holdfast/store';
import type { ShippingTables } from '../tables.ts';

type Db = Reader<ShippingTables>;

/**
 * From which LSN on each database's files matter: a file that ends before it has nothing for a database that stands there. One that ends
 * exactly there tells which set was restored last.
 */
export type Window = ReadonlyMap<DatabaseId, Lsn>;

/** Files that can be read at the source; of sets in these states nothing is taken. */
export const present: readonly BackupFileState[] = ['PRESENT', 'VERIFIED'];
export const unfinished: readonly BackupSetState[] = ['RUNNING', 'VOID'];

const digits = 25;

/** LSNs as text whose order is that of the numbers: numeric(25,0) has no more digits. */
export function sortable(lsn: string): string {
  return lsn.padStart(digits, '0');
}

/** The ids of the sets that have a file in the window. It must not be empty. */
export function setsWithin(db: Db, window: Window) {
  return db
    .selectFrom('known_file')
    .select('set_id')
    .where(eb =>
      eb.or(
        [...window].map(([databaseId, from]) =>
          eb.and([eb('database_id', '=', databaseId), eb('last_lsn_sorted', '>=', sortable(from))]),
        ),
      ),
    );
}

/** A full from which a mark can be reached. */
export type Base = { readonly endsAt: Lsn; readonly takenAt: string };

/**
 * The newest full of the database that a later log with a mark makes usable. `standbyId`: of what is whole and recognised there, else of
 * what can be read at the source. `upTo`: it ends there or before. By time, since LSNs go back where a source was once set back.
 */
export async function findBase(
  db: Db,
  databaseId: DatabaseId,
  { standbyId, upTo }: { readonly standbyId?: StandbyId; readonly upTo?: Lsn } = {},
): Promise<Base | undefined> {
  const logs = db
    .selectFrom('known_file as log')
    .select('log.file_id')
    .where('log.database_id', '=', databaseId)
    // Said for the index: a mark lies before the end of its log.
    .whereRef('log.last_lsn_sorted', '>', 'full.last_lsn_sorted' as never)
    .whereRef('log.mark_lsn_sorted', '>=', 'full.last_lsn_sorted' as never);
  const fulls = db
    .selectFrom('known_file as full')
    .select(['full.last_lsn_sorted as end', 'full.taken_at as takenAt'])
    .where('full.database_id', '=', databaseId)
    .where('full.set_type', '=', 'FULL')
    .where('full.last_lsn_sorted', 'is not', null)
    .orderBy('full.taken_at', 'desc')
    .orderBy('full.last_lsn_sorted', 'desc');
  const whole = db
    .selectFrom('copy')
    .select('copy.file_id')
    .where('copy.standby_id', '=', standbyId ?? '')
    .where('copy.database_id', '=', databaseId)
    .where('copy.state', '=', 'VERIFIED')
    .where(eb =>
      eb.or([eb('copy.damaged_sha256', 'is', null), eb('copy.damaged_sha256', '!=', eb.ref('copy.sha256'))]),
    );
  const found =
    standbyId === undefined
      ? fulls
          .where('full.state', 'in', present)
          .where('full.set_state', 'not in', unfinished)
          .where(eb => eb.exists(logs.where('log.state', 'in', present)))
      : fulls.where('full.file_id', 'in', whole).where(eb => eb.exists(logs.where('log.file_id', 'in', whole)));
  const early = upTo === undefined ? found : found.where('full.last_lsn_sorted', '<=', sortable(upTo));
  const row = await db.dialect.page(early, 1).executeTakeFirst();
  if (row === undefined || row.end === null) return undefined;
  return { endsAt: row.end.replace(/^0+(?=\d)/, '') as Lsn, takenAt: row.takenAt };
}
