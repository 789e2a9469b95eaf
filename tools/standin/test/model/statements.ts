/** Steps as T-SQL. Databases and files of a schedule carry its prefix, so that many can live on one instance one after the other. */
import type { Ending, Landmark, StepOf, Step, Stop, Write } from './steps.ts';

/** Second 0 of every schedule. */
export const epochMs = Date.UTC(2026, 2, 1, 8);

export function momentOf(second: number): Date {
  return new Date(epochMs + second * 1000);
}

/** The batch of a step; undefined for what is not done by a statement. `lsn`: of the landmark that it stops at. */
export function batchOf(step: Step, prefix: string, lsn = ''): string | undefined {
  switch (step.kind) {
    case 'create':
      return `CREATE DATABASE ${prefix}${step.database} ${filesOf(step.database, prefix)}; CREATE TABLE ${prefix}${step.database}.dbo.t (id int PRIMARY KEY, v int)`;
    case 'drop':
      return `DROP DATABASE ${prefix}${step.database}`;
    case 'transaction':
      return `${transactionText(step, prefix)}; COMMIT`;
    case 'begin':
      return transactionText(step, prefix);
    case 'end':
      return step.how;
    case 'recovery model':
      return `ALTER DATABASE ${prefix}${step.database} SET RECOVERY ${step.model}`;
    case 'backup':
      return backupText(step, prefix);
    case 'restore':
      return restoreText(step, prefix, lsn);
    case 'finish':
      return `RESTORE DATABASE ${prefix}${step.database} WITH ${endingText(step.ending, step.database, prefix)}`;
    case 'damage':
    case 'swap':
    case 'restart':
    case 'lose':
    case 'find':
      return undefined;
  }
}

/** The LSN that a restore stops at, as msdb tells it; undefined: it stops at none. */
export function lsnQueryOf(step: Step, prefix: string): string | undefined {
  if (step.kind !== 'restore' || step.stop?.kind !== 'lsn') return undefined;
  const { database, second, at } = step.stop.of;
  const [column, table, time] =
    at === 'mark' ? ['lsn', 'logmarkhistory', 'mark_time'] : [`${at}_lsn`, 'backupset', 'backup_finish_date'];
  const moment = momentOf(second).toISOString().slice(0, 23);
  return `SELECT CONVERT(nvarchar(25), ${column}) FROM msdb.dbo.${table} WHERE database_name = '${prefix}${database}' AND ${time} = '${moment}'`;
}

/** How a step reads in a report. */
export function lineOf(step: Step): string {
  const batch = batchOf(step, '', step.kind === 'restore' && step.stop?.kind === 'lsn' ? nameOf(step.stop.of) : '');
  if (step.kind === 'begin' || step.kind === 'end') return `${batch ?? ''} -- the second session`;
  if (batch !== undefined) return batch;
  if (step.kind === 'damage') return `-- ${step.how} ${step.file} (set ${step.position})`;
  if (step.kind === 'lose' || step.kind === 'find')
    return `-- ${step.kind} the data file of ${step.database}, and start`;
  return step.kind === 'swap' ? `-- swap ${step.file} with ${step.other}` : '-- restart the instance';
}

function nameOf({ database, second, at }: Landmark): string {
  return `<${at === 'mark' ? 'the mark' : `${at}_lsn of the backup`} of ${database} at ${second} s>`;
}

export function devicePath(file: string, prefix: string): string {
  return `\\\\share\\bts\\${prefix}${file}.bak`;
}

/** All databases have files of the same logical names, so that any backup can be restored under any name. */
function filesOf(database: string, prefix: string): string {
  const [rows, log] = placesOf(database, prefix);
  return `ON (NAME = d, FILENAME = N'${rows}') LOG ON (NAME = l, FILENAME = N'${log}')`;
}

function placesOf(database: string, prefix: string): readonly [rows: string, log: string] {
  return [`D:\\Data\\${prefix}${database}.mdf`, `D:\\Data\\${prefix}${database}.ldf`];
}

function transactionText({ writes, mark }: StepOf<'transaction' | 'begin'>, prefix: string): string {
  const begin = mark === undefined ? 'BEGIN TRAN' : `BEGIN TRAN ${mark} WITH MARK`;
  return [begin, ...writes.map(write => writeText(write, prefix))].join('; ');
}

function writeText(write: Write, prefix: string): string {
  const table = `${prefix}${write.database}.dbo.t`;
  if (write.kind === 'insert') return `INSERT ${table} VALUES (${write.id}, ${write.value})`;
  if (write.kind === 'update') return `UPDATE ${table} SET v = ${write.value} WHERE id = ${write.id}`;
  return `DELETE ${table} WHERE id = ${write.id}`;
}

function backupText(step: StepOf<'backup'>, prefix: string): string {
  const options = [
    ...(step.what === 'differential' ? ['DIFFERENTIAL'] : []),
    ...(step.copyOnly ? ['COPY_ONLY'] : []),
    ...(step.tail === undefined ? [] : [endingText(step.tail, step.database, prefix)]),
    ...(step.noTruncate ? ['NO_TRUNCATE'] : []),
    ...(step.checksum ? ['CHECKSUM'] : []),
    ...(step.format ? ['FORMAT'] : []),
  ];
  const what = step.what === 'log' ? 'LOG' : 'DATABASE';
  const tail = options.length === 0 ? '' : ` WITH ${options.join(', ')}`;
  return `BACKUP ${what} ${prefix}${step.database} TO DISK = N'${devicePath(step.file, prefix)}'${tail}`;
}

function restoreText(step: StepOf<'restore'>, prefix: string, lsn: string): string {
  const [rows, log] = placesOf(step.database, prefix);
  const options = [
    endingText(step.ending, step.database, prefix),
    `FILE = ${step.position}`,
    ...(step.replace ? ['REPLACE'] : []),
    ...(step.checksum ? ['CHECKSUM'] : []),
    ...(step.stop === undefined ? [] : [stopText(step.stop, lsn)]),
    ...(step.what === 'database' ? [`MOVE N'd' TO N'${rows}'`, `MOVE N'l' TO N'${log}'`] : []),
  ];
  const what = step.what === 'log' ? 'LOG' : 'DATABASE';
  const device = devicePath(step.file, prefix);
  return `RESTORE ${what} ${prefix}${step.database} FROM DISK = N'${device}' WITH ${options.join(', ')}`;
}

function endingText(ending: Ending, database: string, prefix: string): string {
  return ending === 'STANDBY' ? `STANDBY = N'\\\\share\\bts\\${prefix}${database}.undo'` : ending;
}

function stopText(stop: Stop, lsn: string): string {
  const time = (second: number): string => `'${momentOf(second).toISOString().slice(0, 23)}'`;
  if (stop.kind === 'time') return `STOPAT = ${time(stop.at)}`;
  const clause = stop.before ? 'STOPBEFOREMARK' : 'STOPATMARK';
  if (stop.kind === 'lsn') return `${clause} = 'lsn:${lsn}'`;
  const after = stop.after === undefined ? '' : ` AFTER ${time(stop.after)}`;
  return `${clause} = '${stop.name}'${after}`;
}
