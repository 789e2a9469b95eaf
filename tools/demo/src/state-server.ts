import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type RunningProcess, startProcess } from '@holdfast/run';
import { connected } from './sql-connection.ts';

const standinMain = fileURLToPath(new URL('../../standin/src/main.ts', import.meta.url));
const user = 'sa';
const services = ['inventory', 'backup', 'shipping', 'restore'] as const;

/** A SQL Server for Holdfast's own state, with a database for each service; none of the estate's instances. */
export type StateServer = {
  readonly process: RunningProcess;
  /** What the services are told: where their store is. */
  readonly env: Readonly<Record<string, string>>;
};

export async function startStateServer(dataFolder: string, log: (line: string) => void): Promise<StateServer> {
  const folder = join(dataFolder, 'state-server');
  await mkdir(folder, { recursive: true });
  const [userFile, passwordFile] = [join(folder, 'login.txt'), join(folder, 'password.txt')];
  const password = randomBytes(18).toString('base64url');
  await writeFile(userFile, user, { mode: 0o600 });
  await writeFile(passwordFile, password, { mode: 0o600 });
  const running = await startProcess({
    name: 'state-server',
    main: standinMain,
    args: [
      ...['--port', '0', '--data', join(folder, 'instance'), '--name', 'STATE\\HOLDFAST', '--no-agent'],
      ...['--login', user, '--password-file', passwordFile],
    ],
    readyUrl: ({ controlPort }) => `http://127.0.0.1:${String(controlPort)}/health`,
    log,
  });
  try {
    const { port } = running.announcement;
    if (typeof port !== 'number') throw new Error('The state server announced no port.');
    await connected([{ address: { port, user, password } }], 'holdfast demo', async ([opened]) => {
      for (const service of services) await opened?.[1].rows(`create database ${databaseOf(service)}`);
    });
    const env = services.flatMap(service => {
      const store = `HOLDFAST_${service.toUpperCase()}__STORE__SQL_SERVER__`;
      return [
        [`${store}SERVER`, '127.0.0.1'],
        [`${store}PORT`, String(port)],
        [`${store}DATABASE`, databaseOf(service)],
        [`${store}USERNAME`, `file:${userFile}`],
        [`${store}PASSWORD`, `file:${passwordFile}`],
        // It speaks on the loopback only, and without a certificate.
        [`${store}ENCRYPT`, 'false'],
      ];
    });
    return { process: running, env: Object.fromEntries(env) as Record<string, string> };
  } catch (error) {
    await running.stop();
    throw error;
  }
}

function databaseOf(service: (typeof services)[number]): string {
  return `holdfast_${service}`;
}
