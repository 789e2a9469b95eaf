import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { connected, copiesFolder, type Estate, estateFolders } from '@holdfast/demo';
import { type RunningProcess, startProcess } from '@holdfast/run';
import { fromRoot } from './program.ts';
import { type Pace, setPace } from './protected-estate.ts';
import { restoresBy, readStatements } from './statements.ts';

type Instance = Estate['standbys'][number];

/**
 * Seconds that the failover's own RESTOREs take at this pace when they are sent singly, one after the other: to fresh stand-ins that were brought
 * to where the standby stood by the same statements that shipping had sent.
 */
export async function replaySerially(
  dataFolder: string,
  { group, standbys }: Estate,
  folder: string,
  pace: Pace,
): Promise<number> {
  const { userFile, passwordFile } = estateFolders(dataFolder);
  const [user, password] = await Promise.all([readFile(userFile, 'utf8'), readFile(passwordFile, 'utf8')]);
  const running: RunningProcess[] = [];
  await rm(folder, { recursive: true, force: true });
  try {
    const fresh: { readonly address: Instance['address']; readonly of: Instance; readonly controlUrl: string }[] = [];
    for (const [index, instance] of standbys.entries()) {
      const pair = group[index];
      if (pair === undefined) throw new Error(`${instance.name} is no standby of the group.`);
      const own = join(folder, instance.folder);
      const map = {
        'D:\\Data': join(own, 'data'),
        'L:\\Logs': join(own, 'logs'),
        'E:\\Copies': copiesFolder(dataFolder, pair.standby),
      };
      for (const path of [own, ...Object.values(map)]) await mkdir(path, { recursive: true });
      const server = await startProcess({
        name: instance.folder,
        main: fromRoot('tools/standin/src/main.ts'),
        args: [
          ...['--port', '0', '--data', join(own, 'instance'), '--name', instance.name],
          ...['--login', user, '--password-file', passwordFile],
          ...Object.entries(map).flatMap(([path, target]) => ['--map', `${path}=${target}`]),
        ],
        readyUrl: ({ controlPort }) => `http://127.0.0.1:${String(controlPort)}/health`,
        log: () => undefined,
      });
      running.push(server);
      const { port, controlPort } = server.announcement;
      const controlUrl = `http://127.0.0.1:${String(controlPort)}`;
      fresh.push({ address: { port: Number(port), user, password }, of: instance, controlUrl });
    }
    return await connected(fresh, 'bench replay', async all => {
      let milliseconds = 0;
      for (const [{ of, controlUrl }, connection] of all) {
        // What databases that were cut off from their coordinator presume, as at the standby (sqlserver.md §3.5).
        for (const option of ["'show advanced options', 1", "'in-doubt xact resolution', 2"])
          await connection.rows(`EXEC sp_configure ${option}; RECONFIGURE;`);
        const statements = await readStatements(of.statementLog);
        for (const { text } of restoresBy('shipping', statements)) await connection.rows(text);
        await setPace(controlUrl, pace);
        for (const { text } of restoresBy('restore', statements)) {
          const startedAt = performance.now();
          await connection.rows(text);
          milliseconds += performance.now() - startedAt;
        }
      }
      return milliseconds / 1_000;
    });
  } finally {
    await Promise.all(running.map(server => server.stop()));
  }
}
