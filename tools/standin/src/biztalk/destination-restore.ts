/** The jobs Restore Databases and Restore To Mark (biztalk-dr.md §3.4, §3.6): real RESTOREs, in the order of destination-plan.ts. */
import { joinServerPath } from '../engine/host-paths.ts';
import { isFailure, SqlError } from '../messages.ts';
import { complaint, quoted, typedText } from './group-context.ts';
import { nextWork, repairs, setOfMark, type HistoryFile, type Work } from './destination-plan.ts';
import { DestinationStore, type Settings, type Source } from './destination-store.ts';
import type { DestinationNames } from './destination-names.ts';
import type { ProcedureContext, SqlFailure } from '../contract.ts';

/** Does not end while sets are left that may be restored; with nothing to do it succeeds. */
export async function restoreDatabases(context: ProcedureContext, names: DestinationNames): Promise<number> {
  const store = new DestinationStore(context, names);
  const settings = await store.settings();
  for (const source of await store.sources()) {
    for (;;) {
      const sets = await store.sets(source);
      const work = nextWork(sets, await store.pointer(source), settings);
      if (work === undefined) break;
      try {
        await restoreSet(context, store, source, work);
      } catch (failure) {
        await repair(context, store, source, { failed: work, failure, settings });
      }
    }
  }
  return 0;
}

type Failed = { readonly failed: Work; readonly failure: unknown; readonly settings: Settings };

/** S6: with the next valid full that can be restored; without one the failure is the job's, again at every run until one arrives. */
async function repair(
  context: ProcedureContext,
  store: DestinationStore,
  source: Source,
  given: Failed,
): Promise<void> {
  const { failed, failure, settings } = given;
  if (!isFailure(failure) || failure.scope === 'connection') throw failure;
  let last: SqlFailure = failure;
  for (const full of repairs(await store.sets(source), failed.set.id, settings)) {
    tell(context, last);
    try {
      await restoreSet(context, store, source, full);
      return;
    } catch (another) {
      if (!isFailure(another) || another.scope === 'connection') throw another;
      last = another;
    }
  }
  throw last;
}

/** What was repaired is information (unverified). */
function tell(context: ProcedureContext, { messages }: SqlFailure): void {
  for (const { number, text } of messages)
    context.raise({ number: 50_000, severity: 10, state: 1, text: `${number}: ${text}` });
}

/** Each file is noted when it is restored: after a failure half way only the rest is. */
async function restoreSet(
  context: ProcedureContext,
  store: DestinationStore,
  source: Source,
  work: Work,
): Promise<void> {
  const { set, files, passed, startOver, movesPointer } = work;
  if (startOver) await store.clearRestored(source, set.id);
  const verb = set.kind === 'full' ? 'DATABASE' : 'LOG';
  for (const file of files) {
    await context.execute(`RESTORE ${verb} ${quoted(file.database)} FROM DISK = @file WITH NORECOVERY`, {
      file: typedText(await pathOf(store, source, file, set.kind)),
    });
    await store.setRestored(source, file);
  }
  for (const file of passed) await store.setPassed(source, file);
  if (movesPointer) await store.movePointer(source, set.id);
}

/** The folders of bts_LogShippingDatabases go before that of the history (S10). */
async function pathOf(
  store: DestinationStore,
  source: Source,
  file: HistoryFile,
  kind: 'full' | 'log',
): Promise<string> {
  const override = (await store.folders(source, file))[kind];
  return joinServerPath(override === '' ? file.fileLocation : override, file.fileName);
}

/**
 * S3: the last set alone, each of its files with RECOVERY at the mark. A mark that is not in a file is 4329, information: that database stays
 * RESTORING and the job succeeds all the same (biztalk-dr.md §7.2 F-34). What was recovered by an earlier run is left alone.
 */
export async function restoreToMark(context: ProcedureContext, names: DestinationNames): Promise<number> {
  const store = new DestinationStore(context, names);
  const settings = await store.settings();
  for (const source of await store.sources()) {
    const set = setOfMark(await store.sets(source), settings);
    if (set === undefined)
      throw new SqlError([complaint('There is no complete log set.', names.restoreToMark)], 'statement');
    for (const file of set.files) {
      if (file.restored) continue;
      await context.execute(
        `RESTORE LOG ${quoted(file.database)} FROM DISK = @file WITH RECOVERY, STOPATMARK = @mark`,
        {
          file: typedText(await pathOf(store, source, file, 'log')),
          mark: typedText(file.mark ?? '', 32),
        },
      );
      await store.setRestored(source, file);
    }
    await store.movePointer(source, set.id);
  }
  return 0;
}

/** The source's jobs, as they were at the last import: old paths and server names included (biztalk-dr.md §4.3 step 20). */
export async function createSourceJobs(context: ProcedureContext, names: DestinationNames): Promise<number> {
  const store = new DestinationStore(context, names);
  const { jobsEnabled } = await store.settings();
  for (const { name, enabled, script } of await store.jobs()) {
    const found = await context.query('SELECT 1 AS one FROM msdb.dbo.sysjobs WHERE name = @name', {
      name: typedText(name, 128),
    });
    if (found.length > 0) continue;
    await context.query(script, {
      enabled: { type: { name: 'tinyint' }, value: jobsEnabled && enabled ? 1n : 0n },
    });
  }
  return 0;
}
