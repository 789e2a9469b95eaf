import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { startTestServer, type TestServer } from '@holdfast/sqlserver/testing';
import { onServer } from './estate.ts';

// The sample group: thirteen databases on two instances, set up by hand. Material for tests.

export const serverNames = ['BTSDB1\\BTS', 'BTSDB2\\BTS'] as const;
/** Another name of the second one, for one of its databases. */
export const alias = 'SQLALIAS2';
export const databasesOn = [
  [
    'BizTalkMgmtDb',
    'BizTalkMsgBoxDb',
    'BizTalkRuleEngineDb',
    'SSODB',
    'BAMPrimaryImport',
    'BAMAlertsApplication',
    'BAMAlertsNSMain',
  ],
  ['BizTalkMsgBoxDb2', 'BizTalkDTADb', 'EsbExceptionDb', 'EsbItineraryDb', 'Orders', 'Billing'],
] as const;

/** An instance on its folder within this one, prepared before or not. Credentials by the references of `connectionAt`. */
export async function startAt(folder: string, at: 0 | 1, env: NodeJS.ProcessEnv): Promise<TestServer> {
  const [dataFolder, files] = [join(folder, String(at), 'instance'), join(folder, String(at), 'files')];
  for (const path of [dataFolder, files]) await mkdir(path, { recursive: true });
  return startTestServer('primary', { name: serverNames[at], dataFolder, maps: { 'D:\\Data': files } }, env);
}

export function connectionAt({ address }: Pick<TestServer, 'address'>, at: 0 | 1) {
  const references = { userRef: `env:SQL_USER_${String(at)}`, passwordRef: `env:SQL_PASSWORD_${String(at)}` };
  return { server: address.server, port: address.port, encrypt: false, ...references };
}

export function secretsOf(servers: readonly Pick<TestServer, 'credentials'>[]): Record<string, string> {
  return Object.fromEntries(
    servers.flatMap(({ credentials: { user, password } }, at) => [
      [`SQL_USER_${String(at)}`, user],
      [`SQL_PASSWORD_${String(at)}`, password],
    ]),
  );
}

/** The databases on both, and the tables on the first; Orders is placed by the alias. */
export async function prepareTwoInstances(servers: readonly [TestServer, TestServer]): Promise<void> {
  for (const [at, server] of servers.entries())
    await onServer(
      server,
      ...databasesOn[at]!.map(
        name =>
          `CREATE DATABASE [${name}] ON PRIMARY (NAME = N'd', FILENAME = N'D:\\Data\\${name}.mdf') LOG ON (NAME = N'l', FILENAME = N'D:\\Data\\${name}.ldf')`,
      ),
    );
  const [, second] = serverNames;
  const other = (defaultName: string, name: string, server: string) =>
    `INSERT BizTalkMgmtDb.dbo.adm_OtherBackupDatabases (DefaultDatabaseName, DatabaseName, ServerName, BTSServerName) VALUES (N'${defaultName}', N'${name}', N'${server}', N'BIZTALK1')`;
  await onServer(
    servers[0],
    `EXEC sp_standin_setup_biztalk @management = N'BizTalkMgmtDb', @group = N'BizTalk Group', @messageBox = N'BizTalkMsgBoxDb',
       @sso = N'SSODB', @ruleEngine = N'BizTalkRuleEngineDb', @bamPrimaryImport = N'BAMPrimaryImport'`,
    `UPDATE BizTalkMgmtDb.dbo.adm_Group SET TrackingDBServerName = N'${second}', TrackingDBName = N'BizTalkDTADb'`,
    `INSERT BizTalkMgmtDb.dbo.adm_MessageBox (GroupId, DBServerName, DBName, IsMasterMsgBox, UniqueId) VALUES (1, N'${second}', N'BizTalkMsgBoxDb2', 0, NEWID())`,
    other('BAM Alerts Application DB', 'BAMAlertsApplication', serverNames[0]),
    other('BAM Alerts Instance DB', 'BAMAlertsNSMain', serverNames[0]),
    other('EsbExceptionDb', 'EsbExceptionDb', second),
    other('EsbItineraryDb', 'EsbItineraryDb', second),
    other('Orders', 'Orders', alias),
    other('Billing', 'Billing', second.toLowerCase()),
  );
}
