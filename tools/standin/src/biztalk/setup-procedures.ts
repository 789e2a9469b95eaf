/**
 * Turns databases of this instance into those of a BizTalk group. Not part of BizTalk: what its configuration program does on a real server.
 * Names that are NULL are left out; every named database must exist. Each procedure is one transaction (the caller's, if there is one): a
 * group that was half set up could be neither used nor set up again.
 */
import { newGuid } from '../engine/guid.ts';
import { fail } from '../messages.ts';
import { managementTables, markLog, ssoTable } from './group-tables.ts';
import { nvarchar, parameter, quoted, textOf, typedText } from './group-context.ts';
import type { Database, NativeProcedure, ProcedureContext, TableDefinition, Transaction } from '../contract.ts';
import type { TypedValue } from '../values.ts';

export const setupProcedures: readonly NativeProcedure[] = [
  {
    schema: 'sys',
    name: 'sp_standin_setup_biztalk',
    parameters: [
      parameter('@management', nvarchar(128)),
      parameter('@group', nvarchar(256), 'BizTalk Group'),
      parameter('@messageBox', nvarchar(128), null),
      parameter('@tracking', nvarchar(128), null),
      parameter('@sso', nvarchar(128), null),
      parameter('@ruleEngine', nvarchar(128), null),
      parameter('@bamPrimaryImport', nvarchar(128), null),
    ],
    run: context => inOneTransaction(context, setUpGroup),
  },
  {
    schema: 'sys',
    name: 'sp_standin_cover_database',
    parameters: [parameter('@management', nvarchar(128)), parameter('@database', nvarchar(128))],
    run: context => inOneTransaction(context, coverDatabase),
  },
];

async function setUpGroup(context: ProcedureContext, transaction: Transaction): Promise<number> {
  const { engine } = context;
  const management = existing(context, '@management');
  if (management === undefined) throw fail(911, '');
  const [messageBox, tracking, sso, ruleEngine, bam] = [
    existing(context, '@messageBox'),
    existing(context, '@tracking'),
    existing(context, '@sso'),
    existing(context, '@ruleEngine'),
    existing(context, '@bamPrimaryImport'),
  ];
  await makeTables(transaction, management, [...managementTables, markLog]);
  for (const database of [messageBox, tracking, ruleEngine, bam]) {
    if (database !== undefined) await makeTables(transaction, database, [markLog]);
  }
  if (sso !== undefined) await makeTables(transaction, sso, [markLog, ssoTable]);
  const within = quoted(management.name);
  const server = (database: Database | undefined): TypedValue =>
    text(database === undefined ? null : engine.serverName, 80);
  const name = (database: Database | undefined): TypedValue => text(database?.name ?? null, 128);
  await context.query(
    `INSERT INTO ${within}.dbo.adm_Group (Name, TrackingDBServerName, TrackingDBName, SubscriptionDBServerName, SubscriptionDBName, BamDBServerName, BamDBName,
       RuleEngineDBServerName, RuleEngineDBName, SSOServerName, UUID)
     VALUES (@group, @trackingServer, @tracking, @boxServer, @box, @bamServer, @bam, @rulesServer, @rules, @ssoServer, @id)`,
    {
      group: typedText(textOf(context, '@group'), 256),
      trackingServer: server(tracking),
      tracking: name(tracking),
      boxServer: server(messageBox),
      box: name(messageBox),
      bamServer: server(bam),
      bam: name(bam),
      rulesServer: server(ruleEngine),
      rules: name(ruleEngine),
      ssoServer: server(sso),
      id: guid(context),
    },
  );
  if (messageBox !== undefined) {
    await context.query(
      `INSERT INTO ${within}.dbo.adm_MessageBox (GroupId, DBServerName, DBName, IsMasterMsgBox, UniqueId) VALUES (1, @server, @name, 1, @id)`,
      { server: server(messageBox), name: name(messageBox), id: guid(context) },
    );
  }
  if (sso !== undefined) await insertOther(context, management, 'SSO', sso.name);
  await context.query(`INSERT INTO ${within}.dbo.adm_BackupSettings (UseCompression, ForceFull) VALUES (0, 0)`);
  await context.query(`INSERT INTO ${within}.dbo.adm_BackupSetId (NextBackupSetId) VALUES (1)`);
  return 0;
}

async function coverDatabase(context: ProcedureContext, transaction: Transaction): Promise<number> {
  const [management, database] = [existing(context, '@management'), existing(context, '@database')];
  if (management === undefined || database === undefined) throw fail(911, '');
  await makeTables(transaction, database, [markLog]);
  await insertOther(context, management, database.name, database.name);
  return 0;
}

function insertOther(
  context: ProcedureContext,
  management: Database,
  defaultName: string,
  name: string,
): Promise<unknown> {
  return context.query(
    `INSERT INTO ${quoted(management.name)}.dbo.adm_OtherBackupDatabases (DefaultDatabaseName, DatabaseName, ServerName, BTSServerName)
     VALUES (@default, @name, @server, @host)`,
    {
      default: typedText(defaultName, 128),
      name: typedText(name, 128),
      server: typedText(context.engine.serverName, 80),
      host: typedText(context.engine.serverName.split('\\')[0] ?? context.engine.serverName, 80),
    },
  );
}

/** The named database; undefined for NULL, 911 for one that does not exist. */
function existing(context: ProcedureContext, argument: string): Database | undefined {
  const name = textOf(context, argument);
  if (name === '') return undefined;
  const database = context.engine.database(name);
  if (database === undefined) throw fail(911, name);
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

function text(value: string | null, length: number): TypedValue {
  return { type: nvarchar(length), value };
}

function guid(context: ProcedureContext): TypedValue {
  return { type: { name: 'uniqueidentifier' }, value: newGuid(context.engine.random) };
}
