import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { startTestServer, type TestServer } from '@holdfast/sqlserver/testing';
import sql from 'mssql';
import type { Caller } from '@holdfast/service';

// One instance with the databases of one group: material for tests.

export const management = 'BizTalkMgmtDb';
export const messageBox = 'BizTalkMsgBoxDb';
/** On the second instance, where a group has one. */
export const tracking = 'BizTalkDTADb';
export const secondName = 'SECOND\\BTS';
export const admin: Caller = { sub: 'admin', roles: ['admin'], groups: ['*'] };

/** An instance on the folders `instance` and `files` within this one, prepared before or not. */
export async function startInstance(
  folder: string,
  env: NodeJS.ProcessEnv,
  name = 'PRIMARY\\BTS',
  faults: readonly string[] = [],
): Promise<TestServer> {
  const [dataFolder, files] = [join(folder, 'instance'), join(folder, 'files')];
  for (const path of [dataFolder, files]) await mkdir(path, { recursive: true });
  return startTestServer('primary', { name, dataFolder, maps: { 'D:\\Data': files }, faults }, env);
}

/** Sends batches one after the other, as an administrator would. */
export async function onServer(
  { address, credentials }: Pick<TestServer, 'address' | 'credentials'>,
  ...batches: readonly string[]
): Promise<void> {
  const { encrypt, trustServerCertificate } = address;
  const pool = new sql.ConnectionPool({
    server: address.server,
    port: address.port ?? 1433,
    ...credentials,
    options: { encrypt, trustServerCertificate },
  });
  await pool.connect();
  try {
    for (const text of batches) await pool.request().batch(text);
  } finally {
    await pool.close();
  }
}

export const createDatabase = (name: string): string =>
  `CREATE DATABASE [${name}] ON PRIMARY (NAME = N'${name}', FILENAME = N'D:\\Data\\${name}.mdf') LOG ON (NAME = N'${name}_log', FILENAME = N'D:\\Data\\${name}_log.ldf')`;

/** The databases of a group, and others beside them. */
export async function prepareGroup(server: TestServer, others: readonly string[] = []): Promise<void> {
  await onServer(
    server,
    ...[management, messageBox, ...others].map(createDatabase),
    `EXEC sp_standin_setup_biztalk @management = N'${management}', @group = N'BizTalk Group', @messageBox = N'${messageBox}'`,
  );
}

/** Input of registerGroup and registerSqlInstance: credentials by the references `env:SQL_USER` and `env:SQL_PASSWORD`. */
export function connectionTo({ address }: Pick<TestServer, 'address'>) {
  return {
    server: address.server,
    port: address.port,
    userRef: 'env:SQL_USER',
    passwordRef: 'env:SQL_PASSWORD',
    encrypt: false,
  };
}
