/**
 * Turns databases into those of a BizTalk group. Not part of BizTalk: what its configuration program does on a real server. Names that are NULL
 * are left out; every database of this instance must exist, one of another instance is prepared there. Each procedure is one transaction (the
 * caller's, if there is one): a group that was half set up could be neither used nor set up again.
 */
import { newGuid } from '../engine/guid.ts';
import { fail, unsupported } from '../messages.ts';
import { destinationParameters, setUpDestination } from './destination-setup.ts';
import { backupJobParameters, createBackupJob } from './backup-job.ts';
import { addHostInstance, hostInstanceParameters } from './host-instance.ts';
import { managementTables, roleTables } from './group-tables.ts';
import { isServer, quoted, textOf, typedText } from './group-context.ts';
import { nvarchar, parameter } from '../procedure-parameters.ts';
import { assertAdministrator } from '../rights.ts';
import type { Database, NativeProcedure, ProcedureContext, TableDefinition, Transaction } from '../contract.ts';
import type { TypedValue } from '../values.ts';

/** Argument, and the role of its database. `@<role>Server` says where it lies. */
const singleDatabases = ['messageBox', 'tracking', 'sso', 'ruleEngine', 'bamPrimaryImport'] as const;
type Single = (typeof singleDatabases)[number];
/** NULL for a database that the group does not have. */
type Place = { readonly server: string | null; readonly database: string | null };

const name = nvarchar(128);
/** As wide as the columns of adm_Group. */
const server = nvarchar(80);

export const setupProcedures: readonly NativeProcedure[] = [
  procedure(
    'sp_standin_setup_biztalk',
    [
      parameter('@management', name),
      parameter('@group', nvarchar(256), 'BizTalk Group'),
      ...singleDatabases.map(each => parameter(`@${each}`, name, null)),
      ...singleDatabases.map(each => parameter(`@${each}Server`, server, null)),
    ],
    setUpGroup,
  ),
  procedure('sp_standin_prepare_database', [parameter('@database', name), parameter('@role', nvarchar(30))], prepare),
  procedure(
    'sp_standin_add_message_box',
    [parameter('@management', name), parameter('@database', name), parameter('@server', server, null)],
    addMessageBox,
  ),
  procedure(
    'sp_standin_cover_database',
    [
      parameter('@management', name),
      parameter('@database', name),
      parameter('@server', server, null),
      parameter('@default', name, null),
    ],
    coverDatabase,
  ),
  procedure('sp_standin_create_backup_job', backupJobParameters, createBackupJob),
  procedure('sp_standin_add_host_instance', hostInstanceParameters, addHostInstance),
  procedure('sp_standin_setup_destination', destinationParameters, setUpDestination),
];

function procedure(
  procedureName: string,
  parameters: NativeProcedure['parameters'],
  work: (context: ProcedureContext, transaction: Transaction) => Promise<number>,
): NativeProcedure {
  const run = (context: ProcedureContext): Promise<number> => {
    assertAdministrator(context.session);
    return inOneTransaction(context, work);
  };
  return { schema: 'sys', name: procedureName, parameters, run };
}

async function setUpGroup(context: ProcedureContext, transaction: Transaction): Promise<number> {
  const management = existing(context, textOf(context, '@management'));
  await makeTables(transaction, management, managementTables);
  await prepareAs(transaction, management, 'custom');
  const places = new Map<Single, Place>();
  for (const role of singleDatabases) places.set(role, await placeOf(context, transaction, role));
  const place = (role: Single): Place => places.get(role) ?? { server: null, database: null };
  await insertGroup(context, management, place);
  const [box, sso] = [place('messageBox'), place('sso')];
  if (box.database !== null && box.server !== null)
    await insertMessageBox(context, management, box.server, box.database, true);
  if (sso.database !== null && sso.server !== null)
    await insertOther(context, management, { fallback: 'SSO', server: sso.server, database: sso.database });
  const within = quoted(management.name);
  await context.query(`INSERT INTO ${within}.dbo.adm_BackupSettings (UseCompression, ForceFull) VALUES (0, 0)`);
  await context.query(`INSERT INTO ${within}.dbo.adm_BackupSetId (NextBackupSetId) VALUES (1)`);
  return 0;
}

/** A database of this instance gets its tables; of one elsewhere the group only knows the name. */
async function placeOf(context: ProcedureContext, transaction: Transaction, role: Single): Promise<Place> {
  const [database, given] = [textOf(context, `@${role}`), textOf(context, `@${role}Server`)];
  if (database === '') {
    if (given !== '') throw unsupported(`@${role}Server without @${role}`);
    return { server: null, database: null };
  }
  return { server: await claim(context, transaction, { server: given, database, role }), database };
}

type Claim = { readonly server: string; readonly database: string; readonly role: string };

/** @returns the server's name as the group's tables will have it: as given, this instance without one */
async function claim(context: ProcedureContext, transaction: Transaction, wanted: Claim): Promise<string> {
  const { engine } = context;
  if (wanted.server !== '' && !isServer(engine, wanted.server)) return wanted.server;
  await prepareAs(transaction, existing(context, wanted.database), wanted.role);
  return wanted.server === '' ? engine.serverName : wanted.server;
}

