/** Starting an instance: every database is loaded and recovered before the first session may come. */
import { settleTransactions, loadDatabase } from './crash-recovery.ts';
import { compareText } from './compare.ts';
import { Instance } from './instance.ts';
import { emptyTempdb, makeSystemDatabases } from './new-database.ts';
import { reopenStandby } from '../recovery/standby.ts';
import type { CommittedMark } from './commit.ts';
import type { EngineOptions } from './options.ts';

export async function startInstance(options: EngineOptions): Promise<Instance> {
  const { instance, state } = await Instance.open(options);
  if (state === undefined) {
    await makeSystemDatabases(instance);
    await instance.save();
    return instance;
  }
  for (const description of state.databases) {
    const { disk, hostPath } = instance;
    instance.add(description.id === 2 ? emptyTempdb(description) : await loadDatabase(disk, description, hostPath));
  }
  instance.skipTransactionIds(highestTransaction(instance));
  await recover(instance);
  return instance;
}

async function recover(instance: Instance): Promise<void> {
  const { found } = instance.journal;
  const timeMs = instance.clock().getTime();
  const databases = [...instance.databases.values()].filter(database => !database.volatile);
  const { branches } = instance;
  const marks = await settleTransactions(databases, found, timeMs, branches.decidedElsewhere);
  const missing = missingHistory(instance, marks);
  if (missing.length > 0) await instance.writeMarkHistory(missing).log.flush();
  for (const database of databases) if (database.recovered) await instance.checkpoint(database);
  for (const database of databases) await reopenStandby(instance, database);
  await branches.adopt(databases.filter(database => database.recovered));
  await instance.removeStrayFiles([...instance.strayFiles]);
  await instance.save();
  // Last: until here a second crash must find the decisions again. So must a database whose files come back later.
  if (databases.every(database => database.failure === undefined)) await instance.journal.forgetFound();
  else instance.journal.keepFound();
}

function highestTransaction(instance: Instance): bigint {
  let highest = 0n;
  for (const database of instance.databases.values()) {
    if (database.volatile) continue;
    for (const { entry } of database.log.records(0n, database.log.nextLsn)) {
      if ('transaction' in entry && entry.transaction > highest) highest = entry.transaction;
    }
  }
  for (const { transaction } of instance.journal.found.values()) {
    if (BigInt(transaction) > highest) highest = BigInt(transaction);
  }
  return highest;
}

function missingHistory(instance: Instance, marks: readonly CommittedMark[]): readonly CommittedMark[] {
  const table = instance.systemTable('msdb', 'logmarkhistory');
  const rows = [...table.live()].map(([, row]) => row);
  const [nameAt, lsnAt] = [table.columnAt('database_name'), table.columnAt('lsn')];
  return marks.filter(
    ({ database, lsn }) =>
      !rows.some(row => {
        const [name, at] = [row[nameAt], row[lsnAt]];
        const sameLsn = typeof at === 'object' && at !== null && 'unscaled' in at && at.unscaled === lsn;
        return sameLsn && typeof name === 'string' && compareText(name, database.name) === 0;
      }),
  );
}
