/** Functions that ask the server, the session or the catalogue. */
import { unsupported } from '../messages.ts';
import { isAdministrator } from '../rights.ts';
import type { Database } from '../contract.ts';
import type { SqlType, SqlValue } from '../values.ts';
import type { Bound } from './bound.ts';
import { resolveTable } from './object-names.ts';
import { integer, text, type CallSite, type ScalarFunction } from './scalar-function.ts';
import { currentDatabase, type Run } from './session-state.ts';
import { INT, NAME } from './types.ts';

const TEXT: SqlType = { name: 'nvarchar', length: 4000 };

/** File system folder of a file of master: where the instance keeps its own files by default. */
function folderOfMaster(run: Run, type: 'D' | 'L'): string | null {
  const file = run.engine.database('master')?.files.find(each => each.type === type)?.physicalName;
  return file === undefined ? null : file.slice(0, Math.max(file.lastIndexOf('\\'), file.lastIndexOf('/')) + 1);
}

const properties: Readonly<Record<string, (run: Run) => SqlValue>> = {
  servername: run => run.engine.serverName,
  machinename: run => run.engine.serverName.split('\\')[0] ?? null,
  computernamephysicalnetbios: run => run.engine.serverName.split('\\')[0] ?? null,
  instancename: run => run.engine.serverName.split('\\')[1] ?? null,
  productversion: run => run.engine.productVersion,
  productmajorversion: run => String(run.engine.majorVersion),
  productminorversion: run => run.engine.productVersion.split('.')[1] ?? '0',
  productbuild: run => run.engine.productVersion.split('.')[2] ?? '0',
  productlevel: () => 'RTM',
  edition: () => 'Developer Edition (64-bit)',
  engineedition: () => 3n,
  collation: () => 'SQL_Latin1_General_CP1_CI_AS',
  isclustered: () => 0n,
  ishadrenabled: () => 0n,
  issingleuser: () => 0n,
  isintegratedsecurityonly: () => 0n,
  instancedefaultdatapath: run => folderOfMaster(run, 'D'),
  instancedefaultlogpath: run => folderOfMaster(run, 'L'),
  // From 2019 on (sqlserver.md §4.2).
  instancedefaultbackuppath: run =>
    run.engine.majorVersion < 15 ? null : (run.engine.defaultBackupPath ?? folderOfMaster(run, 'D')),
  processid: () => BigInt(process.pid),
};
const numbered = new Set([
  'engineedition',
  'isclustered',
  'ishadrenabled',
  'issingleuser',
  'isintegratedsecurityonly',
  'processid',
]);

/** sql_variant on the server; here the property's own type, known because the name is a literal. */
function propertyType(args: readonly Bound[]): SqlType {
  return numbered.has(text(args[0]?.literal).toLowerCase()) ? INT : TEXT;
}

function serverProperty(site: CallSite, name: string): SqlValue {
  const property = properties[name.toLowerCase()];
  // An unknown name is NULL on the server; a known one that is not built must not look unknown.
  return property === undefined ? null : property(site.run);
}

function databaseOf(run: Run, value: SqlValue | undefined): Database | undefined {
  if (value === undefined) return currentDatabase(run);
  return typeof value === 'bigint' ? run.engine.databaseById(Number(value)) : run.engine.database(text(value));
}

function databaseProperty(run: Run, database: string, name: string): SqlValue {
  const found = run.engine.database(database);
  if (found === undefined) return null;
  switch (name.toLowerCase()) {
    case 'status':
      return found.state;
    case 'recovery':
      return found.recoveryModel;
    case 'updateability':
      return found.readOnly || found.inStandby ? 'READ_ONLY' : 'READ_WRITE';
    case 'useraccess':
      return found.userAccess;
    case 'collation':
      // NULL: it cannot be connected to (sqlserver.md §4.2).
      return found.state === 'ONLINE' ? 'SQL_Latin1_General_CP1_CI_AS' : null;
    case 'isinstandby':
      return found.inStandby ? '1' : '0';
    default:
      throw unsupported(`DATABASEPROPERTYEX '${name}'`);
  }
}

