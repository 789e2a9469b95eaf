/** BACKUP and RESTORE: names and options evaluated, checked against each other, and handed to the engine (sqlserver.md §1.1, §2.2). */
import { fail, unsupported } from '../messages.ts';
import type {
  BackupOptions,
  BackupStatement,
  RestoreInformationStatement,
  RestoreStatement,
  RestoreStop,
} from '../contract.ts';
import type { DeviceSyntax, Expression, RecoveryOption, Statement, TextOrVariable } from './ast.ts';
import { bindExpression } from './bind-expression.ts';
import { EMPTY_FRAME } from './bound.ts';
import { convert } from './convert.ts';
import { Loader } from './loader.ts';
import type { Run } from './session-state.ts';

type Options = ReadonlyMap<string, RecoveryOption>;

/** Each pair says the opposite of the other. */
const conflicts: readonly (readonly [string, string])[] = [
  ['INIT', 'NOINIT'],
  ['FORMAT', 'NOFORMAT'],
  ['SKIP', 'NOSKIP'],
  ['CHECKSUM', 'NO_CHECKSUM'],
  ['COMPRESSION', 'NO_COMPRESSION'],
  ['STOP_ON_ERROR', 'CONTINUE_AFTER_ERROR'],
  ['RECOVERY', 'NORECOVERY'],
  ['RECOVERY', 'STANDBY'],
  ['NORECOVERY', 'STANDBY'],
  ['STOPAT', 'STOPATMARK'],
  ['STOPAT', 'STOPBEFOREMARK'],
  ['STOPATMARK', 'STOPBEFOREMARK'],
  ['FORMAT', 'NOSKIP'],
  ['RESTRICTED_USER', 'NORECOVERY'],
  ['RESTRICTED_USER', 'STANDBY'],
];

/** Accepted without effect: they tune buffers, repeat a default, or (RESTART of a backup, sqlserver.md §1.1) do nothing on the server either. */
const tuning = new Set([
  'BUFFERCOUNT',
  'MAXTRANSFERSIZE',
  'STOP_ON_ERROR',
  'NOFORMAT',
  'NOINIT',
  'NOSKIP',
  'NO_COMPRESSION',
]);

function collect(options: readonly RecoveryOption[], built: ReadonlySet<string>, statement: string): Options {
  const found = new Map<string, RecoveryOption>();
  for (const option of options) {
    if (!built.has(option.name) && !tuning.has(option.name)) throw unsupported(`${statement} … WITH ${option.name}`);
    if (option.detail !== undefined) throw unsupported(`${statement} … WITH ${option.name} (${option.detail})`);
    if (found.has(option.name) && option.name !== 'MOVE')
      throw fail(3031, option.name.toLowerCase(), option.name.toLowerCase());
    found.set(option.name, option);
  }
  for (const [a, b] of conflicts) if (found.has(a) && found.has(b)) throw fail(3031, b.toLowerCase(), a.toLowerCase());
  return found;
}

function evaluate(run: Run, expression: Expression | undefined, option: string): string {
  if (expression === undefined) throw unsupported(`${option} without a value`);
  const bound = bindExpression({ run, scope: undefined, loader: new Loader() }, expression);
  const value = convert(bound.evaluate(EMPTY_FRAME), bound.type, { name: 'nvarchar', length: 'max' }, 126);
  if (typeof value !== 'string') throw fail(3044);
  return value;
}

function textOf(run: Run, text: TextOrVariable): string {
  if (text.kind === 'text') return text.text;
  return evaluate(run, { kind: 'variable', name: text.name, line: 0 }, text.name);
}

function devices(run: Run, syntax: readonly DeviceSyntax[]): BackupStatement['devices'] {
  if (syntax.length > 64) throw fail(3205, 64);
  return syntax.map(device => {
    const path = textOf(run, device.path);
    if (path === '') throw fail(3044);
    if (path.length > 259) throw fail(3057, path);
    return { type: device.type, path };
  });
}

function text(run: Run, options: Options, name: string): string | undefined {
  const option = options.get(name);
  return option === undefined ? undefined : evaluate(run, option.value, name);
}

function number(run: Run, options: Options, name: string, fallback?: number): number | undefined {
  const option = options.get(name);
  if (option === undefined) return undefined;
  if (option.value === undefined && fallback !== undefined) return fallback;
  const value = Number(evaluate(run, option.value, name));
  if (!Number.isInteger(value)) throw fail(102, name);
  return value;
}

