import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { lastingPorts } from '@holdfast/run';
import { connected, type SqlConnection } from '../sql-connection.ts';
import { type EstateFile, readEstateFile, writeEstateFile } from './estate-file.ts';
import { estateFolders } from './folders.ts';
import { type EstateInstance, type InstanceOptions, startInstance, user } from './instance.ts';
import { prepareGroup, prepareStandby } from './prepare-group.ts';
import type { SampleGroup } from './sample-group.ts';
import { writeWhole } from './write-whole.ts';

export type Estate = {
  readonly group: SampleGroup;
  /** In the order of the group; the first one holds the Management database. */
  readonly primaries: readonly [EstateInstance, ...EstateInstance[]];
  readonly standbys: readonly EstateInstance[];
  /** By folder. */
  readonly ports: EstateFile['ports'];
  /** Ends source instances at once, with -9; all of them when none is named. */
  killPrimaries(some?: readonly EstateInstance[]): Promise<void>;
  /** Takes the backup share away from whoever reads it on this machine, as a site that is lost does. */
  loseShare(): Promise<void>;
  stop(): Promise<void>;
};

/** Instance folder → faults of the stand-in there, as its command line takes them. */
export type EstateFaults = Readonly<Record<string, readonly string[]>>;

/**
 * Starts the instances of the sample estate, one process each, and makes the group when the folder is new. The estate file is written last:
 * what was cut before is thrown away and made anew.
 */
export async function startEstate(
  dataFolder: string,
  group: SampleGroup,
  log: (line: string) => void,
  faults: EstateFaults = {},
): Promise<Estate> {
  const folders = estateFolders(dataFolder);
  const known = await readEstateFile(dataFolder, group);
  if (known === undefined) {
    await rm(folders.estate, { recursive: true, force: true });
    await rm(folders.share, { recursive: true, force: true });
  }
  for (const folder of [folders.estate, folders.share]) await mkdir(folder, { recursive: true });
  const password = await ensureLogin(folders.userFile, folders.passwordFile);
  const secret = randomBytes(18).toString('base64url');
  // Ports of an earlier start are not theirs any more: until all are known, nobody finds anybody.
  await writePeers(folders.peersFile, secret, []);
  const ports = known?.ports ?? (await portsFor(group));
  const started: EstateInstance[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(started.map(({ process }) => process.stop()));
  };
  const startAll = async (side: 'primary' | 'standby'): Promise<EstateInstance[]> => {
    const starts = group.map(async pair => {
      const { folder } = pair[side];
      const options: InstanceOptions = { port: ports[folder] ?? 0, password, log, faults: faults[folder] ?? [] };
      const instance = await startInstance(dataFolder, pair, side, options);
      started.push(instance);
      return instance;
    });
    // All of them, whatever becomes of the others: one that starts late would outlive us.
    await Promise.allSettled(starts);
    return Promise.all(starts);
  };
  try {
    const [[first, ...others], standbys] = await Promise.all([startAll('primary'), startAll('standby')]);
    if (first === undefined) throw new Error('The group has no instance.');
    const primaries = [first, ...others] as const;
    await writePeers(folders.peersFile, secret, primaries);
    if (known === undefined) {
      await connected(primaries, 'sample estate', all => prepareGroup(group, connectionsOf(all)));
      await connected(standbys, 'sample estate', all => prepareStandby(connectionsOf(all)));
      await writeEstateFile(dataFolder, group, ports);
    }
    return {
      group,
      primaries,
      standbys,
      ports,
      async killPrimaries(some = primaries) {
        await Promise.all(some.map(({ process }) => process.kill()));
      },
      loseShare: () => rename(folders.share, `${folders.share}.lost`),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function portsFor(group: SampleGroup): Promise<EstateFile['ports']> {
  const folders = group.flatMap(({ primary, standby }) => [primary.folder, standby.folder]);
  const free = await lastingPorts(folders.length);
  return Object.fromEntries(folders.map((folder, place) => [folder, free[place] ?? 0]));
}

/** Ports of an estate that another process runs, by folder. @throws Error when there is none. */
export async function readEstatePorts(dataFolder: string, group: SampleGroup): Promise<EstateFile['ports']> {
  const file = await readEstateFile(dataFolder, group);
  if (file === undefined) throw new Error(`There is no sample estate in ${dataFolder}.`);
  return file.ports;
}

function connectionsOf(all: readonly (readonly [unknown, SqlConnection])[]): readonly SqlConnection[] {
  return all.map(([, connection]) => connection);
}

function writePeers(file: string, secret: string, instances: readonly EstateInstance[]): Promise<void> {
  const addresses = instances.map(({ name, peerPort }) => {
    if (peerPort === undefined) throw new Error(`${name} announced no port for linked servers.`);
    return [name, `127.0.0.1:${peerPort}`] as const;
  });
  return writeWhole(file, JSON.stringify({ secret, instances: Object.fromEntries<string>(addresses) }));
}

/** The estate's one login; made on the first start. */
async function ensureLogin(userFile: string, passwordFile: string): Promise<string> {
  if (!existsSync(passwordFile)) {
    await writeFile(userFile, user, { mode: 0o600 });
    await writeFile(passwordFile, randomBytes(18).toString('base64url'), { mode: 0o600 });
  }
  return readFile(passwordFile, 'utf8');
}
