/** Two linked stand-ins over folders that were filled before, of which the one dies between its parts' preparation and the decision. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type SqlServer, statements } from '@holdfast/sqlserver';
import { standinMain } from '@holdfast/sqlserver/testing';
import { open, send } from './two-servers.ts';
import { nobody } from './whole-service.ts';

const credentials = { user: 'holdfast', password: 'in doubt' };

/** As `startInstance` made them: folder names in lower case. */
export type Party = { readonly name: string; readonly database: string };

/** Afterwards none of them runs, and the participant's folder holds a unit of work that nobody will ever decide. */
export async function leaveInDoubt(folder: string, coordinator: Party, participant: Party): Promise<void> {
  const peersFile = join(folder, 'peers.json');
  const ports: Record<string, string> = {};
  const savePeers = async () => {
    await writeFile(`${peersFile}.new`, JSON.stringify({ secret: 'hush', instances: ports }));
    await rename(`${peersFile}.new`, peersFile);
  };
  const start = async ({ name }: Party, dieAt?: string) => {
    await savePeers();
    const serverName = name.toUpperCase();
    const child = spawn(
      process.execPath,
      [
        '--disable-warning=ExperimentalWarning',
        standinMain(process.env),
        ...['--data', join(folder, name), '--name', serverName, '--peers', peersFile, '--login', credentials.user],
        ...['--map', `D:\\Data=${join(folder, `${name}-files`)}`],
      ],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
        env: {
          ...process.env,
          STANDIN_PASSWORD: credentials.password,
          STANDIN_PARENT_PID: String(process.pid),
          ...(dieAt === undefined ? {} : { STANDIN_DIE_AT: dieAt }),
        },
      },
    );
    const ended = once(child, 'exit');
    const { port, peerPort } = await announced(child);
    ports[serverName] = `127.0.0.1:${String(peerPort)}`;
    await savePeers();
    return { child, ended, server: await open({ ...nobody, address: { ...nobody.address, port }, credentials }) };
  };
  const survivor = await start(participant);
  const dying = await start(coordinator, 'distributed prepared');
  const at = participant.name.toUpperCase();
  await send(dying.server, `EXEC sp_addlinkedserver @server = N'${at}', @srvproduct = N'SQL Server';`);
  const insert = (table: string) => `INSERT ${table}.dbo.MarkLog (MarkName) VALUES (N'never decided');`;
  const answer = await send(
    dying.server,
    `SET XACT_ABORT ON; BEGIN DISTRIBUTED TRAN; ${insert(coordinator.database)} ${insert(`[${at}].${participant.database}`)} COMMIT TRAN;`,
  ).then(
    () => 'committed',
    () => 'died',
  );
  if (answer !== 'died') throw new Error('The transaction was decided.');
  await dying.ended;
  await untilInDoubt(survivor.server);
  await survivor.server.close();
  survivor.child.kill('SIGKILL');
  await survivor.ended;
}

async function untilInDoubt(server: SqlServer): Promise<void> {
  const limit = Date.now() + 10_000;
  while ((await server.query(statements.unitsInDoubt, {})).length === 0)
    if (Date.now() > limit) throw new Error('No unit of work came to be in doubt.');
}

async function announced({ stdout }: ChildProcess): Promise<{ readonly port: number; readonly peerPort: number }> {
  if (stdout === null) throw new Error('It has no standard output.');
  for await (const line of createInterface({ input: stdout }))
    if (line.startsWith('{')) return JSON.parse(line) as { port: number; peerPort: number };
  throw new Error('It ended before it was ready.');
}
