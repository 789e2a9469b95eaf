import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type RunningProcess, startProcess, writeRunFile } from '@holdfast/run';
import { connect, type SqlAddress } from '../sql-connection.ts';
import { estateFolders, pathMap } from './folders.ts';
import { prepareGroup } from './prepare-group.ts';
import { primary, type SampleInstance, standby } from './sample-group.ts';

const standinMain = fileURLToPath(new URL('../../../standin/src/main.ts', import.meta.url));
const user = 'sa';

export type EstateInstance = {
  readonly instance: SampleInstance;
  readonly process: RunningProcess;
  readonly address: SqlAddress;
  /** What the stand-in says of itself: how many statements it ran and did not know. */
  readonly controlUrl: string;
  /** Every statement that it ran. */
  readonly statementLog: string;
};

export type Estate = {
  readonly primary: EstateInstance;
  readonly standby: EstateInstance;
  stop(): Promise<void>;
};

/** Where the instances listen; kept, because Holdfast has their addresses from the first start on. */
type EstateFile = { readonly ports: Readonly<Record<string, number>> };

/**
 * Starts the instances of the sample estate, one process each, and makes the group when the folder is new. The estate file is written last:
 * what was cut before is thrown away and made anew.
 */
export async function startEstate(dataFolder: string, log: (line: string) => void): Promise<Estate> {
  const folders = estateFolders(dataFolder);
  const file = join(folders.estate, 'estate.json');
  const known = existsSync(file) ? (JSON.parse(await readFile(file, 'utf8')) as EstateFile) : undefined;
  if (known === undefined) {
    await rm(folders.estate, { recursive: true, force: true });
    await rm(folders.share, { recursive: true, force: true });
  }
  for (const folder of [folders.estate, folders.share, folders.copies]) await mkdir(folder, { recursive: true });
  const password = await ensureLogin(folders.userFile, folders.passwordFile);
  const started: EstateInstance[] = [];
  const startInstance = async (instance: SampleInstance): Promise<EstateInstance> => {
    const port = known?.ports[instance.folder] ?? 0;
    const running = await startStandin(dataFolder, instance, { port, password, log });
    started.push(running);
    return running;
  };
  const stop = async (): Promise<void> => {
    await Promise.all(started.map(({ process }) => process.stop()));
  };
  try {
    const [first, second] = [await startInstance(primary), await startInstance(standby)];
    if (known === undefined) {
      const connection = await connect(first.address, 'sample estate');
      await prepareGroup(connection).finally(() => connection.close());
      const ports = Object.fromEntries(started.map(({ instance, address }) => [instance.folder, address.port]));
      await writeFile(`${file}.part`, `${JSON.stringify({ ports } satisfies EstateFile)}\n`);
      await rename(`${file}.part`, file);
    }
    return { primary: first, standby: second, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Addresses of an estate that another process runs. @throws Error when there is none. */
export async function readEstatePorts(dataFolder: string): Promise<Readonly<Record<string, number>>> {
  const file = join(estateFolders(dataFolder).estate, 'estate.json');
  return (JSON.parse(await readFile(file, 'utf8')) as EstateFile).ports;
}

type StandinOptions = {
  /** 0: any free one. */
  readonly port: number;
  readonly password: string;
  readonly log: (line: string) => void;
};

async function startStandin(
  dataFolder: string,
  instance: SampleInstance,
  { port, password, log }: StandinOptions,
): Promise<EstateInstance> {
  const { estate, passwordFile } = estateFolders(dataFolder);
  const folder = join(estate, instance.folder, 'instance');
  const map = pathMap(dataFolder, instance);
  for (const path of [folder, ...Object.values(map)]) await mkdir(path, { recursive: true });
  const running = await startProcess({
    name: instance.folder,
    main: standinMain,
    args: [
      ...['--port', String(port), '--data', folder, '--name', instance.name],
      ...['--login', user, '--password-file', passwordFile],
      ...Object.entries(map).flatMap(([path, target]) => ['--map', `${path}=${target}`]),
    ],
    readyUrl: ({ controlPort }) => `http://127.0.0.1:${String(controlPort)}/health`,
    log,
  });
  const { port: bound, controlPort } = running.announcement;
  if (typeof bound !== 'number') throw new Error(`${instance.name} announced no port.`);
  await writeRunFile(dataFolder, instance.folder, { pid: running.pid, port: bound });
  return {
    instance,
    process: running,
    address: { port: bound, user, password },
    controlUrl: `http://127.0.0.1:${String(controlPort)}`,
    statementLog: join(folder, 'log', 'statements.jsonl'),
  };
}

/** The estate's one login; made on the first start. */
async function ensureLogin(userFile: string, passwordFile: string): Promise<string> {
  if (!existsSync(passwordFile)) {
    await writeFile(userFile, user, { mode: 0o600 });
    await writeFile(passwordFile, randomBytes(18).toString('base64url'), { mode: 0o600 });
  }
  return readFile(passwordFile, 'utf8');
}
