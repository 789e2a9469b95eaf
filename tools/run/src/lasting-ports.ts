import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';

// Below the ports that systems give by themselves (Linux from 32768, Windows and macOS from 49152: their defaults).
const [lowest, beyond] = [20_000, 32_768];

/**
 * Ports for servers that come back on them after a restart: one that the system had given would go to anybody's next connection meanwhile.
 * All are held until every one is known.
 * @throws Error when hardly any of the range is free.
 */
export async function lastingPorts(
  count: number,
  random: (lowest: number, beyond: number) => number = randomInt,
): Promise<number[]> {
  const held: Server[] = [];
  try {
    for (let tries = 0; held.length < count; tries += 1) {
      if (tries > 100 * count) throw new Error(`Too few ports from ${lowest} to ${beyond - 1} are free.`);
      const server = await tryToHold(random(lowest, beyond));
      if (server !== undefined) held.push(server);
    }
    return held.map(server => (server.address() as { port: number }).port);
  } finally {
    await Promise.all(held.map(server => once(server.close(), 'close')));
  }
}

async function tryToHold(port: number): Promise<Server | undefined> {
  const server = createServer();
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening');
    return server;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE' || (error as NodeJS.ErrnoException).code === 'EACCES')
      return undefined;
    throw error;
  }
}
