/** What others do to a database just before a BACKUP of it (sqlserver.md §9.4; biztalk-dr.md §7.1 F-05, F-06, F-19, §7.2 F-24). */
import type { StoredDatabase } from '../engine/stored-database.ts';
import type { Meddling } from '../faults/database-faults.ts';

/** `backUp`: a backup of the database that nobody asked for, on a device of the default backup folder. */
export async function meddle(
  database: StoredDatabase,
  meddling: Meddling,
  timeMs: number,
  backUp: (kind: 'database' | 'log', path: string) => Promise<void>,
): Promise<void> {
  const device = `${database.name}_foreign.bak`;
  switch (meddling) {
    case 'foreign full':
      return backUp('database', device);
    case 'foreign log':
      return backUp('log', device);
    case 'simple and back':
      // Back to what it was: the chain is broken all the same.
      database.change({ lastLogBackupLsn: undefined, chainBegins: false });
      return;
    case 'simple':
      database.change({ recoveryModel: 'SIMPLE', lastLogBackupLsn: undefined, chainBegins: false });
      return;
    case 'gap':
      if (database.lastLogBackupLsn === undefined) return;
      // A record more, so that there is something to leave out.
      database.log.append({ kind: 'checkpoint', timeMs });
      database.change({ lastLogBackupLsn: database.log.nextLsn });
  }
}
