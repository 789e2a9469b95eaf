import { connect, createServer, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';

/**
 * Stands between a client and a server. When the client first sends `text` (UTF-16, as TDS carries statements), `cut` gets it and what follows
 * before the server has it; then the server gets it together with the end of the connection: it begins what nobody waits for any more.
 */
export async function startCuttingProxy(port: number, text: string, cut: (sent: string) => Promise<void>) {
  const wanted = Buffer.from(text, 'utf16le');
  const sockets = new Set<Socket>();
  let isCut = false;
  const server = createServer(client => {
    const upstream = connect(port, '127.0.0.1');
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      // The other end is closed by what follows an error.
      socket.on('error', () => socket.destroy());
      socket.on('close', () => sockets.delete(socket));
    }
    upstream.pipe(client);
    let cutting = false;
    client.on('close', () => {
      if (!cutting) upstream.end();
    });
    client.on('data', chunk => {
      if (isCut || !chunk.includes(wanted)) return void upstream.write(chunk);
      isCut = cutting = true;
      const sent = chunk.subarray(chunk.indexOf(wanted)).toString('utf16le');
      void cut(sent).then(() => upstream.end(chunk));
    });
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise(resolve => server.close(resolve));
    },
  };
}
