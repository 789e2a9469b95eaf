import { readdir } from 'node:fs/promises';
import { copiesFolder, databasesOf, estateFolders, pause } from '@holdfast/demo';

const lookEveryMs = 100;

export type CopiesPace = {
  readonly dataFolder: string;
  readonly group: Parameters<typeof databasesOf>[0];
  /** So many sets of files at the share without a copy, and the job waits. */
  readonly mostSets: number;
};

/**
 * Until few files of the share are without a copy at the standby. A job every 15 minutes leaves time enough; one every few seconds would, on a busy
 * machine, outrun the copies for ever.
 */
export async function untilCopied({ dataFolder, group, mostSets }: CopiesPace, signal: AbortSignal): Promise<void> {
  const { share } = estateFolders(dataFolder);
  const copies = group.map(({ standby }) => copiesFolder(dataFolder, standby));
  const most = mostSets * databasesOf(group).length;
  for (;;) {
    const copied = new Set((await Promise.all(copies.map(namesIn))).flat());
    const uncopied = (await namesIn(share)).filter(name => !copied.has(name));
    if (uncopied.length < most || signal.aborted) return;
    await pause(lookEveryMs, signal);
  }
}

/** None of a folder that is not there yet, or not any more. */
async function namesIn(folder: string): Promise<readonly string[]> {
  return readdir(folder).catch(() => []);
}
