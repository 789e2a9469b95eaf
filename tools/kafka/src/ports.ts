import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { KafkaError } from './errors.ts';

/**
 * Free ports of 127.0.0.1, all different. They are free when this returns; a program that takes one before the broker does makes that end,
 * and it is started once more with others.
 */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(Array.from({ length: count }, () => listen(0)));
  const ports = servers.map(portOf);
  await Promise.all(servers.map(close));
  return ports;
}

/** @throws KafkaError PORT_TAKEN. */
export async function refuseTakenPort(port: number): Promise<void> {
  try {
    await close(await listen(port));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    throw new KafkaError('PORT_TAKEN', `Port ${port} of 127.0.0.1 is taken by another program.`, { cause: error });
  }
}

async function listen(port: number): Promise<Server> {
  const server = createServer().listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

async function close(server: Server): Promise<void> {
  server.close();
  await once(server, 'close');
}