function objectId(run: Run, name: string, kind: string): SqlValue {
  if (!['', 'u', 'v', 'p', 's'].includes(kind.toLowerCase().trim())) return null;
  const parts = splitName(name);
  const table = kind.toLowerCase().trim() === 'p' ? undefined : resolveTable(run, parts);
  if (table?.kind === 'stored') return BigInt(table.table.objectId);
  // Computed objects have no stored id: a stable number from their name.
  if (table?.kind === 'virtual') return stableId(`${table.database.name}.${table.table.schema}.${table.table.name}`);
  const database = parts.length >= 3 ? run.engine.database(parts[parts.length - 3] ?? '') : currentDatabase(run);
  const procedure =
    database === undefined
      ? undefined
      : run.registry.findProcedure(database, parts[parts.length - 2] || 'dbo', parts[parts.length - 1] ?? '');
  return procedure === undefined ? null : stableId(`${procedure.database ?? ''}.${procedure.schema}.${procedure.name}`);
}

export function stableId(name: string): bigint {
  let hash = 7n;
  for (const c of name.toLowerCase()) hash = (hash * 31n + BigInt(c.codePointAt(0) ?? 0)) % 1_000_000_007n;
  return hash + 1_000_000_000n;
}

/** `a.[b.c].d` → its parts. */
export function splitName(name: string): string[] {
  const parts: string[] = [];
  for (const match of name.trim().matchAll(/\[((?:[^\]]|\]\])*)\]|"((?:[^"]|"")*)"|([^.[\]"]+)|(?<=\.)(?=\.)/g)) {
    parts.push(match[1]?.split(']]').join(']') ?? match[2]?.split('""').join('"') ?? match[3]?.trim() ?? '');
  }
  return parts;
}

function caught(name: string, type: SqlType, value: (run: Run) => SqlValue): readonly [string, ScalarFunction] {
  return [
    name,
    { arguments: [0, 0], type, evaluate: (_, site) => (site.run.caught === undefined ? null : value(site.run)) },
  ];
}

function session(name: string, type: SqlType, value: (run: Run) => SqlValue): readonly [string, ScalarFunction] {
  return [
    name,
    {
      arguments: [0, 1],
      type,
      evaluate: (values, site) => {
        if (values.length > 0) throw unsupported(`${name} with an argument`);
        return value(site.run);
      },
    },
  ];
}

function transactionState(run: Run): bigint {
  const { transaction } = run.session;
  if (transaction === undefined) return 0n;
  return transaction.state === 'doomed' ? -1n : 1n;
}

function isRoleMember(run: Run, role: string): bigint | null {
  const wanted = role.toLowerCase();
  if (wanted === 'public') return 1n;
  const roles = run.session.login.serverRoles;
  if (
    ![
      'sysadmin',
      'dbcreator',
      'securityadmin',
      'processadmin',
      'serveradmin',
      'setupadmin',
      'diskadmin',
      'bulkadmin',
    ].includes(wanted)
  )
    return null;
  return roles.has('sysadmin') || [...roles].includes(wanted as 'dbcreator') ? 1n : 0n;
}

