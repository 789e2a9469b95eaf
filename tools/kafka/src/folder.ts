import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { readRunFile, type RunFile } from '@holdfast/run';
import { KafkaError } from './errors.ts';
import type { Security } from './properties.ts';

/** What a data folder of a broker holds. Absolute paths. */
export type BrokerFolder = {
  readonly root: string;
  /** Kafka's own: topics, offsets, the cluster's metadata. */
  readonly data: string;
  readonly properties: string;
  /** What the broker printed, over all its starts. */
  readonly log: string;
  /** Held while a broker is being started. */
  readonly startLock: string;
  readonly started: string;
  readonly users: string;
  readonly tls: string;
};

/** How the broker on the folder was started last. */
export type StartedAs = { readonly security: Security; readonly acl: boolean };

const runName = 'kafka';

/** @throws KafkaError UNFIT_FOLDER: Kafka separates folders by commas. */
export function brokerFolder(path: string): BrokerFolder {
  const root = resolve(path);
  if (root.includes(','))
    throw new KafkaError('UNFIT_FOLDER', `${root} has a comma in its name: Kafka takes that for two folders.`);
  return {
    root,
    data: join(root, 'data'),
    properties: join(root, 'server.properties'),
    log: join(root, 'kafka.log'),
    startLock: join(root, 'start.lock.db'),
    started: join(root, 'started.json'),
    users: join(root, 'users'),
    tls: join(root, 'tls'),
  };
}

/** Undefined when none runs: the run file alone is no proof, another program may have got that process id since. */
export async function brokerOn(folder: BrokerFolder): Promise<RunFile | undefined> {
  const run = await readRunFile(folder.root, runName);
  if (run === undefined) return undefined;
  const commandLine = await commandLineOf(run.pid);
  const isOurs = commandLine?.includes('kafka.Kafka') === true && commandLine.includes(folder.properties);
  return commandLine === undefined || isOurs ? run : undefined;
}

export { runName };

/** Empty for a process that is gone; undefined where this system does not tell (Windows: unverified). */
async function commandLineOf(pid: number): Promise<string | undefined> {
  if (process.platform === 'win32') return undefined;
  if (process.platform !== 'linux')
    return spawnSync('ps', ['-ww', '-o', 'command=', '-p', String(pid)], { encoding: 'utf8' }).stdout;
  try {
    return (await readFile(`/proc/${pid}/cmdline`, 'utf8')).replaceAll('\0', ' ');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // ESRCH: it went while it was read.
    if (code === 'ENOENT' || code === 'ESRCH') return '';
    throw error;
  }
}

/** Undefined when none was ever started on it. */
export async function readStartedAs({ started }: BrokerFolder): Promise<StartedAs | undefined> {
  try {
    return JSON.parse(await readFile(started, 'utf8')) as StartedAs;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