/** As every date: 'yyyymmdd', 'yyyy-mm-dd' or with a time; 241 or 242 as CONVERT gives them. */
function moment(run: Run, options: Options, name: string): string | undefined {
  const given = text(run, options, name);
  return given === undefined ? undefined : momentText(given);
}

/** In the form that the engine reads, to the precision of datetime. */
function momentText(given: string): string {
  const value = convert(given, { name: 'nvarchar', length: 'max' }, { name: 'datetime' });
  const written = convert(value, { name: 'datetime' }, { name: 'nvarchar', length: 'max' }, 126);
  if (typeof written !== 'string') throw new Error(`${given} became no text`);
  return written;
}

/** A power of two from 512 to 65536 (sqlserver.md §1.1). */
function blockSize(run: Run, options: Options): number | undefined {
  const size = number(run, options, 'BLOCKSIZE');
  if (size === undefined) return undefined;
  const isPower = size > 0 && Number.isInteger(Math.log2(size));
  if (!isPower || size < 512 || size > 65_536) throw fail(3253);
  return size;
}

/** Buffers have no effect; a size that a disk does not take is a mistake whose number no document tells (sqlserver.md §1.1). */
function assertBuffers(run: Run, options: Options, statement: string): void {
  const size = number(run, options, 'MAXTRANSFERSIZE');
  const fits = size === undefined || (size > 0 && size % 65_536 === 0 && size <= 4_194_304);
  if (!fits) throw unsupported(`${statement} … WITH MAXTRANSFERSIZE = ${size}`);
  const count = number(run, options, 'BUFFERCOUNT');
  if (count !== undefined && count < 1) throw unsupported(`${statement} … WITH BUFFERCOUNT = ${count}`);
}

/** Longer ones are a mistake whose number no document tells (sqlserver.md §1.1). */
function named(run: Run, options: Options, name: string, longest: number): string | undefined {
  const given = text(run, options, name);
  if (given !== undefined && given.length > longest)
    throw unsupported(`BACKUP … WITH ${name} of more than ${longest} characters`);
  return given;
}

/** NO_CHECKSUM: false, against the server's default on BACKUP and against a set that has them on RESTORE (sqlserver.md §1.1, §2.2). */
function checksum(options: Options): boolean | undefined {
  return options.has('CHECKSUM') ? true : options.has('NO_CHECKSUM') ? false : undefined;
}

function flag(options: Options, name: string): true | undefined {
  return options.has(name) ? true : undefined;
}

/** Only what is given appears: the contract's options are exact. */
function defined<T extends object>(options: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
}

const backupBuilt = new Set([
  'DIFFERENTIAL',
  'COPY_ONLY',
  'COMPRESSION',
  'CHECKSUM',
  'NO_CHECKSUM',
  'BLOCKSIZE',
  'INIT',
  'FORMAT',
  'NAME',
  'DESCRIPTION',
  'MEDIANAME',
  'MEDIADESCRIPTION',
  'EXPIREDATE',
  'RETAINDAYS',
  'SKIP',
  'STATS',
  'NORECOVERY',
  'STANDBY',
  'NO_TRUNCATE',
  'RESTART',
]);

