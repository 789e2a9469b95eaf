import { join } from 'node:path';
import { backupPath, copiesPath, dataPath, logPath, type SampleInstance, standby } from './sample-group.ts';

/** Folders of this machine behind the sample estate's paths. */
export type EstateFolders = {
  readonly estate: string;
  /** The backup share. */
  readonly share: string;
  /** Our copies at the standby site. */
  readonly copies: string;
  /** Login and password of the estate, as files that references name. */
  readonly userFile: string;
  readonly passwordFile: string;
};

export function estateFolders(dataFolder: string): EstateFolders {
  const estate = join(dataFolder, 'estate');
  return {
    estate,
    share: join(dataFolder, 'share'),
    copies: join(estate, standby.folder, 'copies'),
    userFile: join(estate, 'login.txt'),
    passwordFile: join(estate, 'password.txt'),
  };
}

/** Windows path → folder, for one instance. The standby does not see the backup share: it has copies of its own. */
export function pathMap(dataFolder: string, instance: SampleInstance): Readonly<Record<string, string>> {
  const { estate, share, copies } = estateFolders(dataFolder);
  const own = join(estate, instance.folder);
  const files = { [dataPath]: join(own, 'data'), [logPath]: join(own, 'logs') };
  return instance.folder === standby.folder ? { ...files, [copiesPath]: copies } : { ...files, [backupPath]: share };
}
