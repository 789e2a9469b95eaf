import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { openServer } from '../src/index.ts';
import { startSilentServer } from './silent-server.ts';

const servers: Server[] = [];

const listening = async (onSocket: (socket: Socket) => void): Promise<number> => {
  const sockets = new Set<Socket>();
  const server = createServer(socket => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    onSocket(socket);
  });
  server.on('close', () => sockets.forEach(socket => socket.destroy()));
  servers.push(server);
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
};

const open = (port: number, connectMs = 10_000, encrypt = false) =>
  openServer({
    address: { server: '127.0.0.1', port, instanceName: null, encrypt, trustServerCertificate: false },
    credentials: { user: 'holdfast', password: 'not-to-be-shown' },
    applicationName: 'holdfast-test',
    clock: Date.now,
    timeouts: { connectMs },
  });

afterEach(() => {
  for (const server of servers.splice(0)) server.close().emit('close');
});

describe('an instance that cannot be reached', () => {
  it('is named when nobody listens', async () => {
    const port = await listening(() => undefined);
    await new Promise(resolve => servers.splice(0)[0]?.close(resolve));
    await expect(open(port)).rejects.toMatchObject({
      name: 'SqlServerError',
      errorClass: 'lost',
      statement: 'connect',
      message: expect.stringContaining(`Nobody listens at 127.0.0.1:${port}`),
    });
  });

  it('is named when it hangs up', async () => {
    const port = await listening(socket => socket.on('data', () => socket.destroy()));
    await expect(open(port)).rejects.toMatchObject({
      errorClass: 'lost',
      message: expect.stringContaining(`127.0.0.1:${port}`),
    });
  });

  it('is given up on when it accepts and stays silent', async () => {
    const port = await listening(() => undefined);
    await expect(open(port, 300)).rejects.toMatchObject({ errorClass: 'lost', code: 'ETIMEOUT' });
  });

  it('is told apart from one that cannot encrypt', async () => {
    const silent = await startSilentServer();
    try {
      await expect(open(silent.port, 10_000, true)).rejects.toMatchObject({
        errorClass: 'login',
        code: 'EENCRYPT',
        message: expect.stringContaining(`127.0.0.1:${silent.port} and this connection do not agree about encryption`),
        hint: expect.stringContaining('configure a certificate at the server'),
      });
      expect(silent.logins()).toBe(0);
    } finally {
      await silent.close();
    }
  });

  it('is not even tried when its address cannot be meant', async () => {
    const address = {
      server: '127.0.0.1',
      port: 1433,
      instanceName: 'BTS',
      encrypt: true,
      trustServerCertificate: false,
    };
    const credentials = { user: 'sa', password: 'x' };
    await expect(openServer({ address, credentials, applicationName: 't', clock: Date.now })).rejects.toThrow(
      'PortAndInstanceName',
    );
  });
});
