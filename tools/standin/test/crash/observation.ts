/** What can be seen of an instance over the wire, as facts that two runs of the same work share: no ids, no times. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { causeOf } from './failure.ts';
import { folders, type Instance, type Row } from './instance.ts';

/** Fact → value. A fact that is missing is `none`. */
export type Facts = ReadonlyMap<string, string>;

export type Observation = {
  readonly facts: Facts;
  /** What must never be, whenever the process died. */
  readonly complaints: readonly string[];
};

type BackupSet = { readonly guid: string; readonly device: string };

export async function observe(instance: Instance, world: string): Promise<Observation> {
  const facts = new Map<string, string>();
  const sets: BackupSet[] = [];
  for (const name of readdirSync(join(world, 'share')).sort()) {
    const seen = await readDevice(instance, name, sets);
    add(facts, `file ${timeless(name)}`, seen);
  }
  for (const [fact, value] of await databaseFacts(instance)) facts.set(fact, value);
  for (const [fact, value] of await historyFacts(instance)) facts.set(fact, value);
  return {
    facts,
    complaints: [...(await strayFiles(instance, world)), ...(await unfoundedRows(instance, facts, sets))],
  };
}

/**
 * Which facts are no longer as `before`: those that are as after the whole statement with `done`, all others with their value (# for an LSN).
 * Empty when nothing happened.
 */
export function changes(found: Facts, before: Facts, done: Facts): string {
  const names = [...new Set([...before.keys(), ...done.keys(), ...found.keys()])];
  const valueIn = (facts: Facts, name: string): string => facts.get(name) ?? 'none';
  const changed = names.filter(name => valueIn(found, name) !== valueIn(before, name));
  return render(
    changed.map(name => [
      name,
      valueIn(found, name) === valueIn(done, name) ? 'done' : valueIn(found, name).replace(/\d{17,25}/g, '#'),
    ]),
  );
}

/** Everything that may be found within a statement whose effects come one after the other; each step is `fact: value, …` as `changes` says it. */
export function prefixes(steps: readonly string[]): readonly string[] {
  const facts = new Map<string, string>();
  return steps.map(step => {
    for (const part of step.split(', ')) {
      const at = part.indexOf(': ');
      facts.set(part.slice(0, at), part.slice(at + 2));
    }
    return render([...facts]);
  });
}

function render(facts: readonly (readonly [string, string])[]): string {
  return facts
    .map(([name, value]) => `${name}: ${value}`)
    .sort()
    .join(', ');
}

/** Names of marks and of the Backup job's files carry the time. */
export function timeless(text: string): string {
  return text.replace(/BTS_\d{4}(_\d+)+/g, 'BTS');
}

function add(facts: Map<string, string>, fact: string, value: string): void {
  const known = facts.get(fact);
  facts.set(fact, known === undefined ? value : [known, value].sort().join(' / '));
}

/** Every set of a device as RESTORE would meet it: `whole`, or `refused` for good. */
async function readDevice(instance: Instance, name: string, sets: BackupSet[]): Promise<string> {
  const device = `DISK = N'S:\\Backup\\${name}'`;
  const seen: string[] = [];
  for (let position = 1; ; position += 1) {
    try {
      const [header] = await instance.rows(`RESTORE HEADERONLY FROM ${device} WITH FILE = ${position}`);
      const checksum = header?.['HasBackupChecksums'] === 'true' ? ', CHECKSUM' : '';
      await instance.run(`RESTORE VERIFYONLY FROM ${device} WITH FILE = ${position}${checksum}`);
      sets.push({ guid: header?.['BackupSetGUID'] ?? '', device: name });
      seen.push('whole');
    } catch (failure) {
      const number = causeOf(failure);
      if (number === 3287) return seen.join(' ');
      // The numbers of sqlserver.md §2.4 for files that were cut short; anything else is not a refusal but a surprise.
      seen.push([3203, 3241, 3254, 3256].includes(number) ? 'refused' : String(number));
      return seen.join(' ');
    }
  }
}

async function databaseFacts(instance: Instance): Promise<readonly (readonly [string, string])[]> {
  const facts: (readonly [string, string])[] = [];
  const databases = await instance.rows(
    `SELECT d.name, d.state_desc, d.recovery_model_desc, d.user_access_desc, CONVERT(varchar(25), MIN(f.redo_start_lsn)) AS redo,
       CONVERT(varchar(25), MAX(r.last_log_backup_lsn)) AS chain, CONVERT(varchar(25), MIN(f.differential_base_lsn)) AS base
     FROM sys.databases d LEFT JOIN sys.master_files f ON f.database_id = d.database_id AND f.type = 0
       LEFT JOIN sys.database_recovery_status r ON r.database_id = d.database_id
     WHERE d.database_id > 4 GROUP BY d.name, d.state_desc, d.recovery_model_desc, d.user_access_desc`,
  );
  for (const database of databases) {
    const name = database['name'] ?? '';
    const parts = ['state_desc', 'recovery_model_desc', 'redo', 'chain'].map(key => database[key] ?? '-');
    facts.push([`database ${name}`, parts.join(' ')], [`base of ${name}`, database['base'] ?? 'none']);
    if (database['state_desc'] === 'ONLINE')
      facts.push([`content of ${name}`, await contentOf(instance, name)], ...(await jobFacts(instance, name)));
  }
  return facts;
}

