import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { KafkaError } from './errors.ts';

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

async function close(server: Server): Promise<void> {
  server.close();
  await once(server, 'close');
}
