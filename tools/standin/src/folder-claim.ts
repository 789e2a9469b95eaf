/**
 * One instance in one folder: two would write into the same files. The claim is a name that the operating system takes back when the process ends,
 * however it ends, so that nothing is left to be cleared after kill -9. It holds on one machine, on Linux and Windows.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, realpathSync } from 'node:fs';
import { createServer } from 'node:net';
import { ConfigError } from './config.ts';

/** Makes the folder if it is not there. Resolves with what gives it back. @throws ConfigError */
export async function claimFolder(folder: string): Promise<() => Promise<void>> {
  const name = nameOf(wholePath(folder));
  if (name === undefined) return () => Promise.resolve();
  const claim = createServer(socket => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    claim.once('error', (error: NodeJS.ErrnoException) => {
      const taken = `data: an instance runs in ${folder} already: end it, or give another folder`;
      reject(error.code === 'EADDRINUSE' ? new ConfigError([taken]) : error);
    });
    claim.listen(name, resolve);
  });
  claim.unref();
  return () => new Promise(resolve => void claim.close(() => resolve()));
}

function wholePath(folder: string): string {
  try {
    mkdirSync(folder, { recursive: true });
    return realpathSync(folder);
  } catch (error) {
    throw new ConfigError([`data: ${error instanceof Error ? error.message : String(error)}`]);
  }
}

/** Undefined where names of this kind outlive their process. */
function nameOf(path: string): string | undefined {
  const name = `holdfast-standin-${createHash('sha256').update(path).digest('hex').slice(0, 32)}`;
  if (process.platform === 'win32') return `\\\\.\\pipe\\${name}`;
  return process.platform === 'linux' ? `\0${name}` : undefined;
}