export function backupStatement(run: Run, syntax: Extract<Statement, { kind: 'backup' }>): BackupStatement {
  const options = collect(syntax.options, backupBuilt, `BACKUP ${syntax.what.toUpperCase()}`);
  const wrong = syntax.what === 'log' ? ['DIFFERENTIAL'] : ['NORECOVERY', 'STANDBY', 'NO_TRUNCATE'];
  const misplaced = wrong.filter(name => options.has(name));
  if (misplaced.length > 0) throw fail(3032, misplaced.join(', ').toLowerCase());
  assertBuffers(run, options, 'BACKUP');
  for (const tail of ['NORECOVERY', 'STANDBY'])
    if (options.has('COPY_ONLY') && options.has(tail)) throw fail(3031, tail.toLowerCase(), 'copy_only');
  return {
    kind: syntax.what,
    database: textOf(run, syntax.database),
    devices: devices(run, syntax.devices),
    options: defined<BackupOptions>({
      differential: flag(options, 'DIFFERENTIAL'),
      // With DIFFERENTIAL it is ignored: the result is a normal differential (sqlserver.md §1.1).
      copyOnly: options.has('DIFFERENTIAL') ? undefined : flag(options, 'COPY_ONLY'),
      compression: options.has('COMPRESSION') ? true : options.has('NO_COMPRESSION') ? false : undefined,
      checksum: checksum(options),
      blockSize: blockSize(run, options),
      init: flag(options, 'INIT') ?? flag(options, 'FORMAT'),
      format: flag(options, 'FORMAT'),
      noRecovery: flag(options, 'NORECOVERY'),
      standby: text(run, options, 'STANDBY'),
      noTruncate: flag(options, 'NO_TRUNCATE'),
      name: named(run, options, 'NAME', 128),
      description: named(run, options, 'DESCRIPTION', 255),
      mediaName: named(run, options, 'MEDIANAME', 128),
      mediaDescription: named(run, options, 'MEDIADESCRIPTION', 255),
      expireDate: moment(run, options, 'EXPIREDATE'),
      retainDays: number(run, options, 'RETAINDAYS'),
      skip: flag(options, 'SKIP'),
      stats: number(run, options, 'STATS', 10),
    }),
  };
}

const restoreBuilt = new Set([
  'RECOVERY',
  'NORECOVERY',
  'STANDBY',
  'MOVE',
  'REPLACE',
  'RESTART',
  'RESTRICTED_USER',
  'FILE',
  'STATS',
  'CHECKSUM',
  'NO_CHECKSUM',
  'BLOCKSIZE',
  'STOPAT',
  'STOPATMARK',
  'STOPBEFOREMARK',
]);

export function restoreStatement(run: Run, syntax: Extract<Statement, { kind: 'restore' }>): RestoreStatement {
  const options = collect(syntax.options, restoreBuilt, `RESTORE ${syntax.what.toUpperCase()}`);
  blockSize(run, options);
  assertBuffers(run, options, 'RESTORE');
  const moves = syntax.options.filter(option => option.name === 'MOVE');
  return {
    kind: syntax.what,
    database: textOf(run, syntax.database),
    devices: devices(run, syntax.devices),
    recovery: options.has('NORECOVERY')
      ? 'norecovery'
      : options.has('STANDBY')
        ? { standby: text(run, options, 'STANDBY') ?? '' }
        : 'recovery',
    options: defined<RestoreStatement['options']>({
      file: number(run, options, 'FILE'),
      replace: flag(options, 'REPLACE'),
      restart: flag(options, 'RESTART'),
      move:
        moves.length === 0
          ? undefined
          : moves.map(option => ({
              logicalName: evaluate(run, option.value, 'MOVE'),
              physicalName: evaluate(run, option.second, 'MOVE'),
            })),
      stats: number(run, options, 'STATS', 10),
      checksum: checksum(options),
      restrictedUser: flag(options, 'RESTRICTED_USER'),
      stop: stopOf(run, options),
    }),
  };
}

function stopOf(run: Run, options: Options): RestoreStop | undefined {
  const time = moment(run, options, 'STOPAT');
  if (time !== undefined) return { kind: 'at time', time };
  const option = options.get('STOPATMARK') ?? options.get('STOPBEFOREMARK');
  if (option === undefined) return undefined;
  const mark = evaluate(run, option.value, option.name);
  const after = option.second === undefined ? undefined : momentText(evaluate(run, option.second, 'AFTER'));
  return {
    kind: option.name === 'STOPATMARK' ? 'at mark' : 'before mark',
    mark,
    ...(after === undefined ? {} : { after }),
  };
}

const informationBuilt = new Set(['FILE', 'CHECKSUM', 'NO_CHECKSUM', 'BLOCKSIZE', 'STATS']);

export function restoreInformationStatement(
  run: Run,
  syntax: Extract<Statement, { kind: 'restore information' }>,
): RestoreInformationStatement {
  const options = collect(syntax.options, informationBuilt, `RESTORE ${syntax.what.toUpperCase()}`);
  blockSize(run, options);
  assertBuffers(run, options, 'RESTORE');
  return {
    kind: syntax.what,
    devices: devices(run, syntax.devices),
    options: defined<RestoreInformationStatement['options']>({
      file: number(run, options, 'FILE'),
      checksum: checksum(options),
      stats: number(run, options, 'STATS', 10),
    }),
  };
}
