import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type RunningProcess, startProcess, writeRunFile } from '@holdfast/run';
import type { SqlServer } from '../sql-connection.ts';
import { estateFolders, pathMap } from './folders.ts';
import type { SamplePair } from './sample-group.ts';

const standinMain = fileURLToPath(new URL('../../../standin/src/main.ts', import.meta.url));
export const user = 'sa';

export type EstateInstance = SqlServer & {
  readonly folder: string;
  readonly process: RunningProcess;
  /** What the stand-in says of itself: how many statements it ran and did not know. */
  readonly controlUrl: string;
  /** Every statement that it ran. */
  readonly statementLog: string;
  /** Where linked servers reach it; undefined for one that is linked to none. */
  readonly peerPort: number | undefined;
};

export type InstanceOptions = {
  /** 0: any free one. */
  readonly port: number;
  readonly password: string;
  readonly log: (line: string) => void;
  /** Faults of the stand-in that it starts with; see its README. */
  readonly faults?: readonly string[];
};

export async function startInstance(
  dataFolder: string,
  pair: SamplePair,
  side: 'primary' | 'standby',
  { port, password, log, faults = [] }: InstanceOptions,
): Promise<EstateInstance> {
  const { estate, passwordFile, peersFile } = estateFolders(dataFolder);
  const { name, folder: ownName } = pair[side];
  const folder = join(estate, ownName, 'instance');
  const map = pathMap(dataFolder, pair, side);
  for (const path of [folder, ...Object.values(map)]) await mkdir(path, { recursive: true });
  const running = await startProcess({
    name: ownName,
    main: standinMain,
    args: [
      ...['--port', String(port), '--data', folder, '--name', name],
      ...['--login', user, '--password-file', passwordFile],
      // Linked servers are what the source's transactions need; nothing at the standby asks another instance.
      ...(side === 'primary' ? ['--peers', peersFile] : []),
      ...Object.entries(map).flatMap(([path, target]) => ['--map', `${path}=${target}`]),
      ...faults.flatMap(fault => ['--fault', fault]),
    ],
    readyUrl: ({ controlPort }) => `http://127.0.0.1:${String(controlPort)}/health`,
    log,
  });
  const { port: bound, controlPort, peerPort } = running.announcement;
  if (typeof bound !== 'number') throw new Error(`${name} announced no port.`);
  await writeRunFile(dataFolder, ownName, { pid: running.pid, port: bound });
  return {
    name,
    folder: ownName,
    databases: pair.databases.map(database => database.name),
    process: running,
    address: { port: bound, user, password },
    controlUrl: `http://127.0.0.1:${String(controlPort)}`,
    statementLog: join(folder, 'log', 'statements.jsonl'),
    peerPort: typeof peerPort === 'number' ? peerPort : undefined,
  };
}