/** Its tables, and the rows of `t`. */
export async function contentOf(instance: Instance, database: string): Promise<string> {
  const tables = await tablesOf(instance, database);
  const rows = `SELECT COUNT(*) AS n, SUM(id) AS s, SUM(LEN(v)) AS l FROM ${database}.dbo.t`;
  return [tables.join(' '), ...(tables.includes('t') ? [textOf(await instance.rows(rows))] : [])].join('; ');
}

async function tablesOf(instance: Instance, database: string): Promise<readonly string[]> {
  return (await instance.rows(`SELECT name FROM ${database}.sys.tables ORDER BY name`)).map(row => row['name'] ?? '');
}

/** What BizTalk's Backup job writes down, in a database that it covers. */
async function jobFacts(instance: Instance, database: string): Promise<readonly (readonly [string, string])[]> {
  const tables = await tablesOf(instance, database);
  const sets = `SELECT BackupSetId, DatabaseName, BackupType, SetComplete FROM ${database}.dbo.adm_BackupHistory ORDER BY BackupId`;
  return [
    ...(tables.includes('MarkLog')
      ? [
          [
            `marks of ${database}`,
            timeless(textOf(await instance.rows(`SELECT MarkName FROM ${database}.dbo.MarkLog`))),
          ] as const,
        ]
      : []),
    ...(tables.includes('adm_BackupHistory')
      ? [[`history of ${database}`, textOf(await instance.rows(sets))] as const]
      : []),
  ];
}

async function historyFacts(instance: Instance): Promise<readonly (readonly [string, string])[]> {
  const backups = await instance.rows(
    `SELECT s.database_name + ' ' + s.type AS made, m.physical_device_name AS device FROM msdb.dbo.backupset s
     JOIN msdb.dbo.backupmediafamily m ON m.media_set_id = s.media_set_id ORDER BY s.backup_set_id`,
  );
  const restores = await instance.rows(
    `SELECT destination_database_name AS name, restore_type AS type, recovery, stop_at_mark_name AS mark FROM msdb.dbo.restorehistory`,
  );
  const marks = await instance.rows(
    'SELECT database_name AS name, mark_name AS mark, CONVERT(varchar(25), lsn) AS lsn FROM msdb.dbo.logmarkhistory',
  );
  const facts = new Map<string, string>();
  for (const { made, device } of backups) add(facts, timeless(`msdb ${device?.split('\\').at(-1) ?? ''}`), made ?? '');
  for (const name of new Set(restores.map(row => row['name'] ?? ''))) {
    const steps = restores.filter(row => row['name'] === name);
    const told = steps.map(({ type, recovery, mark }) => `${type ?? ''} ${mark ?? '-'} ${recovery ?? ''}`);
    facts.set(`restores of ${name}`, [...new Set(told)].sort().join(' / '));
  }
  for (const { name, mark, lsn } of marks)
    add(facts, timeless(`mark ${mark ?? ''} in ${name ?? ''}`), mark?.startsWith('BTS') ? 'told' : `told ${lsn ?? ''}`);
  return [...facts];
}

/** Data and log files that belong to no database: they would refuse CREATE DATABASE (5170) and RESTORE (3142). */
async function strayFiles(instance: Instance, world: string): Promise<readonly string[]> {
  const owned = new Set(
    (await instance.rows('SELECT physical_name FROM sys.master_files')).map(row =>
      row['physical_name']?.split('\\').at(-1),
    ),
  );
  const [own, data] = folders;
  return [join(own, 'DATA'), data]
    .flatMap(folder => readdirSync(join(world, folder)))
    .filter(name => !owned.has(name) && !name.endsWith('.new'))
    .map(name => `${name} belongs to no database`);
}

/** Rows of msdb that tell of what did not happen, and databases that cannot be used. */
async function unfoundedRows(instance: Instance, facts: Facts, sets: readonly BackupSet[]): Promise<readonly string[]> {
  const rows = await instance.rows('SELECT backup_set_uuid AS guid, name, database_name FROM msdb.dbo.backupset');
  const known = new Set(sets.map(set => set.guid.toUpperCase()));
  const unfounded = rows
    .filter(row => !known.has((row['guid'] ?? '').toUpperCase()))
    .map((row: Row) => `msdb knows a backup of ${row['database_name'] ?? ''} that no file holds whole`);
  const broken = [...facts]
    .filter(([fact, value]) => fact.startsWith('database ') && /^(SUSPECT|RECOVERY_PENDING)/.test(value))
    .map(([fact, value]) => `${fact} is ${value}`);
  return [...unfounded, ...broken];
}

function textOf(rows: readonly Row[]): string {
  return rows.map(row => Object.values(row).join(' ')).join(' | ');
}
