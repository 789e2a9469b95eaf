import { join } from 'node:path';
import { backupPath, copiesPath, dataPath, logPath, type SampleInstance, type SamplePair } from './sample-group.ts';

/** Folders of this machine behind the sample estate's paths. */
export type EstateFolders = {
  readonly estate: string;
  /** The backup share. */
  readonly share: string;
  /** Login and password of the estate, as files that references name. */
  readonly userFile: string;
  readonly passwordFile: string;
  /** Where the source instances find each other. */
  readonly peersFile: string;
};

export function estateFolders(dataFolder: string): EstateFolders {
  const estate = join(dataFolder, 'estate');
  return {
    estate,
    share: join(dataFolder, 'share'),
    userFile: join(estate, 'login.txt'),
    passwordFile: join(estate, 'password.txt'),
    peersFile: join(estate, 'peers.json'),
  };
}

/** Our copies on the disk of this standby instance. */
export function copiesFolder(dataFolder: string, standby: SampleInstance): string {
  return join(estateFolders(dataFolder).estate, standby.folder, 'copies');
}

/** Windows path → folder, for one instance. The standby does not see the backup share: it has copies of its own. */
export function pathMap(
  dataFolder: string,
  pair: SamplePair,
  side: 'primary' | 'standby',
): Readonly<Record<string, string>> {
  const { estate, share } = estateFolders(dataFolder);
  const own = join(estate, pair[side].folder);
  const files = { [dataPath]: join(own, 'data'), [logPath]: join(own, 'logs') };
  return side === 'standby'
    ? { ...files, [copiesPath]: copiesFolder(dataFolder, pair.standby) }
    : { ...files, [backupPath]: share };
}
