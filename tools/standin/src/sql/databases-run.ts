/** CREATE and ALTER DATABASE: from what is written to what the engine does. */
import { fail, isFailure, message, SqlError, unsupported } from '../messages.ts';
import type { AlterDatabaseStatement, DatabaseFile } from '../contract.ts';
import type { AlterDatabaseSyntax, Statement } from './ast.ts';
import type { Run } from './session-state.ts';

export async function createDatabase(
  run: Run,
  statement: Extract<Statement, { kind: 'create database' }>,
): Promise<void> {
  if (run.session.transaction !== undefined) throw fail(226, 'CREATE DATABASE');
  const files = statement.files.map(({ log, options }, i): DatabaseFile => {
    const unknown = Object.keys(options).find(
      key => !['NAME', 'FILENAME', 'SIZE', 'MAXSIZE', 'FILEGROWTH'].includes(key),
    );
    if (unknown !== undefined) throw unsupported(`CREATE DATABASE … ${unknown}`);
    const physicalName = options['FILENAME'];
    if (physicalName === undefined) throw unsupported('CREATE DATABASE with a file without FILENAME');
    return {
      logicalName: options['NAME'] ?? `file${i + 1}`,
      physicalName,
      type: log ? 'L' : 'D',
      sizeBytes: sizeOf(options['SIZE']),
      fileId: i + 1,
    };
  });
  await run.engine.createDatabase(run.session, statement.database, files.length === 0 ? undefined : files);
}

/** `8MB`; a bare number is megabytes. */
function sizeOf(text: string | undefined): bigint {
  const match = /^(\d+)(KB|MB|GB|TB)?$/.exec(text ?? '8MB');
  if (match === null) throw fail(102, text ?? '');
  const factor = { KB: 1024n, MB: 1024n ** 2n, GB: 1024n ** 3n, TB: 1024n ** 4n }[
    (match[2] ?? 'MB') as 'KB' | 'MB' | 'GB' | 'TB'
  ];
  return BigInt(match[1] ?? '0') * factor;
}

type SimpleOption = Exclude<AlterDatabaseStatement['set']['option'], 'RECOVERY'>;
const alterOptions: ReadonlySet<string> = new Set<SimpleOption>([
  'ONLINE',
  'OFFLINE',
  'EMERGENCY',
  'SINGLE_USER',
  'RESTRICTED_USER',
  'MULTI_USER',
  'READ_ONLY',
  'READ_WRITE',
]);

/** Whatever refuses the change, 5069 follows it (sqlserver.md §9.2). */
export async function alterDatabase(run: Run, syntax: AlterDatabaseSyntax): Promise<void> {
  const statement: AlterDatabaseStatement = {
    database: syntax.database.toUpperCase() === 'CURRENT' ? run.session.database.name : syntax.database,
    set: alterOption(syntax),
    ...(syntax.termination === undefined ? {} : { termination: syntax.termination }),
  };
  try {
    if (run.session.transaction !== undefined) throw fail(226, 'ALTER DATABASE');
    await run.engine.alterDatabase(run.session, statement, run.sink);
  } catch (error) {
    if (!isFailure(error) || error.scope === 'connection' || error.messages.some(each => each.number === 5069))
      throw error;
    throw new SqlError([...error.messages, message(5069)], 'statement', error);
  }
}

function alterOption({ option, value }: AlterDatabaseSyntax): AlterDatabaseStatement['set'] {
  if (option === 'RECOVERY') {
    if (value !== 'FULL' && value !== 'SIMPLE' && value !== 'BULK_LOGGED')
      throw unsupported(`ALTER DATABASE … SET RECOVERY ${value ?? ''}`);
    return { option, model: value };
  }
  if (!alterOptions.has(option) || value !== undefined)
    throw unsupported(`ALTER DATABASE … SET ${option} ${value ?? ''}`.trim());
  return { option: option as SimpleOption };
}