async function prepare(context: ProcedureContext, transaction: Transaction): Promise<number> {
  await prepareAs(transaction, existing(context, textOf(context, '@database')), textOf(context, '@role'));
  return 0;
}

/** Tables that are there already stay: a database may have two roles. */
async function prepareAs(transaction: Transaction, database: Database, role: string): Promise<void> {
  const tables = roleTables.get(role);
  if (tables === undefined) throw unsupported(`the role ${role} (known are ${[...roleTables.keys()].join(', ')})`);
  const missing = tables.filter(({ schema, name: table }) => database.table(schema, table) === undefined);
  await makeTables(transaction, database, missing);
}

async function addMessageBox(context: ProcedureContext, transaction: Transaction): Promise<number> {
  const management = existing(context, textOf(context, '@management'));
  const database = textOf(context, '@database');
  const place = await claim(context, transaction, { server: textOf(context, '@server'), database, role: 'messageBox' });
  await insertMessageBox(context, management, place, database, false);
  return 0;
}

async function coverDatabase(context: ProcedureContext, transaction: Transaction): Promise<number> {
  const management = existing(context, textOf(context, '@management'));
  const [database, given] = [textOf(context, '@database'), textOf(context, '@server')];
  const fallback = textOf(context, '@default');
  const place = await claim(context, transaction, { server: given, database, role: roleOf(fallback) });
  await insertOther(context, management, { fallback: fallback === '' ? database : fallback, server: place, database });
  return 0;
}

/** By the names under which BizTalk covers its own databases (biztalk-dr.md §1.2). */
function roleOf(fallback: string): string {
  if (fallback === 'SSO') return 'sso';
  return fallback.startsWith('BAM Alerts ') ? 'bamAlerts' : 'custom';
}

async function insertGroup(
  context: ProcedureContext,
  management: Database,
  place: (role: Single) => Place,
): Promise<void> {
  const columns = (role: Single): Readonly<Record<string, TypedValue>> => ({
    [`${role}Server`]: { type: server, value: place(role).server },
    [role]: { type: name, value: place(role).database },
  });
  await context.query(
    `INSERT INTO ${quoted(management.name)}.dbo.adm_Group (Name, TrackingDBServerName, TrackingDBName, SubscriptionDBServerName, SubscriptionDBName,
       BamDBServerName, BamDBName, RuleEngineDBServerName, RuleEngineDBName, SSOServerName, UUID)
     VALUES (@group, @trackingServer, @tracking, @messageBoxServer, @messageBox, @bamPrimaryImportServer, @bamPrimaryImport,
       @ruleEngineServer, @ruleEngine, @ssoServer, @id)`,
    {
      group: typedText(textOf(context, '@group'), 256),
      ...columns('tracking'),
      ...columns('messageBox'),
      ...columns('bamPrimaryImport'),
      ...columns('ruleEngine'),
      ssoServer: { type: server, value: place('sso').server },
      id: guid(context),
    },
  );
}

async function insertMessageBox(
  context: ProcedureContext,
  management: Database,
  place: string,
  database: string,
  master: boolean,
): Promise<void> {
  await context.query(
    `INSERT INTO ${quoted(management.name)}.dbo.adm_MessageBox (GroupId, DBServerName, DBName, IsMasterMsgBox, UniqueId)
     VALUES (1, @server, @name, ${master ? 1 : 0}, @id)`,
    { server: typedText(place, 80), name: typedText(database, 128), id: guid(context) },
  );
}

type Other = { readonly fallback: string; readonly server: string; readonly database: string };

async function insertOther(context: ProcedureContext, management: Database, other: Other): Promise<void> {
  await context.query(
    `INSERT INTO ${quoted(management.name)}.dbo.adm_OtherBackupDatabases (DefaultDatabaseName, DatabaseName, ServerName, BTSServerName)
     VALUES (@default, @name, @server, @host)`,
    {
      default: typedText(other.fallback, 128),
      name: typedText(other.database, 128),
      server: typedText(other.server, 80),
      host: typedText(other.server.split('\\')[0] ?? other.server, 80),
    },
  );
}

function existing(context: ProcedureContext, wanted: string): Database {
  const database = context.engine.database(wanted);
  if (database === undefined) throw fail(911, wanted);
  return database;
}

async function inOneTransaction(
  context: ProcedureContext,
  work: (context: ProcedureContext, transaction: Transaction) => Promise<number>,
): Promise<number> {
  const { engine, session } = context;
  if (session.transaction !== undefined) return work(context, session.transaction);
  const transaction = engine.begin(session, undefined);
  session.transaction = transaction;
  session.nesting = 1;
  try {
    const status = await work(context, transaction);
    await transaction.commit();
    return status;
  } catch (failure) {
    await transaction.rollback();
    throw failure;
  } finally {
    session.transaction = undefined;
    session.nesting = 0;
  }
}

async function makeTables(
  transaction: Transaction,
  database: Database,
  definitions: readonly TableDefinition[],
): Promise<void> {
  for (const definition of definitions) await transaction.createTable(database, definition);
}

function guid(context: ProcedureContext): TypedValue {
  return { type: { name: 'uniqueidentifier' }, value: newGuid(context.engine.random) };
}
