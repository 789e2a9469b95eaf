/** How a killed statement is brought to its end after the restart, and what must then be true. Each returns what is wrong. */
import { causeOf } from './failure.ts';
import { changes, contentOf, observe, type Facts } from './observation.ts';
import { file, moved } from './template.ts';
import type { Instance } from './instance.ts';
import type { Aftermath, CleanRun } from './trial.ts';

export type Ending = (aftermath: Aftermath, clean: CleanRun) => Promise<readonly string[]>;

/** Refusals of files that were cut short (sqlserver.md §2.4), and of sets that are of another kind or already applied. */
const skipped = [3203, 3241, 3254, 3256, 3135, 4326];

/**
 * The statement is sent once more: it succeeds, or is refused with one of `benign` because it had been carried out; then everything is as after a
 * run that nobody disturbed. `unmended`: facts that stay as the crash left them.
 */
export function repeated(statement: string, benign: readonly number[] = [], unmended: readonly string[] = []): Ending {
  return async ({ instance, world }, clean) => {
    const number = await numberOf(instance.run(statement));
    if (number !== undefined && !benign.includes(number)) return [`the repeat was refused with ${number}`];
    const { facts, complaints } = await observe(instance, world);
    const expected = new Map(clean.done);
    for (const fact of unmended) if (facts.get(fact) === clean.before.get(fact)) copy(clean.before, expected, fact);
    const left = changes(atAnyLsn(facts), atAnyLsn(expected), atAnyLsn(expected));
    return [...complaints, ...(left === '' ? [] : [`after the repeat: ${left}`])];
  };
}

/** A mark that is set once more stands behind what the first attempt left in the log. */
function atAnyLsn(facts: Facts): Facts {
  return new Map(
    [...facts].map(([fact, value]) => [fact, fact.startsWith('mark ') ? (value.split(' ')[0] ?? '') : value]),
  );
}

function copy(from: Facts, to: Map<string, string>, fact: string): void {
  const value = from.get(fact);
  if (value === undefined) to.delete(fact);
  else to.set(fact, value);
}

/**
 * Backups of App go on under a new name (sqlserver.md §8.4), and from app-full every whole log file leads to exactly what App holds: nothing
 * committed before or after the crash is in no file. `app-2`, when it is whole, leads there by itself as well.
 */
export function chainGoesOn(kind: 'full' | 'differential' | 'log'): Ending {
  return async ({ instance, world }, clean) => {
    const online = (await observe(instance, world)).facts.get('database App')?.startsWith('ONLINE') === true;
    if (online) {
      await instance.run(`INSERT App.dbo.t VALUES (950, N'after the crash')`);
      await instance.run(`BACKUP LOG App TO ${file('app-3')} WITH CHECKSUM`);
    }
    await instance.run(`RESTORE DATABASE Proof FROM ${file('App-full')} WITH NORECOVERY, ${moved('App', 'Proof')}`);
    for (const name of ['App-log', 'app-2', 'app-3']) await applyLogs(instance, 'Proof', name);
    await instance.run('RESTORE DATABASE Proof WITH RECOVERY');
    const before = clean.before.get('content of App');
    const expected = online ? await contentOf(instance, 'App') : before;
    const found = await contentOf(instance, 'Proof');
    const alone = await restoredAlone(instance, kind);
    return [
      ...(found === expected ? [] : [`the chain leads to ${found}, not to ${expected ?? 'nothing'}`]),
      ...(alone === undefined || alone === before
        ? []
        : [`app-2 alone leads to ${alone}, not to ${before ?? 'nothing'}`]),
    ];
  };
}

async function applyLogs(instance: Instance, database: string, name: string): Promise<void> {
  for (let position = 1; ; position += 1) {
    const statement = `RESTORE LOG ${database} FROM ${file(name)} WITH NORECOVERY, FILE = ${position}`;
    const number = await numberOf(instance.run(statement));
    if (number === 3287 || number === 3201) return;
    if (number !== undefined && !skipped.includes(number)) throw new Error(`${statement}: ${number}`);
    // A device that cannot be read has no second set.
    if (number !== undefined && number < 3300 && number !== 3135) return;
  }
}

async function restoredAlone(instance: Instance, kind: 'full' | 'differential' | 'log'): Promise<string | undefined> {
  if (kind === 'log') return undefined;
  const base = kind === 'full' ? 'app-2' : 'App-full';
  const number = await numberOf(
    instance.run(`RESTORE DATABASE Alone FROM ${file(base)} WITH NORECOVERY, ${moved('App', 'Alone')}`),
  );
  if (number !== undefined && skipped.includes(number)) return undefined;
  if (kind === 'differential') {
    const refused = await numberOf(instance.run(`RESTORE DATABASE Alone FROM ${file('app-2')} WITH NORECOVERY`));
    if (refused !== undefined && skipped.includes(refused)) return undefined;
  }
  await instance.run('RESTORE DATABASE Alone WITH RECOVERY');
  return contentOf(instance, 'Alone');
}

/** The Backup job is simply run again by its next turn: a new set under a new id, complete (biztalk-dr.md §2.3). */
export function nextTurn(statement: string): Ending {
  return async ({ instance, world }) => {
    const ids = 'SELECT MAX(NextBackupSetId) AS id FROM Mgmt.dbo.adm_BackupSetId';
    const [next] = await instance.rows(ids);
    await instance.run(statement);
    const rows = await instance.rows(
      `SELECT DatabaseName, SetComplete FROM Mgmt.dbo.adm_BackupHistory WHERE BackupSetId = ${next?.['id'] ?? ''}`,
    );
    const complete = rows.filter(row => row['SetComplete'] === 'true').length;
    const { complaints } = await observe(instance, world);
    return complete === 2 ? complaints : [...complaints, `the next set has ${complete} of 2 databases`];
  };
}

/** Nothing has happened: `undone`. Everything has: `done`. */
export function eitherWay(undone: Ending, done: Ending): Ending {
  return (aftermath, clean) => (aftermath.changed === '' ? undone : done)(aftermath, clean);
}

/** Nothing is sent: the restart alone brings back everything. */
export const nothingToDo: Ending = () => Promise.resolve([]);

/** Undefined when it succeeded. */
async function numberOf(work: Promise<void>): Promise<number | undefined> {
  try {
    await work;
    return undefined;
  } catch (failure) {
    const number = causeOf(failure);
    if (Number.isNaN(number)) throw failure;
    return number;
  }
}