export const systemFunctions: readonly (readonly [string, ScalarFunction])[] = [
  [
    'SERVERPROPERTY',
    {
      arguments: [1, 1],
      parameters: [NAME],
      type: propertyType,
      evaluate: ([name], site) => serverProperty(site, text(name)),
    },
  ],
  [
    'DATABASEPROPERTYEX',
    {
      arguments: [2, 2],
      parameters: [NAME],
      type: TEXT,
      evaluate: ([db, name], site) => databaseProperty(site.run, text(db), text(name)),
    },
  ],
  [
    'DB_ID',
    {
      arguments: [0, 1],
      parameters: [NAME],
      type: { name: 'smallint' },
      evaluate: ([name], site) => {
        const database = databaseOf(site.run, name);
        return database === undefined ? null : BigInt(database.id);
      },
    },
  ],
  [
    'DB_NAME',
    {
      arguments: [0, 1],
      parameters: [INT],
      type: NAME,
      evaluate: ([id], site) => databaseOf(site.run, id)?.name ?? null,
    },
  ],
  [
    'OBJECT_ID',
    {
      arguments: [1, 2],
      parameters: [TEXT],
      type: INT,
      evaluate: ([name, kind], site) => objectId(site.run, text(name), text(kind)),
    },
  ],
  [
    'OBJECT_NAME',
    {
      arguments: [1, 2],
      parameters: [INT],
      type: NAME,
      evaluate: ([id, db], site) =>
        databaseOf(site.run, db)
          ?.tables()
          .find(table => table.objectId === integer(id))?.definition.name ?? null,
    },
  ],
  [
    'SCHEMA_NAME',
    {
      arguments: [0, 1],
      parameters: [INT],
      type: NAME,
      evaluate: ([id]) => (id === undefined || integer(id) === 1 ? 'dbo' : integer(id) === 4 ? 'sys' : null),
    },
  ],
  [
    'SCHEMA_ID',
    {
      arguments: [0, 1],
      parameters: [NAME],
      type: INT,
      evaluate: ([name]) =>
        name === undefined || text(name).toLowerCase() === 'dbo' ? 1n : text(name).toLowerCase() === 'sys' ? 4n : null,
    },
  ],
  [
    'SUSER_SNAME',
    {
      arguments: [0, 1],
      type: NAME,
      evaluate: ([sid], site) => {
        if (sid === undefined) return site.run.session.login.name;
        if (!(sid instanceof Uint8Array)) return null;
        return site.run.engine.logins().find(login => Buffer.from(login.sid).equals(Buffer.from(sid)))?.name ?? null;
      },
    },
  ],
  [
    'SUSER_SID',
    {
      arguments: [0, 1],
      parameters: [NAME],
      type: { name: 'varbinary', length: 85 },
      evaluate: ([name], site) =>
        name === undefined
          ? site.run.session.login.sid
          : (site.run.engine.logins().find(login => login.name.toLowerCase() === text(name).toLowerCase())?.sid ??
            null),
    },
  ],
  session('SUSER_NAME', NAME, run => run.session.login.name),
  session('ORIGINAL_LOGIN', NAME, run => run.session.login.name),
  session('USER_NAME', NAME, run => (isAdministrator(run.session) ? 'dbo' : run.session.login.name)),
  session('HOST_NAME', NAME, run => run.session.hostName),
  session('APP_NAME', NAME, run => run.session.programName),
  [
    'XACT_STATE',
    { arguments: [0, 0], type: { name: 'smallint' }, never: 'null', evaluate: (_, site) => transactionState(site.run) },
  ],
  session('SCOPE_IDENTITY', { name: 'decimal', precision: 38, scale: 0 }, run =>
    run.scopeIdentity === undefined ? null : { kind: 'decimal', unscaled: run.scopeIdentity, scale: 0 },
  ),
  session('ROWCOUNT_BIG', { name: 'bigint' }, run => run.state.rowCount),
  [
    'IS_SRVROLEMEMBER',
    {
      arguments: [1, 2],
      parameters: [NAME],
      type: INT,
      evaluate: ([role, login], site) => {
        if (login !== undefined && text(login).toLowerCase() !== site.run.session.login.name.toLowerCase())
          throw unsupported('IS_SRVROLEMEMBER of another login');
        return isRoleMember(site.run, text(role));
      },
    },
  ],
  [
    'HAS_DBACCESS',
    {
      arguments: [1, 1],
      parameters: [NAME],
      type: INT,
      evaluate: ([name], site) => {
        const database = site.run.engine.database(text(name));
        return database === undefined ? null : database.state === 'ONLINE' ? 1n : 0n;
      },
    },
  ],
  caught('ERROR_NUMBER', INT, run => BigInt(run.caught?.message.number ?? 0)),
  caught('ERROR_MESSAGE', TEXT, run => run.caught?.message.text ?? null),
  caught('ERROR_SEVERITY', INT, run => BigInt(run.caught?.message.severity ?? 0)),
  caught('ERROR_STATE', INT, run => BigInt(run.caught?.message.state ?? 0)),
  caught('ERROR_LINE', INT, run => BigInt(run.caught?.message.line ?? 0)),
  caught('ERROR_PROCEDURE', NAME, run => run.caught?.message.procedure ?? null),
];
